//! What a resolution is asked for.

use crate::installed::Distribution;
use crate::requirement::{MarkerEnvironment, Name};
use crate::requirements_file::{Chosen, Wanted};
use crate::wheel::{Metadata, Tag};

/// Which distributions are wanted, for whom, and by which rules.
#[derive(Clone, Copy)]
pub struct Demand<'a> {
    /// The interpreter that they are for.
    pub markers: &'a MarkerEnvironment,
    /// How good a wheel's tag is for it: the less the better, `None` for one that does not fit.
    pub rank: &'a dyn Fn(&Tag) -> Option<usize>,
    /// What is asked for.
    pub wanted: &'a [Wanted],
    /// What must hold of a project if it is needed.
    pub constraints: &'a [Wanted],
    /// What the environment holds.
    pub held: &'a [Held],
    /// The rules.
    pub rules: &'a Rules,
}

/// A distribution that the environment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What its METADATA says.
    pub metadata: Metadata,
    /// The address it was installed from, where its `direct_url.json` says.
    pub url: Option<String>,
}

impl From<&Distribution> for Held {
    fn from(distribution: &Distribution) -> Self {
        let direct = distribution.direct_url.as_ref();
        Self {
            metadata: distribution.metadata.clone(),
            url: direct.map(|direct| direct.url.clone()),
        }
    }
}

/// The rules by which versions are chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Which version of those that fit.
    pub strategy: Strategy,
    /// Whether pre-releases count wherever they are.
    pub prereleases: bool,
    /// Whether only what is asked for is taken, and not what it needs.
    pub no_dependencies: bool,
    /// Whether every distribution has to be pinned, and known by its hash.
    pub require_hashes: bool,
    /// What is installed of these does not count as a reason to keep its version.
    pub upgrade: Projects,
    /// These are put in anew, whatever is installed.
    pub reinstall: Projects,
    /// Of these no wheel may be taken, which leaves nothing.
    pub no_binary: Chosen,
}

/// Which version is taken of those that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The newest.
    #[default]
    Highest,
    /// The oldest: what an author promises to work with.
    Lowest,
}

/// Some projects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Projects {
    /// None of them.
    #[default]
    None,
    /// All of them.
    All,
    /// These.
    These(Vec<Name>),
}

impl Projects {
    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}
