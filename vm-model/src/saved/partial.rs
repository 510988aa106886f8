//! A directory that is seen whole or not at all.
//!
//! It is filled under a name that nobody looks for, beside a lock file that its owner holds
//! locked, and renamed when it is whole. The kernel drops the lock when the owner dies, however
//! it dies: whoever comes next removes what is not locked and not whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::whole_file::unique;

/// How a name begins that nobody looks for.
pub(super) const HIDDEN: char = '.';

/// What the lock file of a directory is called, behind the directory's own name.
const LOCK: &str = ".lock";

/// A directory that is removed with all in it unless it is [published](Self::publish).
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Partial {
    /// A new directory beside `target`, after the removal of those that the dead left there.
    pub(super) fn beside(target: &Path) -> Result<Self> {
        let parent = target.parent().unwrap_or(Path::new("."));
        private(parent).map_err(Error::file("create", parent))?;
        sweep(parent);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let name = format!("{HIDDEN}{name}.{}", unique());
            let claimed = claim(parent, &name).map_err(Error::file("write to", parent))?;
            if let Some(partial) = claimed {
                return Ok(partial);
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, if nothing has it.
    pub(super) fn publish(self, target: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        // Fails where there is a directory that is not empty.
        fs::rename(&self.path, target)?;
        File::open(target.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed now, the next sweep tries again: the lock file stays as long.
        if gone(&self.path).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// Makes a directory for this user alone, and those above it.
fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Locks `name`, then makes its directory; `None` if the name is taken or a sweep came between.
fn claim(parent: &Path, name: &str) -> io::Result<Option<Partial>> {
    let lock_path = parent.join(format!("{name}{LOCK}"));
    let lock = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&lock_path);
    let lock = match lock {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    if lock.try_lock().is_err() || lock.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    let path = parent.join(name);
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(Some(Partial {
        path,
        lock_path,
        _lock: lock,
    }))
}

/// Removes from `parent` what was begun by those who are dead.
pub(super) fn sweep(parent: &Path) {
    let listing = fs::read_dir(parent).into_iter().flatten().flatten();
    for lock_path in listing.map(|entry| entry.path()) {
        let name = lock_path.file_name().unwrap_or_default().to_string_lossy();
        let Some(name) = name.strip_suffix(LOCK).filter(|n| n.starts_with(HIDDEN)) else {
            continue;
        };
        let Ok(lock) = File::open(&lock_path) else {
            continue;
        };
        if lock.try_lock().is_ok() && gone(&parent.join(name)).is_ok() {
            let _ = fs::remove_file(&lock_path);
        }
    }
}

/// Removes a tree; one that is not there is as good as removed.
pub(super) fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_is_seen_when_it_is_whole_and_then_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("below/name");
        let partial = Partial::beside(&target).unwrap();
        fs::write(partial.path().join("file"), "x").unwrap();
        assert!(!target.exists());
        partial.publish(&target).unwrap();
        assert_eq!(names(&dir.path().join("below")), ["name"]);
        assert_eq!(fs::read(target.join("file")).unwrap(), b"x");
        let second = Partial::beside(&target).unwrap();
        assert!(second.publish(&target).is_err());
        assert_eq!(fs::read(target.join("file")).unwrap(), b"x");
        assert_eq!(names(&dir.path().join("below")), ["name"]);
    }

    #[test]
    fn what_the_dead_began_is_removed_and_what_the_living_began_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("name");
        let living = Partial::beside(&target).unwrap();
        let dead = Partial::beside(&target).unwrap();
        fs::write(dead.path().join("ram"), "half").unwrap();
        // What a kill leaves: the files, and a lock that nobody holds.
        dead._lock.unlock().unwrap();
        let path = dead.path().to_owned();
        std::mem::forget(dead);
        sweep(dir.path());
        assert!(!path.exists() && living.path().is_dir());
        drop(living);
        assert!(names(dir.path()).is_empty());
    }
}
