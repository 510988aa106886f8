//! What the caller typed, turned once into what is meant.

use std::path::Path;

use pep440_rs::{Version, VersionSpecifiers};

use crate::interpreter::Interpreter;
use crate::requirement::takes;

/// A request for an interpreter.
pub(crate) enum Request<'a> {
    Any,
    Version(Vec<u8>),
    Versions(VersionSpecifiers),
    Name(&'a str),
    Path(&'a Path),
}

impl<'a> Request<'a> {
    /// A version, a path (it holds a slash, or is a directory's in `directory`), else a name.
    pub(crate) fn parse(request: Option<&'a str>, directory: &Path) -> Self {
        let Some(request) = request else {
            return Request::Any;
        };
        let numbers: Option<Vec<u8>> = request.split('.').map(|part| part.parse().ok()).collect();
        match numbers {
            Some(version) if version.len() <= 3 => Request::Version(version),
            _ if request.starts_with(['<', '>', '=', '!', '~']) => match request.parse() {
                Ok(versions) => Request::Versions(versions),
                Err(_) => Request::Name(request),
            },
            _ if request.contains('/')
                || (!request.is_empty() && directory.join(request).is_dir()) =>
            {
                Request::Path(Path::new(request))
            }
            _ => Request::Name(request),
        }
    }

    /// Whether an interpreter is what was meant.
    pub(crate) fn admits(&self, found: &Interpreter) -> bool {
        let (major, minor, patch) = found.version;
        match self {
            Self::Version(version) => [major, minor, patch].starts_with(version),
            Self::Versions(versions) => takes(
                versions,
                &Version::new([major, minor, patch].map(u64::from)),
            ),
            // Nobody means Python 2 who does not say so.
            Self::Any => major >= 3,
            Self::Name(_) | Self::Path(_) => true,
        }
    }

    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Any => "a Python interpreter".to_owned(),
            Self::Version(version) => {
                let parts: Vec<_> = version.iter().map(ToString::to_string).collect();
                format!("Python {}", parts.join("."))
            }
            Self::Versions(versions) => {
                format!("a Python {}", versions.to_string().replace(", ", ","))
            }
            Self::Name(name) => format!("`{name}`"),
            Self::Path(path) => path.display().to_string(),
        }
    }
}
