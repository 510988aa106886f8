//! The environment while it is being changed: locked, and walked without following a link.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use super::journal;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;

/// Where everything is built and everything goes through; gone between changes.
pub(crate) const STAGING: &str = ".isolab";

/// What a name of the environment stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    File,
    Directory,
    /// A link, a device, a socket.
    Other,
}

/// A locked environment.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) dir: PathBuf,
    /// The directory itself; its lock ends with this value, or with the process.
    pub(crate) root: File,
    /// Where packages go, from the top: `lib/python3.11/site-packages`.
    pub(crate) site: String,
    /// `bin/python` with its whole path.
    pub(crate) python: PathBuf,
    /// Whether what is installed may name no directory of the environment.
    pub(crate) relocatable: bool,
    /// Whether `lib64` is another name for `lib`.
    lib64: bool,
    /// Whether a killed process had left something.
    pub(crate) recovered: bool,
}

impl Ground {
    /// Locks `environment`, waiting `patience` for whoever has it, and clears up after the dead.
    pub(crate) fn take(
        environment: &Environment,
        patience: Duration,
        say: fn(&str),
    ) -> Result<Self> {
        let dir = &environment.dir;
        let root = lock(dir, patience, say)?;
        let not_text = || Error::NotAnEnvironment {
            dir: dir.clone(),
            cause: "its site-packages is not below it".to_owned(),
        };
        let site = environment.site_packages.strip_prefix(dir).ok();
        let site = site.and_then(Path::to_str).ok_or_else(not_text)?;
        let mut ground = Self {
            dir: dir.clone(),
            root,
            site: site.to_owned(),
            python: environment.python.clone(),
            relocatable: environment.relocatable,
            lib64: fs::read_link(dir.join("lib64")).is_ok_and(|to| to == Path::new("lib")),
            recovered: false,
        };
        ground.recovered = journal::recover(&ground)?;
        // Every path that is made later begins with these.
        if ground.look(site)? != Found::Directory {
            return Err(not_text());
        }
        Ok(ground)
    }

    /// A directory with nothing in it that makes it an environment.
    #[cfg(test)]
    pub(crate) fn bare(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            root: File::open(dir).expect("a directory"),
            site: "site".to_owned(),
            python: dir.join("bin/python"),
            relocatable: false,
            lib64: false,
            recovered: false,
        }
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

    /// The directory at `path`, opened as in [`Ground::parent`].
    pub(crate) fn directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        walk(self.root.as_fd().try_clone_to_owned(), path)
    }

    /// The one name of a path that may have two: `lib64/x` is `lib/x`.
    pub(crate) fn one_name(&self, path: &str) -> String {
        match path.strip_prefix("lib64/") {
            Some(rest) if self.lib64 => format!("lib/{rest}"),
            _ => path.to_owned(),
        }
    }

    pub(crate) fn io(&self, action: &'static str, path: &str) -> impl FnOnce(Errno) -> Error {
        let path = self.dir.join(path);
        move |error| Error::io(action, path)(io::Error::from(error))
    }

    /// `include/site/pythonX.Y`, where headers go.
    pub(crate) fn headers(python: &Interpreter) -> String {
        let (major, minor, _) = python.version;
        format!("include/site/python{major}.{minor}")
    }
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

/// Locks the directory itself: no file tells of it, and none stays behind.
fn lock(dir: &Path, patience: Duration, say: fn(&str)) -> Result<File> {
    let waiting = Instant::now();
    let mut said = false;
    loop {
        let flags = OFlag::O_DIRECTORY.bits();
        let root = OpenOptions::new().read(true).custom_flags(flags).open(dir);
        let root = root.map_err(Error::io("open directory", dir))?;
        match root.try_lock() {
            Ok(()) => {
                // A creation may have put another environment under the name.
                let opened = root.metadata().map_err(Error::io("look at", dir))?;
                let named = fs::metadata(dir).map_err(Error::io("look at", dir))?;
                if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) {
                    return Ok(root);
                }
            }
            Err(TryLockError::WouldBlock) if waiting.elapsed() < patience => {
                if !said {
                    said = true;
                    say("waiting for another process that is changing the environment");
                }
                thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    dir: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", dir)(error)),
        }
    }
}
