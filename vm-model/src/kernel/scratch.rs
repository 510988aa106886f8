//! The directory that a fetch works in, and the clean-up after fetches that were killed.
//!
//! Beside it lies a lock file that the fetch holds locked. The kernel drops the lock when its
//! owner dies, however it dies, so the next fetch tells a dead one's directory, a hundred
//! megabytes of packages perhaps, from a living one's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::whole_file;

/// How the directories' names begin.
const PREFIX: &str = ".fetch-";

/// A directory that is removed at the end, however that comes.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Removes what dead fetches left in `dest`, then makes a new directory there.
    pub(super) fn create(dest: &Path) -> Result<Self> {
        sweep(dest);
        loop {
            let path = dest.join(format!("{PREFIX}{}", whole_file::unique()));
            if let Some(scratch) = claim(&path).map_err(Error::file("create", &path))? {
                return Ok(scratch);
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next fetch tries again: the lock file stays with it.
        if remove_tree(&self.path).is_ok() {
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Locks, then makes the directory: no living one is ever without its lock. `None` if the name
/// is taken or a sweep came between.
fn claim(path: &Path) -> io::Result<Option<Scratch>> {
    let lock_path = lock_of(path);
    let lock = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&lock_path)
    {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    if lock.try_lock().is_err() || lock.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    fs::create_dir(path)?;
    Ok(Some(Scratch {
        path: path.to_owned(),
        lock_path,
        _lock: lock,
    }))
}

/// Removes what the dead left. A failure is no reason to stop: the next sweep tries again.
fn sweep(dest: &Path) {
    let Ok(entries) = fs::read_dir(dest) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path().with_extension("");
        let dead = match File::open(lock_of(&path)) {
            Ok(lock) => lock.try_lock().is_ok().then_some(Some(lock)),
            // A directory without a lock is nobody's.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            Err(_) => None,
        };
        // The lock is held until both are gone.
        if let Some(_lock) = dead
            && remove_tree(&path).is_ok()
        {
            let _ = fs::remove_file(lock_of(&path));
        }
    }
}

/// Removes a tree; one that is not there is as good as removed.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_takes_what_the_dead_left_and_nothing_of_the_living() {
        let dest = tempfile::tempdir().unwrap();
        let living = Scratch::create(dest.path()).unwrap();
        let dead = Scratch::create(dest.path()).unwrap();
        fs::write(dead.path.join("package.deb"), "left behind").unwrap();
        let (path, lock_path) = (dead.path.clone(), dead.lock_path.clone());
        // What a kill leaves: the files, and a lock that nobody holds.
        dead._lock.unlock().unwrap();
        std::mem::forget(dead);
        let lockless = dest.path().join(".fetch-1-0");
        fs::create_dir(&lockless).unwrap();
        let kernel = dest.path().join("6.1.0");
        fs::create_dir(&kernel).unwrap();

        let next = Scratch::create(dest.path()).unwrap();

        assert!(!path.exists() && !lock_path.exists() && !lockless.exists());
        assert!(living.path().is_dir() && next.path().is_dir() && kernel.is_dir());
    }

    #[test]
    fn nothing_is_left_when_a_fetch_ends() {
        let dest = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(dest.path()).unwrap();
        fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 0);
    }
}
