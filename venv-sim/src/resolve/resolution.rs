//! What a resolution gives.

use pep440_rs::Version;

use crate::catalogue::Offer;
use crate::requirement::Name;
use crate::wheel::Digest;

/// The distributions that an environment has to hold, which fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// One for each project; each behind those that it needs, where they do not need each other.
    pub picks: Vec<Pick>,
    /// What the user should know: what was passed over, and what will no longer fit.
    pub notes: Vec<String>,
}

/// One distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// The project.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// The wheel to take; none where what is installed stays.
    pub offer: Option<Offer>,
    /// What its content has to be: one of each list, where the user gives lists.
    pub hashes: Vec<Vec<Digest>>,
    /// What more of it is wanted.
    pub extras: Vec<Name>,
    /// Whether the user asks for it, and not only what it serves.
    pub requested: bool,
    /// The address that was asked for, where it was not the index that was.
    pub url: Option<String>,
    /// Who needs it, in order; the user aside.
    pub needed_by: Vec<Name>,
}
