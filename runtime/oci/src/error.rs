//! What can go wrong, grouped by what the caller can do about it.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a container could not be started or supervised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that the runtime needs cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// `config.json` is not JSON, or a field has the wrong type.
    #[error("cannot parse {}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A field's value contradicts the specification or another field.
    #[error("cannot use the bundle: {field}: {reason}")]
    Invalid {
        /// The field, as in `process.cwd`.
        field: String,
        /// What is wrong with its value.
        reason: String,
        /// What to write instead.
        remedy: String,
    },
    /// A field asks for what this runtime does not do.
    #[error("cannot use the bundle: {field}: not supported: {reason}")]
    Unsupported {
        /// The field.
        field: String,
        /// What is asked for.
        reason: String,
        /// How to go on without it.
        remedy: String,
    },
    /// There is no container of this id.
    #[error("container `{id}` does not exist")]
    NotFound {
        /// The id.
        id: String,
    },
    /// There is a container of this id already.
    #[error("container with id `{id}` already exists")]
    Exists {
        /// The id.
        id: String,
    },
    /// The container is not in a state in which this can be done.
    #[error("cannot {verb} container `{id}`: it is {status}")]
    State {
        /// What was to be done, as in `start`.
        verb: &'static str,
        /// The container.
        id: String,
        /// What it is doing instead.
        status: &'static str,
    },
    /// A hook failed.
    #[error("error running hook {field}: {}: {reason}", path.display())]
    Hook {
        /// The hook, as in `hooks.prestart[0]`.
        field: String,
        /// Its program.
        path: PathBuf,
        /// How it failed, with what it said.
        reason: String,
    },
    /// A step of the set-up failed, in the parent or in the container's init.
    #[error("cannot {step}")]
    Setup {
        /// The step, as in `mount proc at /proc`.
        step: String,
        /// The kernel's answer.
        source: io::Error,
        /// The remedy, where one is known.
        remedy: Option<String>,
    },
    /// The kernel refuses an overlay here: a copy of the files can be the root.
    #[error("cannot mount an overlay at {}", target.display())]
    Overlay {
        /// Where.
        target: PathBuf,
        /// The kernel's answer.
        source: io::Error,
        /// What may be the matter.
        remedy: String,
    },
    /// The container's init was killed before it could execute its program.
    #[error("cannot start the container: its init was killed while it had to {step}")]
    Killed {
        /// The step that it was in.
        step: String,
    },
    /// The program is not there.
    #[error("cannot execute `{program}`")]
    Exec {
        /// The first of `process.args`.
        program: String,
        /// The kernel's answer.
        source: io::Error,
        /// The remedy, where one is known.
        remedy: Option<String>,
    },
    /// A running container does not answer as it should.
    #[error("cannot {action}")]
    Supervise {
        /// What was asked for.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// What the reader can do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(
                    "this user may not: become root, or keep a state of one's own with another --root"
                        .to_owned(),
                )
            }
            Self::Read { path, .. } | Self::Malformed { path, .. } if is_state(path) => {
                Some("`isorun delete --force` removes what is left of the container".to_owned())
            }
            Self::Invalid { remedy, .. } | Self::Unsupported { remedy, .. } => Some(remedy.clone()),
            Self::Setup { remedy, .. } | Self::Exec { remedy, .. } => remedy.clone(),
            Self::Overlay { remedy, .. } => Some(remedy.clone()),
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                (path.file_name()? == "config.json")
                    .then(|| "`isorun spec` writes a config.json to start from".to_owned())
            }
            Self::NotFound { .. } => {
                Some("`isorun list` shows those that are below this --root".to_owned())
            }
            Self::Malformed { .. } => {
                Some("`isorun spec` writes an example of a valid config.json".to_owned())
            }
            _ => None,
        }
    }
}

/// The value of `field` as the kernel takes it.
pub(crate) fn c_string(field: impl fmt::Display, value: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(value).map_err(|_| Error::Invalid {
        field: field.to_string(),
        reason: "it contains a zero byte".to_owned(),
        remedy: "remove it".to_owned(),
    })
}

/// Whether it is the runtime's own, and nobody writes it by hand.
fn is_state(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "state.json")
}
