//! A directory of our own for the length of a command, and the clean-up after
//! commands that did not live to do it.
//!
//! Beside each directory lies a lock file that its owner holds locked. The
//! kernel drops the lock when the owner dies, however it dies, so whoever comes
//! next can tell a dead owner's directory from a living one's without guessing
//! from process ids or ages.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::places;

/// Where they all lie.
const SCRATCH: &str = "scratch";

/// A directory that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Removes what dead commands left, then makes a new directory.
    ///
    /// # Errors
    /// If neither the user's cache directory nor the temporary directory can
    /// be written to.
    pub fn new() -> Result<Self> {
        let base = places::make_own(SCRATCH)?;
        sweep(&base);
        loop {
            let name = format!("{:016x}", fastrand::u64(..));
            if let Some(scratch) = claim(&base, &name)
                .with_context(|| format!("cannot make a directory in {}", base.display()))?
            {
                return Ok(scratch);
            }
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next command's sweep tries again: the
        // lock file stays as long as the directory does.
        if remove_tree(&self.path).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// Locks `name`, then makes its directory: in this order, no directory is ever
/// without a lock that tells whether its owner lives. `None` if the name is
/// taken or a sweep came between.
fn claim(base: &Path, name: &str) -> io::Result<Option<Scratch>> {
    let lock_path = base.join(format!("{name}.lock"));
    let lock = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&lock_path)
    {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    if lock.try_lock().is_err() || lock.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    let path = base.join(name);
    fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(Some(Scratch {
        path,
        lock_path,
        _lock: lock,
    }))
}

/// Removes the directories whose owners are dead. A failure is no reason to
/// stop: the next sweep tries again.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for lock_path in entries.flatten().map(|entry| entry.path()) {
        if lock_path
            .extension()
            .is_none_or(|extension| extension != "lock")
        {
            continue;
        }
        let Ok(lock) = File::open(&lock_path) else {
            continue;
        };
        if lock.try_lock().is_ok() && remove_tree(&lock_path.with_extension("")).is_ok() {
            let _ = fs::remove_file(&lock_path);
        }
    }
}

/// Removes a tree; one that is not there is as good as removed.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_the_dead_left_and_nothing_of_the_living() {
        let base = tempfile::tempdir().unwrap();
        let living = claim(base.path(), "living").unwrap().unwrap();
        let dead = claim(base.path(), "dead").unwrap().unwrap();
        fs::write(dead.path.join("file"), "left behind").unwrap();
        let (path, lock_path) = (dead.path.clone(), dead.lock_path.clone());
        // What a kill leaves: the files, and a lock that nobody holds.
        File::open(&lock_path).unwrap().unlock().unwrap();
        dead._lock.unlock().unwrap();
        std::mem::forget(dead);

        sweep(base.path());

        assert!(!path.exists() && !lock_path.exists());
        assert!(living.path().is_dir());
    }

    #[test]
    fn nothing_is_left_when_the_command_ends() {
        let base = tempfile::tempdir().unwrap();
        let scratch = claim(base.path(), "name").unwrap().unwrap();
        fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_commands_never_share_a_directory() {
        let base = tempfile::tempdir().unwrap();
        let _first = claim(base.path(), "name").unwrap().unwrap();
        assert!(claim(base.path(), "name").unwrap().is_none());
    }
}
