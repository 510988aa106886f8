//! The environment that a verb is about, as every verb is told it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use venv_sim::{
    Cache, Chosen, Environment, Installed, Interpreter, Surroundings, env_flag, shell_word,
};

use crate::report::text::shown;
use crate::stderr;

/// Which environment.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The environment [default: the active one, else .venv here or above]
    #[arg(long, value_name = "DIR")]
    env: Option<PathBuf>,
}

/// The environment, and what is installed in it.
pub(super) struct Seen {
    /// As it was named, if it was: what a command that is suggested has to name, too.
    pub(super) named: Option<PathBuf>,
    pub(super) chosen: Chosen,
    pub(super) installed: Installed,
}

impl Place {
    pub(super) fn choose(&self) -> Result<Chosen> {
        Ok(Surroundings::of_process().choose(self.env.as_deref())?)
    }

    /// Reads what is installed; what cannot be read is told on standard error.
    pub(super) fn read(&self) -> Result<Seen> {
        let chosen = Surroundings::of_process().choose_to_read(self.env.as_deref())?;
        if !chosen.environment.python.is_file() {
            let dir = self
                .env
                .as_ref()
                .map(|dir| shell_word(dir.as_os_str()) + " ");
            let fix = format!("`isolab doctor venv {}--fix`", dir.unwrap_or_default());
            stderr::tell(format_args!(
                "warning: {}",
                shown(&lost_python(&chosen.environment, &fix))
            ));
        }
        let installed = Installed::of(&chosen.environment)?;
        for one in &installed.unreadable {
            let path = one.path.to_string_lossy();
            stderr::tell(format_args!(
                "warning: {}: {}",
                shown(&path),
                shown(&one.why)
            ));
        }
        let named = self.env.clone();
        Ok(Seen {
            named,
            chosen,
            installed,
        })
    }
}

/// What became of the interpreter, and what `fix` does about it.
fn lost_python(environment: &Environment, fix: &str) -> String {
    let home = environment.home.display();
    match environment.home.is_dir() && !environment.python.is_symlink() {
        true => format!("it has no bin/python any more: {fix} makes it anew"),
        false => format!("its interpreter, once in {home}, is gone: {fix} looks for another"),
    }
}

impl Seen {
    /// The remedy for a name that is not installed.
    pub(super) fn list_hint(&self) -> String {
        let env = env_flag(self.named.as_deref());
        format!("`isolab venv list{env}` shows what is")
    }

    pub(super) fn interpreter(&self) -> Result<Interpreter> {
        Ok(self.chosen.environment.interpreter(&Cache::of_user())?)
    }
}
