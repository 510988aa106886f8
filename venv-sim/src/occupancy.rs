//! An environment's directory in one process's hands: locked, and walked without following a link.
//!
//! Whoever changes what is in an environment, or puts another under its name, holds it. No file
//! tells of the lock, none stays behind, and the kernel drops it with its process.
//!
//! Source: `flock(2)`; `openat(2)`, *O_NOFOLLOW*.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use crate::error::{Error, Result};

/// How long one waits for whoever has the environment, if nobody says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// After which it is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// What a name of the environment stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    File,
    Directory,
    /// A link, a device, a socket.
    Other,
}

/// A locked directory; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Occupied {
    pub(crate) dir: PathBuf,
    /// The directory itself; its lock ends with this value, or with the process.
    pub(crate) root: File,
}

impl Occupied {
    /// Locks the directory at `dir`, waiting `patience` for whoever has it.
    ///
    /// # Errors
    /// [`Error::InUse`] if that is not long enough; [`Error::Io`].
    pub(crate) fn take(dir: &Path, patience: Duration, say: fn(&str)) -> Result<Self> {
        let begun = Instant::now();
        let mut said = false;
        loop {
            match Self::attempt(dir) {
                // Whoever has it is just putting another there, on a file system that cannot
                // exchange two names.
                Err(Error::Io { source, .. })
                    if said
                        && source.kind() == ErrorKind::NotFound
                        && begun.elapsed() < patience =>
                {
                    thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
                Ok(ControlFlow::Break(occupied)) => return Ok(occupied),
                Ok(ControlFlow::Continue(Met::Another)) => {}
                Ok(ControlFlow::Continue(Met::Busy)) if begun.elapsed() < patience => {
                    if !said {
                        said = true;
                        say("waiting for another process that is changing the environment");
                    }
                    thread::sleep(PAUSE);
                }
                Ok(ControlFlow::Continue(Met::Busy)) => {
                    return Err(Error::InUse {
                        dir: dir.to_owned(),
                    });
                }
            }
        }
    }

    fn attempt(dir: &Path) -> Result<ControlFlow<Self, Met>> {
        let flags = OFlag::O_DIRECTORY.bits();
        let root = OpenOptions::new().read(true).custom_flags(flags).open(dir);
        let root = root.map_err(Error::io("open directory", dir))?;
        match root.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(ControlFlow::Continue(Met::Busy)),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {
                return Ok(ControlFlow::Continue(Met::Another));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", dir)(error)),
        }
        // Whoever had it may have put another environment under the name.
        let opened = root.metadata().map_err(Error::io("look at", dir))?;
        let named = fs::metadata(dir).map_err(Error::io("look at", dir))?;
        let same = (named.dev(), named.ino()) == (opened.dev(), opened.ino());
        Ok(match same {
            true => ControlFlow::Break(Self {
                dir: dir.to_owned(),
                root,
            }),
            false => ControlFlow::Continue(Met::Another),
        })
    }

    /// What is at `path`; behind a link or a file there is nothing.
    pub(crate) fn look(&self, path: &str) -> Result<Found> {
        let parent = match self.parent(path) {
            Ok((parent, _)) => parent,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(Found::Nothing),
            Err(error) => return Err(self.io("look at", path)(error)),
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        match fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Found::of(&found)),
            Err(Errno::ENOENT | Errno::ENAMETOOLONG) => Ok(Found::Nothing),
            Err(error) => Err(self.io("look at", path)(error)),
        }
    }

    /// The directory that `path` is in, opened one name after the other and no link followed,
    /// and the last name.
    pub(crate) fn parent<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), Errno> {
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.directory(directories)?, name))
    }

    /// The directory at `path`, opened as in [`Occupied::parent`].
    pub(crate) fn directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        walk(self.root.as_fd().try_clone_to_owned(), path)
    }

    pub(crate) fn io(&self, action: &'static str, path: &str) -> impl FnOnce(Errno) -> Error {
        let path = self.dir.join(path);
        move |error| Error::io(action, path)(io::Error::from(error))
    }
}

