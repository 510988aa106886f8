//! The store's directories: whose they are, and who is at work in them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};

use super::reader::SharedFile;
use crate::cache::{self, Cache};
use crate::error::{Error, Result};
use crate::staging::Staging;
use crate::wheel::Digest;

/// How long one waits for a process that removes entries.
const PATIENCE: Duration = Duration::from_secs(30);

/// The store's directories, held.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    /// The directory of the wheels. Its lock is shared by everyone who uses the store, and
    /// nobody's beside who removes of it.
    lock: Arc<File>,
    bytecode: Arc<File>,
    /// Where all of it goes with this value.
    _private: Option<Staging>,
}

impl Place {
    pub(crate) fn open(cache: &Cache) -> Result<Self> {
        let (root, private) = match cache.path("wheels").as_deref().and_then(Path::parent) {
            Some(root) => (root.to_owned(), None),
            None => {
                let private = Staging::begin_temporary("store")?;
                (private.path().to_owned(), Some(private))
            }
        };
        for name in ["wheels", "archives", "bytecode"] {
            let directory = root.join(name);
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(&directory);
            made.map_err(closed(&root))?;
            check_owner(&directory)?;
            check_writable(&directory).map_err(closed(&root))?;
        }
        let open = |name: &str| {
            let path = root.join(name);
            let directory = File::open(&path).map_err(Error::io("open directory", &path))?;
            Ok(Arc::new(directory))
        };
        let place = Self {
            lock: open("wheels")?,
            bytecode: open("bytecode")?,
            root,
            _private: private,
        };
        let waiting = Instant::now();
        loop {
            match place.lock.try_lock_shared() {
                Ok(()) => return Ok(place),
                Err(TryLockError::WouldBlock) if waiting.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse {
                        dir: place.root.clone(),
                    });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io("lock", &place.root)(error));
                }
            }
        }
    }

    pub(crate) fn wheels_root(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }

    pub(crate) fn bytecode_root(&self) -> Arc<File> {
        Arc::clone(&self.bytecode)
    }

    pub(crate) fn wheels(&self) -> PathBuf {
        self.root.join("wheels")
    }

    pub(crate) fn archives(&self) -> PathBuf {
        self.root.join("archives")
    }

    pub(crate) fn bytecode(&self) -> PathBuf {
        self.root.join("bytecode")
    }

    /// Runs `remove` while no other process uses the store.
    pub(crate) fn alone<T>(&self, remove: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // The kernel may have dropped the shared lock to try for the other.
                let _ = self.lock.lock_shared();
                return Err(Error::InUse {
                    dir: self.root.clone(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &self.root)(error)),
        }
        let done = remove();
        let _ = self.lock.lock_shared();
        done
    }

    /// Copies a wheel, so that what is unpacked is what was hashed, whatever happens to the
    /// file meanwhile.
    pub(crate) fn copy_archive(&self, source: &File, path: &Path) -> Result<Archive> {
        let (file, temporary) = new_file(&self.archives())?;
        let mut archive = Archive {
            file,
            temporary,
            digest: Digest::Sha256([0; 32]),
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut source = source;
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(Error::io("read", path))?,
            };
            hash.update(&buffer[..count]);
            let written = archive.file.write_all(&buffer[..count]);
            written.map_err(Error::io("write", &archive.temporary))?;
        }
        archive.digest = Digest::Sha256(hash.finalize().into());
        Ok(archive)
    }

    /// Moves a wheel here whose digest is known; `None` where it lies on another file system.
    pub(crate) fn take_archive(&self, path: &Path, sha256: &Digest) -> Result<Option<Archive>> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        // Nobody sweeps it under its new name before it has its last.
        let _ = file.try_lock();
        let (_locked, temporary) = new_file(&self.archives())?;
        let archive = Archive {
            file,
            temporary,
            digest: sha256.clone(),
        };
        match fs::rename(path, &archive.temporary) {
            Ok(()) => Ok(Some(archive)),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(None),
            Err(error) => Err(Error::io("move into the store", path)(error)),
        }
    }

    /// Removes what processes that were killed left unfinished.
    pub(crate) fn sweep(&self) {
        for directory in [self.wheels(), self.archives(), self.bytecode()] {
            cache::sweep(&directory);
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = entry.file_name();
                let name = name.to_str().unwrap_or_default();
                if name.starts_with(".venv-sim-")
                    && let Ok(directory) = File::open(&path)
                    && directory.try_lock().is_ok()
                {
                    let _ = fs::remove_dir_all(&path);
                }
            }
        }
    }
}

/// A wheel's copy that has no name yet; removed unless it is kept.
pub(crate) struct Archive {
    /// What was hashed, whatever its name stands for meanwhile.
    file: File,
    temporary: PathBuf,
    pub(crate) digest: Digest,
}

impl Archive {
    pub(crate) fn reader(&self) -> Result<SharedFile> {
        self.file
            .try_clone()
            .and_then(SharedFile::new)
            .map_err(Error::io("open", &self.temporary))
    }

    pub(crate) fn keep(&self, path: &Path) -> Result<()> {
        fs::rename(&self.temporary, path).map_err(Error::io("rename the wheel to", path))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A new file in `directory` that is swept once its writer is dead.
pub(crate) fn new_file(directory: &Path) -> Result<(File, PathBuf)> {
    cache::new_file(directory, 0o600).map_err(Error::io("create a file in", directory))
}

/// Asked first, and not in the middle of the work.
fn check_writable(directory: &Path) -> io::Result<()> {
    use nix::unistd::{AccessFlags, access};
    access(directory, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
}

/// What the user can do about a cache is the same, whatever it is that cannot be made in it.
fn closed(root: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = root.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => Error::io("create directory", path)(source),
        _ => Error::ClosedCache { path, source },
    }
}

/// A store that another user could write to would put that user's code into our environments.
fn check_owner(directory: &Path) -> Result<()> {
    let found = fs::symlink_metadata(directory).map_err(Error::io("look at", directory))?;
    let refused = |why: &'static str| {
        let error = io::Error::new(io::ErrorKind::PermissionDenied, why);
        Err(Error::io("use the store's directory", directory)(error))
    };
    if !found.is_dir() {
        return refused("it is no directory");
    }
    if found.uid() != geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if found.mode() & 0o022 != 0 {
        return refused("others can write to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_was_hashed_whatever_its_name_stands_for() {
        let home = tempfile::tempdir().expect("a directory");
        let place = Place::open(&Cache::at(home.path())).expect("a store");
        let path = home.path().join("some.whl");
        fs::write(&path, "mine").expect("written");
        let source = File::open(&path).expect("opened");
        let copied = place.copy_archive(&source, &path).expect("copied");
        let digest = copied.digest.clone();
        let taken = place.take_archive(&path, &digest).expect("moved");
        for archive in [copied, taken.expect("one file system")] {
            place.sweep();
            assert!(archive.temporary.exists());
            // As a process does that reckons it dead.
            fs::remove_file(&archive.temporary).expect("removed");
            fs::write(&archive.temporary, "theirs").expect("written");
            let mut text = String::new();
            let read = archive.reader().expect("open").read_to_string(&mut text);
            read.expect("read");
            assert_eq!(text, "mine");
        }
    }
}
