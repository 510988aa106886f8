//! The environment that a verb is about, as every verb is told it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use venv_sim::{Cache, Chosen, Installed, Interpreter, Surroundings};

use crate::report::text::shown;

/// Which environment.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The environment [default: the active one, else .venv here or above]
    #[arg(long, value_name = "DIR")]
    env: Option<PathBuf>,
}

/// The environment, and what is installed in it.
pub(super) struct Seen {
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
            eprintln!(
                "warning: its interpreter, once in {}, is gone: `isolab doctor venv --fix` looks for another",
                shown(&chosen.environment.home.to_string_lossy())
            );
        }
        let installed = Installed::of(&chosen.environment)?;
        for one in &installed.unreadable {
            let path = one.path.to_string_lossy();
            eprintln!("warning: {}: {}", shown(&path), shown(&one.why));
        }
        Ok(Seen { chosen, installed })
    }
}

impl Seen {
    pub(super) fn interpreter(&self) -> Result<Interpreter> {
        Ok(self.chosen.environment.interpreter(&Cache::of_user())?)
    }
}
