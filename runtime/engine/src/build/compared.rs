//! What a program changed in a root that is a copy: the same as an upper directory of
//! overlay would hold.
//!
//! Whatever changes a file changes its ctime, which nobody can set back; and a name
//! that stands for another file than before has another inode.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Longer than the clock of file systems stands still.
const TICK: Duration = Duration::from_millis(30);

/// A tree before something changes it.
#[derive(Debug)]
pub(super) struct Before {
    root: PathBuf,
    /// The inode of each path.
    known: BTreeMap<PathBuf, u64>,
    /// No file was changed later, in seconds and nanoseconds.
    latest: (i64, i64),
}

impl Before {
    /// Looks at all of `root`.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut before = Self {
            root: root.to_owned(),
            known: BTreeMap::new(),
            latest: (0, 0),
        };
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            for (path, found) in entries(root, &directory)? {
                before.latest = before.latest.max((found.ctime(), found.ctime_nsec()));
                if found.is_dir() {
                    pending.push(path.clone());
                }
                before.known.insert(path, found.ino());
            }
        }
        std::thread::sleep(TICK);
        Ok(before)
    }

    /// Moves what is new or changed to `upper`, which is made, and marks there what is
    /// gone.
    pub(super) fn into_upper(mut self, upper: &Path) -> Result<()> {
        let mut upper = Upper {
            root: self.root.clone(),
            path: upper.to_owned(),
            directories: BTreeMap::new(),
        };
        upper.directory(Path::new(""))?;
        let mut there = BTreeSet::from([PathBuf::new()]);
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            for (path, found) in entries(&self.root, &directory)? {
                let changed = (found.ctime(), found.ctime_nsec()) > self.latest;
                let is_other = self.known.remove(&path) != Some(found.ino());
                if found.is_dir() {
                    if changed || is_other {
                        upper.directory(&path)?;
                    }
                    there.insert(path.clone());
                    pending.push(path);
                } else if changed || is_other {
                    upper.take(&path)?;
                }
            }
        }
        for gone in self.known.keys() {
            let parent = gone.parent().unwrap_or(Path::new(""));
            if there.contains(parent) {
                upper.mark_gone(gone)?;
            }
        }
        upper.finish()
    }
}

/// What a directory holds, with paths from the root. No link is followed.
fn entries(root: &Path, directory: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let at = root.join(directory);
    let read = |error| Error::read(&at)(error);
    let mut all = Vec::new();
    for entry in fs::read_dir(&at).map_err(read)? {
        let entry = entry.map_err(read)?;
        let found = entry.metadata().map_err(read)?;
        all.push((directory.join(entry.file_name()), found));
    }
    Ok(all)
}

/// An upper directory in the making.
struct Upper {
    root: PathBuf,
    path: PathBuf,
    /// Those made so far, with what they are to have at the end: what comes into them
    /// changes their times.
    directories: BTreeMap<PathBuf, Metadata>,
}

impl Upper {
    /// Makes a directory, and those above it.
    fn directory(&mut self, path: &Path) -> Result<()> {
        if self.directories.contains_key(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        let from = self.root.join(path);
        let found = fs::symlink_metadata(&from).map_err(Error::read(&from))?;
        let to = self.path.join(path);
        fs::create_dir(&to).map_err(Error::write(&to))?;
        self.directories.insert(path.to_owned(), found);
        Ok(())
    }

    fn take(&mut self, path: &Path) -> Result<()> {
        self.directory(path.parent().unwrap_or(Path::new("")))?;
        let to = self.path.join(path);
        fs::rename(self.root.join(path), &to).map_err(Error::write(&to))
    }

    fn mark_gone(&mut self, path: &Path) -> Result<()> {
        let to = self.path.join(path);
        // Something else may have come in its place.
        if fs::symlink_metadata(&to).is_ok() {
            return Ok(());
        }
        self.directory(path.parent().unwrap_or(Path::new("")))?;
        let made = rustix::fs::mknodat(CWD, &to, FileType::CharacterDevice, Mode::empty(), 0);
        made.map_err(|errno| {
            Error::write(&to)(match errno {
                // Overlay keeps its own marks from those who stand upon it.
                Errno::PERM => io::Error::other(
                    "this file system cannot keep that it is gone, as another overlay cannot: let \
                     XDG_DATA_HOME name a directory on another one",
                ),
                errno => errno.into(),
            })
        })
    }

    fn finish(self) -> Result<()> {
        for (path, found) in self.directories.into_iter().rev() {
            let to = self.path.join(path);
            give(&to, &found).map_err(Error::write(&to))?;
        }
        Ok(())
    }
}

fn give(directory: &Path, like: &Metadata) -> io::Result<()> {
    lchown(directory, Some(like.uid()), Some(like.gid()))?;
    let opened = fs::File::open(directory)?;
    opened.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
    opened.set_times(FileTimes::new().set_modified(like.modified()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, symlink};

    use super::*;

    /// What an upper directory holds: `-` before what is gone.
    fn changed(change: impl FnOnce(&Path)) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        for path in ["a/one", "a/two", "b/one", "c/deep/x", "d"] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "before").unwrap();
        }
        symlink("a", root.join("link")).unwrap();
        let before = Before::of(&root).unwrap();
        change(&root);
        let upper = place.path().join("upper");
        before.into_upper(&upper).unwrap();
        let mut found = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            for (path, metadata) in entries(&upper, &directory).unwrap() {
                let mark = if metadata.file_type().is_char_device() {
                    "-"
                } else {
                    ""
                };
                found.push(format!("{mark}{}", path.display()));
                if metadata.is_dir() {
                    pending.push(path);
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn only_what_changed_is_there_and_what_is_gone_is_marked() {
        assert_eq!(changed(|_| {}), [""; 0]);
        assert_eq!(
            changed(|root| fs::write(root.join("a/one"), "x").unwrap()),
            ["a", "a/one"]
        );
        let removed = changed(|root| fs::remove_dir_all(root.join("c")).unwrap());
        assert_eq!(removed, ["-c"]);
        let removed = changed(|root| fs::remove_file(root.join("c/deep/x")).unwrap());
        assert_eq!(removed, ["-c/deep/x", "c", "c/deep"]);
        let mode = Permissions::from_mode(0o700);
        let given = changed(|root| fs::set_permissions(root.join("d"), mode).unwrap());
        assert_eq!(given, ["d"]);
    }

    #[test]
    fn times_set_back_and_names_exchanged_hide_nothing() {
        let set_back = changed(|root| {
            let path = root.join("a/one");
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "AFTER!").unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        });
        assert_eq!(set_back, ["a", "a/one"]);
        let exchanged = changed(|root| {
            fs::rename(root.join("a"), root.join("t")).unwrap();
            fs::rename(root.join("b"), root.join("a")).unwrap();
            fs::rename(root.join("t"), root.join("b")).unwrap();
        });
        assert_eq!(exchanged, ["-a/two", "a", "a/one", "b", "b/one", "b/two"]);
        let replaced = changed(|root| {
            fs::remove_file(root.join("link")).unwrap();
            fs::create_dir(root.join("link")).unwrap();
            fs::remove_dir_all(root.join("a")).unwrap();
            fs::write(root.join("a"), "file").unwrap();
        });
        assert_eq!(replaced, ["a", "link"]);
    }
}
