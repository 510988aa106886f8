//! A directory that is complete before it has its name.
//!
//! An environment is built beside its destination and renamed into place, which the kernel does
//! in one step: whoever looks sees nothing, or all of it. The name of the unfinished directory
//! follows from the destination's, so what a killed creation left is found and removed by the
//! next one. A lock on the directory, which the kernel drops with the process, tells unfinished
//! from abandoned.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};
use nix::unistd::geteuid;

use crate::cache::name_of;
use crate::error::{Error, Result};

/// An unfinished directory; removed with all that is in it unless it is placed.
#[derive(Debug)]
pub(crate) struct Staging {
    /// What is beside the destination.
    hidden: PathBuf,
    /// What gets its name: that, or a directory in it.
    built: PathBuf,
    destination: PathBuf,
    placed: bool,
    /// Held for its lock.
    _lock: File,
}

impl Staging {
    /// Makes an empty directory beside `destination`, and its parents where missing.
    pub(crate) fn begin(destination: &Path) -> Result<Self> {
        Self::begin_with(destination, 0o777)
    }

    /// As [`Staging::begin`], of this mode but for the umask.
    fn begin_with(destination: &Path, mode: u32) -> Result<Self> {
        let no_name = || Error::BadLocation {
            dir: destination.to_owned(),
            cause: "it has no name",
        };
        let name = destination.file_name().ok_or_else(no_name)?;
        let parent = destination.parent().ok_or_else(no_name)?;
        let path = parent.join(format!(".venv-sim-{}", name_of(name.as_bytes())));
        // Each turn that does not return has seen another process make progress.
        for _ in 0..64 {
            match DirBuilder::new().mode(mode).create(&path) {
                Ok(()) => {
                    if let Some(lock) = lock_as_mine(&path)? {
                        let destination = destination.to_owned();
                        return Ok(Self {
                            built: path.clone(),
                            hidden: path,
                            destination,
                            placed: false,
                            _lock: lock,
                        });
                    }
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    remove_abandoned(&path, destination)?;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
                }
                Err(error) => return Err(Error::io("create directory", &path)(error)),
            }
        }
        Err(Error::Busy {
            dir: destination.to_owned(),
        })
    }

    /// As [`Staging::begin`], for what others lock while it is built: the directory that is to
    /// get the name is another than the one that is locked here.
    pub(crate) fn begin_apart(destination: &Path) -> Result<Self> {
        let mut staging = Self::begin(destination)?;
        staging.built = staging.hidden.join("env");
        let built = &staging.built;
        fs::create_dir(built).map_err(Error::io("create directory", built))?;
        Ok(staging)
    }

    /// A directory for this process alone below the temporary directory, where others may write, too.
    /// What a killed process of the user's left there is found under its name and emptied.
    pub(crate) fn begin_temporary(name: &str) -> Result<Self> {
        const PROCESSES: u32 = 64;
        let (parent, user) = (std::env::temp_dir(), geteuid());
        let begin = |number| {
            let place = parent.join(format!("isolab-{name}-{user}-{number}"));
            Self::begin_with(&place, 0o700)
        };
        // One may be another process's, or what another user put there.
        let mut begun = begin(0);
        for number in 1..PROCESSES {
            if begun.is_ok() {
                break;
            }
            begun = begin(number);
        }
        begun
    }

    /// Where to build.
    pub(crate) fn path(&self) -> &Path {
        &self.built
    }

    /// It has its name: what is left is to be removed where it is not the whole.
    fn is_placed(&mut self) {
        self.placed = self.built == self.hidden;
    }

    /// Gives the directory its name, where nothing or an empty directory is.
    pub(crate) fn place(mut self) -> Result<()> {
        match fs::rename(&self.built, &self.destination) {
            Ok(()) => {
                self.is_placed();
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory
                ) =>
            {
                // It was not there when we looked.
                let what = "something that another process just made";
                Err(Error::Occupied {
                    dir: self.destination.clone(),
                    what,
                    clearable: false,
                })
            }
            Err(error) => Err(Error::io(
                "rename the finished environment to",
                &self.destination,
            )(error)),
        }
    }

    /// Gives the directory its name in exchange for the environment that has it, and removes that.
    pub(crate) fn replace(mut self) -> Result<()> {
        let exchanged = renameat2(
            AT_FDCWD,
            &self.built,
            AT_FDCWD,
            &self.destination,
            RenameFlags::RENAME_EXCHANGE,
        );
        match exchanged {
            // `built` is now the old environment; dropping self removes it.
            Ok(()) => return Ok(()),
            // Not every file system can exchange (NFS, a Windows drive under WSL).
            Err(Errno::EINVAL | Errno::ENOSYS) => {}
            Err(error) => return Err(Error::io("replace", &self.destination)(error.into())),
        }
        let mut aside = self.hidden.clone().into_os_string();
        aside.push("-old");
        let aside = PathBuf::from(aside);
        let _ = fs::remove_dir_all(&aside); // of a creation killed just here
        fs::rename(&self.destination, &aside).map_err(Error::io("move away", &self.destination))?;
        if let Err(error) = fs::rename(&self.built, &self.destination) {
            // Put the old one back: it is better than none.
            let _ = fs::rename(&aside, &self.destination);
            return Err(Error::io("replace", &self.destination)(error));
        }
        self.is_placed();
        fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.placed {
            // remove_dir_all goes by descriptor and follows no link.
            let _ = fs::remove_dir_all(&self.hidden);
        }
    }
}

/// Locks the directory just made; `None` if another process took it for abandoned meanwhile.
fn lock_as_mine(path: &Path) -> Result<Option<File>> {
    let Some(directory) = open_directory(path)? else {
        return Ok(None);
    };
    if let Err(TryLockError::WouldBlock) = directory.try_lock() {
        return Ok(None);
    }
    Ok(is_still(path, &directory)?.then_some(directory))
}

/// Whether `path` is still the name of what was opened under it.
fn is_still(path: &Path, directory: &File) -> Result<bool> {
    let opened = directory.metadata().map_err(Error::io("look at", path))?;
    let named = fs::symlink_metadata(path);
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())))
}

/// Removes what a killed creation left at `path`.
fn remove_abandoned(path: &Path, destination: &Path) -> Result<()> {
    let Some(directory) = open_directory(path)? else {
        return Ok(());
    };
    let metadata = directory.metadata().map_err(Error::io("look at", path))?;
    if metadata.uid() != geteuid().as_raw() {
        let cause = "another user has an unfinished one there";
        return Err(Error::BadLocation {
            dir: destination.to_owned(),
            cause,
        });
    }
    if let Err(TryLockError::WouldBlock) = directory.try_lock() {
        return Err(Error::Busy {
            dir: destination.to_owned(),
        });
    }
    // Whoever held it may have finished, and another begun under the same name.
    if !is_still(path, &directory)? {
        return Ok(());
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("remove abandoned", path)(error))
        }
        _ => Ok(()),
    }
}

/// The directory itself, never what a link leads to; `None` if it is gone.
fn open_directory(path: &Path) -> Result<Option<File>> {
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open directory", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_temporary_directory_it_is_for_this_user_alone() {
        let one = Staging::begin_temporary("test").expect("made");
        let other = Staging::begin_temporary("test").expect("made");
        assert_ne!(one.path(), other.path());
        let found = fs::metadata(one.path()).expect("there");
        assert_eq!(found.mode() & 0o777, 0o700);
    }
}
