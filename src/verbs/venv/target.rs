//! The environment to install into, which is never the system's own Python.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use venv_sim::{Chosen, Search, Surroundings, shell_word};

use crate::hint;

/// Which environment, or whose.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The environment [default: the active one, else .venv here or above]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["python", "system"])]
    env: Option<PathBuf>,
    /// The environment of this interpreter, or at this path
    #[arg(short, long, value_name = "PATH", conflicts_with = "system")]
    python: Option<String>,
    /// The system's Python, which is refused: with what it says, and what to do instead
    #[arg(long)]
    system: bool,
}

impl Target {
    pub(super) fn choose(&self) -> Result<Chosen> {
        let asked = match (&self.python, self.system) {
            (None, false) => return Ok(Surroundings::of_process().choose(self.env.as_deref())?),
            (python, _) => python.as_deref(),
        };
        if let Some(dir) = asked.and_then(environment_of) {
            return Ok(Surroundings::of_process().choose(Some(&dir))?);
        }
        let found = Search::of_process().discover(asked)?;
        let (major, minor, _) = found.version;
        let path = found.executable.display();
        let remedy = format!(
            "make an environment and install there: `isolab venv create --python {} && \
             isolab venv install …`",
            shell_word(found.executable.as_os_str())
        );
        // Its distribution's own words.
        let message = match found.externally_managed() {
            Some(said) => format!(
                "cannot install into {path}, which is externally managed:\n\n{}\n",
                said.trim()
            ),
            None => format!(
                "cannot install into {path}: it is Python {major}.{minor} itself and no environment, and \
                 whatever uses it would get the packages"
            ),
        };
        Err(hint::with(message, remedy))
    }
}

/// The environment that is at a path, or whose interpreter is; that of `python` where this is the
/// name of the first on PATH.
fn environment_of(python: &str) -> Option<PathBuf> {
    let has_config = |dir: &Path| dir.join("pyvenv.cfg").is_file();
    let around = |program: &Path| {
        let dir = program.parent()?.parent()?.to_owned();
        has_config(&dir).then_some(dir)
    };
    let path = Path::new(python);
    if has_config(path) {
        return Some(path.to_owned());
    }
    if python.contains('/') {
        return around(&std::path::absolute(path).ok()?);
    }
    let directories = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&directories).map(|dir| dir.join(python));
    around(&programs.find(|program| program.is_file())?)
}
