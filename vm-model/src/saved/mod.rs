//! Guests that were saved when they were ready, and are restored as often as wanted.
//!
//! A boot does the same work each time. A snapshot keeps its outcome: the state of the devices,
//! some hundred kilobytes, and the memory, a sparse file. A guest that is made of it maps that
//! file for itself alone: it reads what all share from the page cache, and each page that it
//! writes becomes its own. So a restore costs neither the boot nor the reading of the memory, and
//! ten clones take little more than one.
//!
//! QEMU calls the save a migration to a file. That memory which is shared with a file need not
//! be sent is a capability of it, `x-ignore-shared`.
//!
//! | in a snapshot's directory | |
//! |---|---|
//! | `manifest.json` | what must agree where it is restored, and what the files hold |
//! | `memory` | the guest's memory |
//! | `state` | the state of everything else, in QEMU's own format |

mod files;
mod manifest;
mod partial;
mod restore;
mod take;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
pub use files::Content;
pub use manifest::{Booted, Manifest, Saver};
pub use restore::{Begun, Ready, Restored};
pub use take::{Patience, Taken, take};

/// The name of the memory's file.
const MEMORY: &str = "memory";

/// The name of the file of the devices' state.
const STATE: &str = "state";

/// What helps where a snapshot does not fit.
const TAKE_AGAIN: &str = "remove it and take it again: `isolab vm snapshot rm NAME`, then `isolab vm snapshot --name NAME`";

/// The longest name of a snapshot, in bytes.
const LONGEST_NAME: usize = 64;

/// A guest that was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    dir: PathBuf,
    manifest: Manifest,
}

impl Snapshot {
    /// The one in `dir`, after a look at its manifest.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is none, or if its manifest is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            return Err(refused(
                dir,
                "there is none",
                "`isolab vm snapshot ls` lists those that are here",
            ));
        }
        Ok(Self {
            manifest: Manifest::read(dir)?,
            dir: dir.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its name: that of its directory.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.dir)
    }

    /// What is written down about it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// The names of the snapshots in `store`, sorted; whatever is wrong with them. What killed
/// commands began there is removed first.
#[must_use]
pub fn names(store: &Path) -> Vec<String> {
    partial::sweep(store);
    let listing = fs::read_dir(store).into_iter().flatten().flatten();
    let directories = listing.filter(|entry| entry.path().is_dir());
    let names = directories.map(|entry| name_of(&entry.path()));
    let mut names: Vec<_> = names
        .filter(|name| !name.starts_with(partial::HIDDEN))
        .collect();
    names.sort();
    names
}

/// Removes the snapshot in `dir`. Guests that were made of it go on: what they have mapped stays
/// until they end.
///
/// # Errors
/// [`Error::Snapshot`] if there is none, [`Error::File`] if it cannot be removed.
pub fn remove(dir: &Path) -> Result<()> {
    // First out of sight, so that nobody sees half of it.
    let aside = partial::Partial::beside(dir)?;
    let to = aside.path().join("removed");
    fs::rename(dir, &to).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let remedy = "`isolab vm snapshot ls` lists those that are here";
            Error::Snapshot {
                action: "remove",
                path: dir.to_owned(),
                reason: "there is none".to_owned(),
                remedy,
            }
        }
        _ => Error::file("remove", dir)(error),
    })?;
    partial::gone(&to).map_err(Error::file("remove", &to))
}

/// Refuses what is no name of a snapshot: a name is a part of a path.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(format!("a name has 1 to {LONGEST_NAME} characters"));
    }
    if !name.chars().all(plain) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(
            "a name begins with a letter or a digit, and has letters, digits and `_.-`".to_owned(),
        );
    }
    Ok(())
}

fn name_of(dir: &Path) -> String {
    dir.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// A snapshot that is not restored.
fn refused(dir: &Path, reason: impl Into<String>, remedy: &'static str) -> Error {
    Error::Snapshot {
        action: "restore",
        path: dir.to_owned(),
        reason: reason.into(),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for name in ["a", "Debian-12", "0", "a.b_c", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "-a",
            "a b",
            "ä",
            &"x".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_snapshot_that_is_not_there_is_neither_opened_nor_removed() {
        let store = tempfile::tempdir().unwrap();
        let absent = store.path().join("absent");
        for error in [
            Snapshot::open(&absent).unwrap_err(),
            remove(&absent).unwrap_err(),
        ] {
            assert!(error.to_string().contains("there is none"), "{error}");
            assert!(error.hint().unwrap().contains("ls"));
        }
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_removed_snapshot_leaves_nothing() {
        let store = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            fs::create_dir(store.path().join(name)).unwrap();
            fs::write(store.path().join(name).join(MEMORY), "x").unwrap();
        }
        remove(&store.path().join("one")).unwrap();
        assert_eq!(names(store.path()), ["two"]);
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);
    }
}
