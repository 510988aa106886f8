//! What the solver decides about, and why a version cannot be decided for.

use std::fmt;

/// Something that gets one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Package {
    /// Who asks.
    User,
    /// A project, by its number.
    Project(u32),
    /// A project's extra, by their numbers: at a version it needs the project at that version,
    /// and [`Package::Beyond`] at that version. So a version can be turned down for the project
    /// before anybody has to know what the extra needs.
    Extra(u32, u32),
    /// What the extra needs beyond the project.
    Beyond(u32, u32),
}

impl Package {
    /// The project that it is or belongs to.
    pub(super) fn project(self) -> Option<u32> {
        match self {
            Self::User => None,
            Self::Project(project) | Self::Extra(project, _) | Self::Beyond(project, _) => {
                Some(project)
            }
        }
    }
}

// The solver wants to be able to show them; people are shown names instead.
impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Why a version cannot be taken, as is known when its METADATA is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is for other interpreters: those.
    Python(String),
    /// Its METADATA cannot be used, and why.
    Broken(String),
    /// It needs a file at an address, which the user has not asked for: the requirement.
    Address(String),
    /// It needs another version of itself.
    Itself(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(versions) => write!(f, "needs Python {versions}"),
            Self::Broken(why) => write!(f, "cannot be used: {why}"),
            Self::Address(requirement) => {
                write!(f, "needs `{requirement}`, and only you may name an address")
            }
            Self::Itself(requirement) => write!(f, "needs `{requirement}`, which it is not"),
        }
    }
}
