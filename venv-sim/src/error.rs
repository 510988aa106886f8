//! What can go wrong, grouped by what the caller can do about it.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::refusal::Refusal;
use crate::trouble::Trouble;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an interpreter or an environment cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No interpreter answers the request.
    #[error("cannot find {request}: {}", describe(tried))]
    NoInterpreter {
        /// What was asked for, in words.
        request: String,
        /// What was tried, and why each was refused.
        tried: Vec<String>,
    },

    /// The file does not behave as a Python interpreter.
    #[error("cannot use {} as a Python interpreter: {cause}", path.display())]
    NotAnInterpreter {
        /// The file that was run.
        path: PathBuf,
        /// What it did instead of answering.
        cause: String,
    },

    /// A Python whose environments PEP 405 does not describe.
    #[error("cannot make an environment for Python {version} ({}): {cause}", path.display())]
    UnsupportedPython {
        /// The interpreter.
        path: PathBuf,
        /// Its version, as it says.
        version: String,
        /// What it lacks.
        cause: &'static str,
    },

    /// An environment cannot lie there, whatever is there now.
    #[error("cannot create an environment at {}: {cause}", dir.display())]
    BadLocation {
        /// The destination.
        dir: PathBuf,
        /// What forbids it.
        cause: &'static str,
    },

    /// Something lies there that must not be replaced.
    #[error("cannot create an environment at {}: {what} is there", dir.display())]
    Occupied {
        /// The destination.
        dir: PathBuf,
        /// What lies there.
        what: &'static str,
        /// Whether [`Options::clear`](crate::Options::clear) would replace it.
        clearable: bool,
    },

    /// The environment cannot be changed to that interpreter with its packages.
    #[error("cannot upgrade {} to Python {version}: {cause}", dir.display())]
    Stays {
        /// The environment.
        dir: PathBuf,
        /// The interpreter's version.
        version: String,
        /// What would not work afterwards.
        cause: String,
    },

    /// Another process is at work on the same destination.
    #[error("cannot make the environment at {}: another process is making it", dir.display())]
    Busy {
        /// The destination.
        dir: PathBuf,
    },

    /// A value that `pyvenv.cfg`, a file of lines, cannot hold.
    #[error("cannot write {what} {value:?} to pyvenv.cfg: {cause}")]
    Unwritable {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What it holds that cannot be written.
        cause: &'static str,
    },

    /// The directory is not an environment.
    #[error("cannot open {} as a virtual environment: {cause}", dir.display())]
    NotAnEnvironment {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        cause: String,
    },

    /// No environment was named, and none is there.
    #[error("cannot find an environment: none is active, and there is no .venv in {} or above", from.display())]
    NoEnvironment {
        /// Where the search began.
        from: PathBuf,
    },

    /// The shell has one activated that cannot be used.
    #[error("cannot use the active environment {}: {cause}", dir.display())]
    BrokenActive {
        /// What `VIRTUAL_ENV` says.
        dir: PathBuf,
        /// What is wrong with it.
        cause: String,
    },

    /// The file is no wheel, or not what it says.
    #[error("cannot take {} as a wheel: {cause}", path.display())]
    BadWheel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Refusal,
    },

    /// Nobody says which index is to be asked.
    #[error("cannot tell which index to ask: {}", tried.join("; "))]
    NoIndex {
        /// Where an address was looked for.
        tried: Vec<String>,
    },

    /// A setting that cannot be used.
    #[error("cannot use {what} from {from}: {cause}")]
    BadSetting {
        /// Which one.
        what: String,
        /// Who set it: a flag, a variable, a file.
        from: String,
        /// What is wrong with it.
        cause: Refusal,
    },

    /// An index, or another server, does not give what was asked of it.
    #[error("cannot get {url}: {cause}")]
    Index {
        /// The address, without name and password.
        url: String,
        /// Why.
        cause: Trouble,
    },

    /// What is asked for can never be had.
    #[error("cannot use {at}: {cause}")]
    BadRequirement {
        /// Where it is asked for: a file and its line, or what was typed.
        at: String,
        /// What is wrong with it.
        cause: Refusal,
        /// What to do.
        remedy: &'static str,
    },

    /// No versions of what is asked for fit together.
    #[error("cannot choose what is asked for:{why}")]
    Unsatisfiable {
        /// Why, each reason on a line of its own.
        why: String,
        /// What to do, where there is something to do.
        remedy: Option<&'static str>,
    },

    /// What was asked for cannot be done to this project, and nothing was changed.
    #[error("cannot {action} {project}: {cause}")]
    Impossible {
        /// `install`, `uninstall`.
        action: &'static str,
        /// The project.
        project: String,
        /// What stands against it.
        cause: Refusal,
        /// What to do about it.
        remedy: &'static str,
    },

    /// Another process is changing the environment or the store.
    #[error("cannot change {}: another process is at work on it", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },

    /// A file of the store was changed, and the wheel that it is from is not kept.
    #[error("cannot use {} of the store: it was changed", path.display())]
    Spoiled {
        /// The file.
        path: PathBuf,
    },

    /// A change of an environment was cut short, and what it had done is not written any more.
    #[error(
        "cannot undo what a killed process began in {}: its journal is lost, and what it moved \
         away is in .isolab/old",
        dir.display()
    )]
    LostJournal {
        /// The environment's directory.
        dir: PathBuf,
    },

    /// The cache cannot be written.
    #[error("cannot keep anything in the cache {}", path.display())]
    ClosedCache {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn describe(tried: &[String]) -> String {
    if tried.is_empty() {
        "none found on PATH, under pyenv or in /usr/bin".to_owned()
    } else {
        tried.join("; ")
    }
}

/// Whether that is how a file system, or two of them, refuse to share blocks.
///
/// Source: `ioctl_ficlone(2)`.
fn cannot_share(source: &io::Error) -> bool {
    let refusals = [
        Errno::EOPNOTSUPP,
        Errno::EXDEV,
        Errno::EINVAL,
        Errno::ENOTTY,
    ];
    let number = source.raw_os_error();
    refusals
        .iter()
        .any(|refusal| Some(*refusal as i32) == number)
}

impl Error {
    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoInterpreter { .. } => {
                "install one (Debian, Ubuntu: `apt install python3`; any version: `pyenv install`) \
                 or give the path of one"
            }
            Self::NotAnInterpreter { .. } => {
                "give the path of a real `pythonX.Y`; running it with `-I -S -c 'print(1)'` shows what it does"
            }
            Self::UnsupportedPython { .. } => "ask for Python 3.3 or later, or for 2.7",
            Self::BadLocation { .. } => "choose another directory",
            Self::Occupied {
                clearable: true, ..
            } => "`--clear` replaces it; packages installed in it are lost",
            Self::Occupied { .. } => "choose another directory, or move this one away first",
            Self::Stays { .. } => {
                "make a new environment for it, and install into that what this one has"
            }
            Self::Busy { .. } => "wait for it to finish, then look whether it is what you want",
            Self::Unwritable {
                what: "the prompt", ..
            } => "choose a prompt of one line",
            Self::Unwritable { .. } => "use an interpreter whose path is plain text of one line",
            Self::NotAnEnvironment { .. } => {
                "create it first, or name the directory above `bin/`; `isolab doctor venv DIR` \
                 tells what is wrong with one"
            }
            Self::NoEnvironment { .. } => {
                "`isolab venv create` makes one here; `--env DIR` names one elsewhere"
            }
            Self::BrokenActive { .. } => {
                "`isolab doctor venv` tells more, and with `--fix` mends what it can; \
                 `deactivate` leaves it"
            }
            Self::BadWheel { .. } => {
                "get it again from where it was published; if it is the same, its author has to mend it"
            }
            Self::NoIndex { .. } => "`--index-url URL` names one",
            Self::BadSetting { .. } => "set it to something else there, or take it away",
            Self::Index { cause, .. } => cause.hint(),
            Self::BadRequirement { remedy, .. } => remedy,
            Self::Unsatisfiable { remedy, .. } => return *remedy,
            Self::Impossible { remedy, .. } => remedy,
            Self::InUse { .. } => "wait for it to finish, then try again",
            Self::Spoiled { .. } => "give its wheel again, from which it is unpacked anew",
            Self::LostJournal { .. } => {
                "take what you want to keep out of `.isolab/old`, remove `.isolab`, and install \
                 again what is incomplete"
            }
            Self::Io {
                action: "clone",
                source,
                ..
            } if cannot_share(source) => {
                "these file systems share no blocks of files (Btrfs and XFS do, each within \
                 itself); `--link-mode copy` copies, and without the flag what is fastest is found out"
            }
            Self::ClosedCache { .. } => {
                "`--cache-dir DIR` names another directory, `--no-cache` keeps nothing"
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::CrossesDevices => {
                "have the cache on the same file system, or copy: `--link-mode copy`"
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room, then try again"
            }
            Self::Io { .. } => return None,
        })
    }

    /// The error and its cause in one line, where only text is kept of it.
    pub(crate) fn with_cause(&self) -> String {
        match self {
            Self::Io { source, .. } | Self::ClosedCache { source, .. } => {
                format!("{self}: {source}")
            }
            _ => self.to_string(),
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
