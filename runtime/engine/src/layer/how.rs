//! What a caller says of a layer that is to be unpacked.

use super::attributes::Ownership;
use super::limits::Limits;
use super::whiteout::Whiteouts;
use crate::image::Digest;

/// What a layer was said to be, by the image's manifest and configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Of the bytes as they come.
    pub blob: Digest,
    /// How many those are.
    pub blob_bytes: u64,
    /// Of the archive.
    pub diff_id: Digest,
    /// Who holds the bytes to the digest.
    pub checks: Checks,
}

/// Who holds the packed bytes to their digest: to do it twice costs a tenth of the
/// whole pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Whoever unpacks them.
    Here,
    /// Whoever hands them over: reading fails at the end where they are not what they
    /// should be.
    Elsewhere,
}

/// How a layer is unpacked.
#[derive(Clone, Debug)]
pub struct How {
    /// What it must turn out to be; its digests are made by the same algorithms.
    pub expected: Option<Expected>,
    /// What it may ask for.
    pub limits: Limits,
    /// What becomes of owners.
    pub ownership: Ownership,
    /// What becomes of whiteouts.
    pub whiteouts: Whiteouts,
}
