//! Everything that Isolab ever wrote for itself, counted and removed.
//!
//! Only [our own directories](crate::places) are looked at, and only where they
//! are this user's: no link is followed, no mount is entered, and what a living
//! command holds locked stays. Reports that the user asked for with `-o` are the
//! user's, wherever they lie.

mod remove;
mod survey;

pub use remove::{Outcome, remove};
pub use survey::{Holding, Part, survey};

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::environment::mounts;

/// A path as JSON; what is no text in it is marked.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Whether an error says that something is not there, and not merely that this
/// user may not know.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What must be neither counted as ours nor touched.
struct Fence {
    user: u32,
    mounted: BTreeSet<PathBuf>,
}

impl Fence {
    /// As things are on this machine, for this user.
    fn here() -> Self {
        let table = crate::environment::read("/proc/self/mountinfo");
        Self {
            user: nix::unistd::geteuid().as_raw(),
            mounted: mounts::parse(&table).into_iter().map(|m| m.point).collect(),
        }
    }

    /// Why `path` is left alone; `None` if it is ours to remove.
    fn why_not(&self, path: &Path) -> Option<&'static str> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        if metadata.uid() != self.user {
            Some("it belongs to another user")
        } else if self.mounted.contains(path) {
            Some("something is mounted there")
        } else {
            None
        }
    }

    /// As [`why_not`](Self::why_not), for the directory that everything else is in.
    fn why_not_root(&self, path: &Path) -> Option<&'static str> {
        let metadata = match std::fs::symlink_metadata(path) {
            Err(error) if is_absence(&error) => return None,
            Err(_) => return Some("it cannot be looked at"),
            Ok(metadata) => metadata,
        };
        match self.why_not(path) {
            None if metadata.is_symlink() => Some("it is a link, and links are not followed"),
            None if !metadata.is_dir() => Some("it is no directory"),
            why => why,
        }
    }
}

/// Whether a living command holds `path`: the lock file beside it is locked.
/// Otherwise the lock is ours as long as what is returned lives, so that nobody
/// takes up what is being removed.
fn claim(path: &Path) -> Result<Option<File>, &'static str> {
    let mut lock = OsString::from(path);
    lock.push(".lock");
    locked(Path::new(&lock))
}

/// The same for a lock file itself.
fn locked(lock: &Path) -> Result<Option<File>, &'static str> {
    let is_file = std::fs::symlink_metadata(lock).is_ok_and(|found| found.is_file());
    let Some(file) = is_file.then(|| File::open(lock).ok()).flatten() else {
        return Ok(None);
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err("a command that is running uses it"),
        _ => Ok(Some(file)),
    }
}
