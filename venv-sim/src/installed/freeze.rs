//! What is installed, as a list of requirements that installs the same again.
//!
//! Source: the output of `pip freeze`, whose lines and whose exceptions these are.

use std::fmt;

use super::{Distribution, Form, Installed};
use crate::requirement::Name;

/// One distribution as a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frozen {
    /// `NAME==VERSION`.
    Version {
        /// The name as its author writes it.
        name: String,
        /// The version.
        version: String,
    },
    /// `NAME @ ADDRESS`.
    Address(String),
    /// `-e DIRECTORY`.
    Editable {
        /// The directory of its sources.
        directory: String,
        /// `NAME==VERSION`, as a comment.
        what: String,
    },
}

impl Installed {
    /// Everything as requirements, in the order of the names. The tools that pip leaves out are
    /// left out unless `all`: pip itself and, before Python 3.12 which comes without them,
    /// setuptools and wheel.
    #[must_use]
    pub fn freeze(&self, python: (u8, u8), all: bool) -> Vec<Frozen> {
        let tools: &[&str] = match python < (3, 12) {
            _ if all => &[],
            true => &["pip", "setuptools", "distribute", "wheel"],
            false => &["pip"],
        };
        let is_tool = |name: &Name| tools.contains(&name.as_str());
        let mut frozen: Vec<Frozen> = Vec::new();
        for one in self.distributions.iter().filter(|one| !is_tool(one.name())) {
            frozen.push(one.frozen());
        }
        frozen
    }
}

impl Distribution {
    /// It as a requirement.
    #[must_use]
    pub fn frozen(&self) -> Frozen {
        let (name, version) = (self.written_name.clone(), self.version().to_string());
        let what = || format!("{name}=={version}");
        match &self.direct_url {
            _ if self.form == Form::EggLink => Frozen::Editable {
                directory: self.location.display().to_string(),
                what: what(),
            },
            Some(url) if url.is_editable() => Frozen::Editable {
                directory: url
                    .url
                    .strip_prefix("file://")
                    .unwrap_or(&url.url)
                    .to_owned(),
                what: what(),
            },
            Some(url) => Frozen::Address(url.requirement(self.name())),
            None => Frozen::Version { name, version },
        }
    }
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { name, version } => write!(f, "{name}=={version}"),
            Self::Address(requirement) => f.write_str(requirement),
            Self::Editable { directory, what } => {
                write!(
                    f,
                    "# editable, without version control ({what})\n-e {directory}"
                )
            }
        }
    }
}
