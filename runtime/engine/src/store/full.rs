//! A disk that is full: what was to be kept, how much it takes, and how much is left.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::Store;
use crate::error::Error;

impl Store {
    /// What a failure to write `what` is told as: it takes `needed` bytes, where that is
    /// known, and `kept` of them lie here until it is given up.
    pub(crate) fn unwritten(
        &self,
        what: impl Into<String>,
        needed: Option<u64>,
        kept: u64,
    ) -> impl FnOnce(io::Error) -> Error {
        let root = self.root().to_owned();
        let what = what.into();
        move |source| match is_full(&source) {
            true => Error::Full {
                what,
                needed,
                free: free_bytes(&root).saturating_add(kept),
                place: root,
            },
            false => Error::Write { path: root, source },
        }
    }
}

/// Whether an error says that there is no room left, on the disk or for this user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// What this user may still write at `place`, in bytes; 0 where nobody says.
///
/// Source: `statvfs(3)`.
fn free_bytes(place: &Path) -> u64 {
    let found = rustix::fs::statvfs(place);
    found.map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
}