/// Why a directory could not be had.
enum Met {
    /// Another process has it.
    Busy,
    /// It is not the one of that name any more, or a signal came.
    Another,
}

impl Found {
    fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFDIR => Self::Directory,
            _ => Self::Other,
        }
    }
}

fn walk(from: io::Result<OwnedFd>, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
    let from = from.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let names = path.split('/').filter(|name| !name.is_empty());
    names.into_iter().try_fold(from, |directory, name| {
        if name == ".." {
            return Err(Errno::EXDEV);
        }
        openat(&directory, name, flags, Mode::empty())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static SAID: AtomicUsize = AtomicUsize::new(0);

    fn told(_: &str) {
        SAID.fetch_add(1, Ordering::SeqCst);
    }

    fn take(dir: &Path, patience: Duration) -> Result<Occupied> {
        Occupied::take(dir, patience, |_| {})
    }

    #[test]
    fn who_waited_for_a_directory_that_was_replaced_has_the_new_one() {
        let scratch = tempfile::tempdir().expect("a directory");
        let (dir, old) = (scratch.path().join("env"), scratch.path().join("old"));
        fs::create_dir(&dir).expect("made");
        let first = take(&dir, Duration::ZERO).expect("free");
        let waiter = thread::scope(|scope| {
            let waiter =
                scope.spawn(|| Occupied::take(&dir, PATIENCE, told).expect("free at last"));
            while SAID.load(Ordering::SeqCst) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            fs::rename(&dir, &old).expect("moved away");
            thread::sleep(3 * PAUSE); // nothing is there for a while
            fs::create_dir(&dir).expect("made");
            drop(first);
            let waiter = waiter.join().expect("no panic");
            assert_eq!(SAID.load(Ordering::SeqCst), 1, "it is told once");
            waiter
        });
        let held = waiter.root.metadata().expect("looked at").ino();
        assert_eq!(held, fs::metadata(&dir).expect("looked at").ino());
        // What it holds, and nothing else, is locked.
        let error = take(&dir, Duration::ZERO).expect_err("held");
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        take(&old, Duration::ZERO).expect("free");
    }

    #[test]
    fn no_link_is_followed_on_the_way_nor_at_its_end() {
        let scratch = tempfile::tempdir().expect("a directory");
        let (dir, outside) = (scratch.path().join("env"), scratch.path().join("outside"));
        for directory in [dir.join("lib/deep"), outside.join("deep")] {
            fs::create_dir_all(directory).expect("made");
        }
        fs::write(outside.join("deep/file"), "").expect("written");
        fs::write(dir.join("lib/deep/file"), "").expect("written");
        symlink(&outside, dir.join("link")).expect("linked");
        symlink("lib", dir.join("inside")).expect("linked");
        symlink(outside.join("deep/file"), dir.join("lib/leaf")).expect("linked");
        let occupied = take(&dir, Duration::ZERO).expect("free");
        for (path, expected) in [
            ("", Ok(())),
            ("lib/deep", Ok(())),
            ("lib//deep/", Ok(())),
            ("link", Err(Errno::ENOTDIR)),
            ("link/deep", Err(Errno::ENOTDIR)),
            ("inside/deep", Err(Errno::ENOTDIR)),
            ("lib/leaf", Err(Errno::ENOTDIR)),
            ("lib/none", Err(Errno::ENOENT)),
            ("lib/deep/file", Err(Errno::ENOTDIR)),
            ("..", Err(Errno::EXDEV)),
            ("lib/../../outside", Err(Errno::EXDEV)),
        ] {
            assert_eq!(occupied.directory(path).map(drop), expected, "{path}");
        }
        for (path, expected) in [
            ("lib", Found::Directory),
            ("lib/deep/file", Found::File),
            ("lib/leaf", Found::Other),
            ("link", Found::Other),
            ("link/deep/file", Found::Nothing),
            ("inside/deep/file", Found::Nothing),
            ("lib/deep/file/x", Found::Nothing),
        ] {
            assert_eq!(occupied.look(path).expect("looked"), expected, "{path}");
        }
    }
}
