//! What the store takes, and giving it back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::manifest::Directory;
use super::{Store, Stored, hex};
use crate::error::{Error, Result};

/// What the store takes on the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// How many wheels it has.
    pub wheels: usize,
    /// Their files, also those that environments share.
    pub unpacked_bytes: u64,
    /// The wheels themselves.
    pub archive_bytes: u64,
    /// What was compiled of them.
    pub bytecode_bytes: u64,
}

/// What is to be removed from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prune {
    /// The wheels whose files no environment shares. What environments have copies of is
    /// unpacked again when it is next asked for.
    Unused,
    /// The archives; an edited file of the store can then not be mended without its wheel.
    Archives,
    /// Everything but what environments need: those that link into the store, also where they
    /// were moved since.
    All,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many wheels.
    pub wheels: usize,
    /// How many were kept because an environment links into them.
    pub kept: usize,
    /// How much less the store takes, in bytes. What environments share is not free yet.
    pub bytes: u64,
}

impl Size {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.unpacked_bytes + self.archive_bytes + self.bytecode_bytes
    }
}

impl Store {
    /// What it takes on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn size(&self) -> Result<Size> {
        Ok(Size {
            wheels: self.entries()?.len(),
            unpacked_bytes: bytes_below(&self.place.wheels())?,
            archive_bytes: bytes_below(&self.place.archives())?,
            bytecode_bytes: bytes_below(&self.place.bytecode())?,
        })
    }

    /// Removes what `what` says.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process uses the store; [`Error::Io`].
    pub fn prune(&self, what: Prune) -> Result<Pruned> {
        self.place.alone(|| {
            let before = self.size()?.total();
            self.place.sweep();
            let mut pruned = Pruned::default();
            for stored in self.entries()? {
                match what {
                    Prune::Archives => remove_file(&self.archive(&stored.sha256))?,
                    _ if stored.is_linked_into() => pruned.kept += 1,
                    Prune::Unused if stored.is_shared() => {}
                    Prune::Unused | Prune::All => {
                        self.remove(&stored)?;
                        pruned.wheels += 1;
                    }
                }
            }
            self.remove_orphans()?;
            pruned.bytes = before.saturating_sub(self.size()?.total());
            Ok(pruned)
        })
    }

    /// What a killed removal or unpacking left of wheels that are not there.
    fn remove_orphans(&self) -> Result<()> {
        for (directory, behind) in [
            (self.place.archives(), ".whl"),
            (self.place.bytecode(), "-"),
        ] {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let digest = name.to_str().and_then(|name| {
                    let (digest, rest) = name.split_at_checked(64)?;
                    rest.starts_with(behind).then(|| super::unhex(digest))?
                });
                if digest.is_some_and(|digest| self.get(&digest).is_none()) {
                    let path = entry.path();
                    let removed = match path.is_dir() {
                        true => fs::remove_dir_all(&path),
                        false => fs::remove_file(&path),
                    };
                    removed.map_err(Error::io("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    fn remove(&self, stored: &Stored) -> Result<()> {
        let name = hex(&stored.sha256).unwrap_or_default();
        // Out of sight first: a removal that is killed leaves no half entry, and is swept.
        let aside = self.place.wheels().join(format!(".venv-sim-{name}"));
        let moved = fs::rename(&stored.directory, &aside);
        moved.map_err(Error::io("remove", &stored.directory))?;
        fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))?;
        Ok(())
    }
}

impl Stored {
    /// Whether a file of it is also in an environment.
    pub(super) fn is_shared(&self) -> bool {
        let tree = self.tree();
        let shared = |directory: &Directory| {
            directory.files.iter().any(|file| {
                let path = tree.join(directory.join(&file.name));
                fs::symlink_metadata(path).is_ok_and(|found| found.nlink() > 1)
            })
        };
        self.manifest.directories.iter().any(shared)
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// What everything below `directory` takes.
fn bytes_below(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let entries = match fs::read_dir(&directory) {
            // Another process's unfinished entry may go while one looks.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(Error::io("read directory", &directory))?,
        };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            bytes += found.blocks() * 512;
            if found.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(bytes)
}
