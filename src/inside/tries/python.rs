//! What only the interpreter knows: which file it is, where its packages go,
//! which libraries of the system it stands on.
//!
//! It is asked once, in a process of its own, for all the attempts that need it.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::super::answer::Said;
use super::super::attempt::Attempt;
use super::{Tried, files, tried};
use crate::environment::bounded::{self, Ended};

/// Asked of the interpreter.
const QUESTION: &str = include_str!("python.py");
/// The longest that it may take: a guest under an emulator is slow.
const BOUND: Duration = Duration::from_secs(40);

/// What the interpreter said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    packages: PathBuf,
    interpreter: PathBuf,
    standard: PathBuf,
    library: Option<PathBuf>,
}

/// The interpreter's answer, once it was asked.
#[derive(Debug, Default)]
pub(super) struct Asked(OnceCell<Result<Facts, String>>);

impl Asked {
    /// What `python` has to say to `attempt`.
    pub(super) fn answer(&self, attempt: Attempt, python: Option<&Path>) -> Tried {
        let Some(python) = python else {
            let why = "there is no interpreter".to_owned();
            return ("ask Python".to_owned(), Said::NotTried(why));
        };
        let (question, file) = match self.0.get_or_init(|| ask(python)) {
            Err(why) => return tried(format!("{} -I -c …", python.display()), Err(&**why)),
            Ok(facts) => match attempt {
                Attempt::PackageDirectory | Attempt::WritePackages => (
                    "its directory of packages in sys.path",
                    Some(&facts.packages),
                ),
                Attempt::InterpreterFile | Attempt::WriteInterpreter => {
                    ("os.path.realpath(sys.executable)", Some(&facts.interpreter))
                }
                Attempt::StandardLibrary | Attempt::WriteStandardLibrary => {
                    ("the directory of os.__file__", Some(&facts.standard))
                }
                _ => ("the C library in /proc/self/maps", facts.library.as_ref()),
            },
        };
        let call = format!("{} -I: {question}", python.display());
        let Some(file) = file else {
            return tried(call, Err("it is linked statically"));
        };
        match attempt {
            Attempt::WritePackages
            | Attempt::WriteInterpreter
            | Attempt::WriteStandardLibrary
            | Attempt::WriteCLibrary => files::may_write(file),
            _ => identified(call, file),
        }
    }
}

/// A file by its name and by what cannot be mistaken: its device and its inode.
fn identified(call: String, file: &Path) -> Tried {
    let found =
        fs::metadata(file).map(|meta| format!("{}:{} {}", meta.dev(), meta.ino(), file.display()));
    tried(call, found)
}

fn ask(python: &Path) -> Result<Facts, String> {
    let mut command = Command::new(python);
    command.args(["-I", "-c", QUESTION]);
    match bounded::run(&mut command, BOUND) {
        Err(error) => Err(format!("it does not start: {error}")),
        Ok(Ended::TimedOut) => Err("it did not answer".to_owned()),
        Ok(Ended::Exited {
            code: Some(0),
            stdout,
            ..
        }) => serde_json::from_str(&stdout).map_err(|_| "it said something else".to_owned()),
        Ok(Ended::Exited { stderr, .. }) => {
            let last = stderr.trim().lines().last().unwrap_or("it failed");
            Err(last.to_owned())
        }
    }
}
