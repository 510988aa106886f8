//! Wheels, unpacked once and kept by their digest, for all environments of a user.
//!
//! ```text
//! wheels/SHA256/tree/…     a wheel's files in their own layout
//! wheels/SHA256/manifest   what they are, so that installing reads no directory
//! wheels/SHA256/users      the links that lead into the tree, each ended by a zero
//! archives/SHA256.whl      the wheel itself, from which an edited file is mended
//! bytecode/SHA256/PYTHON/  what one interpreter compiled of it
//! known/…                  which digest the file at a path had
//! ```
//!
//! An entry is built under another name and renamed whole: it is there complete or not at all.
//! Nothing is synchronized to the disk: a store that a power failure spoils costs time only, as
//! each use compares sizes and times with the manifest.

mod bytecode;
mod entry;
mod known;
mod manifest;
mod mend;
mod place;
mod prune;
mod reader;
mod unpack;
mod users;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub use entry::Stored;
pub(crate) use manifest::{Directory, Manifest, StoredFile, join};
pub use mend::Mended;
pub(crate) use mend::Tree;
use place::Archive;
pub use prune::{Prune, Pruned, Size};
pub(crate) use unpack::set_modified;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::staging::Staging;
use crate::wheel::{Digest, Wheel, WheelName};

/// How long one waits for another process that unpacks the same wheel.
const PATIENCE: Duration = Duration::from_secs(300);

/// The unpacked wheels of a user.
///
/// As long as one of these lives, no other process removes entries of it.
#[derive(Debug)]
pub struct Store {
    place: place::Place,
    cache: Cache,
}

impl Store {
    /// The store below `cache`'s directory, which is made where missing. Of [`Cache::none`], one
    /// that is removed with this value.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made or belongs to someone else; [`Error::InUse`] where
    /// another process is removing entries of it.
    pub fn of(cache: &Cache) -> Result<Self> {
        Ok(Self {
            place: place::Place::open(cache)?,
            cache: cache.clone(),
        })
    }

    /// The wheel at `path`, unpacked; checked whole against its RECORD when it is new.
    ///
    /// A file that did not change since it was last added costs a look at it.
    ///
    /// # Errors
    /// [`Error::BadWheel`] where it is no wheel, or not what it says of itself; [`Error::Io`]
    /// where it cannot be read or the store cannot be written.
    pub fn add(&self, path: &Path) -> Result<Stored> {
        let bad = |cause| Error::BadWheel {
            path: path.to_owned(),
            cause,
        };
        let file = path.file_name().and_then(|name| name.to_str());
        let file = file.unwrap_or_default();
        let name: WheelName = file.parse().map_err(bad)?;
        let source = File::open(path).map_err(Error::io("open", path))?;
        let identity = known::Identity::of(path, &source)?;
        let known = identity.digest(&self.cache);
        if let Some(stored) = known.and_then(|digest| self.get_whole(&digest)) {
            return stored.called(name).map_err(bad);
        }
        let archive = self.place.copy_archive(&source, path)?;
        let stored = self.keep(file, name, &archive, path)?;
        identity.remember(&archive.digest, &self.cache);
        Ok(stored)
    }

    /// As [`Store::add`], of a wheel at `path` that nobody else knows of and whose SHA-256 was
    /// found out while it came: it is moved here and not copied.
    pub(crate) fn take(&self, path: &Path, sha256: &Digest) -> Result<Stored> {
        let file = path.file_name().and_then(|name| name.to_str());
        let file = file.unwrap_or_default();
        let name: WheelName = file.parse().map_err(|cause| Error::BadWheel {
            path: path.to_owned(),
            cause,
        })?;
        match self.place.take_archive(path, sha256)? {
            Some(archive) => self.keep(file, name, &archive, path),
            // It lies on another file system.
            None => self.add(path),
        }
    }

    /// The entry of `archive`, which is built where there is none, and the archive beside it.
    fn keep(&self, file: &str, name: WheelName, archive: &Archive, path: &Path) -> Result<Stored> {
        let bad = |cause| Error::BadWheel {
            path: path.to_owned(),
            cause,
        };
        let digest = &archive.digest;
        let stored = match self.get_whole(digest) {
            Some(stored) => {
                archive.keep(&self.archive(digest))?;
                stored
            }
            None => {
                let wheel = Wheel::read(file, archive.reader()?).map_err(bad)?;
                self.build(file, &wheel, archive, path)?
            }
        };
        stored.called(name).map_err(bad)
    }

    /// The wheel of this SHA-256, if it is there.
    #[must_use]
    pub fn get(&self, sha256: &Digest) -> Option<Stored> {
        let directory = self.entry(sha256)?;
        let text = fs::read_to_string(directory.join("manifest")).ok()?;
        let manifest = Manifest::parse(&text).ok()?;
        Some(Stored::new(sha256.clone(), directory, manifest))
    }

    /// As [`Store::get`], of an entry whose wheel is there to vouch for it.
    fn get_whole(&self, sha256: &Digest) -> Option<Stored> {
        let stored = self.get(sha256)?;
        self.archive(sha256).exists().then_some(stored)
    }

    /// Unpacks `wheel`, or waits for another process that does.
    fn build(
        &self,
        file: &str,
        wheel: &Wheel<reader::SharedFile>,
        archive: &Archive,
        path: &Path,
    ) -> Result<Stored> {
        let digest = &archive.digest;
        let destination = self.entry(digest).ok_or_else(|| Error::BadWheel {
            path: path.to_owned(),
            cause: Refusal::new("its digest is no SHA-256"),
        })?;
        let waiting = Instant::now();
        let staging = loop {
            match Staging::begin(&destination) {
                Ok(staging) => break staging,
                Err(Error::Busy { .. }) if waiting.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(Error::Busy { dir }) => return Err(Error::InUse { dir }),
                Err(error) => return Err(error),
            }
            if let Some(stored) = self.get_whole(digest) {
                return Ok(stored);
            }
        };
        // It may have come while we waited for the name.
        if let Some(stored) = self.get_whole(digest) {
            return Ok(stored);
        }
        self.place.sweep();
        let manifest = unpack::unpack(file, wheel, staging.path(), path)?;
        let text = staging.path().join("manifest");
        fs::write(&text, manifest.to_text()).map_err(Error::io("write", &text))?;
        // First, for whoever waits for the entry looks for it.
        archive.keep(&self.archive(digest))?;
        match fs::symlink_metadata(&destination) {
            // Something without a manifest that can be read, or without its wheel: a disk's fault,
            // or someone's.
            Ok(_) => {
                Stored::keep_users(&destination, staging.path())?;
                staging.replace()?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => staging.place()?,
            Err(error) => return Err(Error::io("look at", destination)(error)),
        }
        Ok(Stored::new(digest.clone(), destination, manifest))
    }

    /// Where the entry of a digest lies.
    fn entry(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.place.wheels().join(hex(digest)?))
    }

    /// Where the wheel of an entry lies.
    fn archive(&self, digest: &Digest) -> PathBuf {
        let name = hex(digest).unwrap_or_default();
        self.place.archives().join(format!("{name}.whl"))
    }
}

/// Reads a manifest and writes it again, for the fuzzer.
#[cfg(fuzzing)]
#[must_use]
pub fn rewrite_manifest(text: &str) -> Option<String> {
    Manifest::parse(text)
        .ok()
        .map(|manifest| manifest.to_text())
}

/// A SHA-256 as the name of a file.
fn hex(digest: &Digest) -> Option<String> {
    let Digest::Sha256(bytes) = digest else {
        return None;
    };
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The SHA-256 that a name is of.
fn unhex(name: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    (name.len() == 64 && name.is_ascii()).then_some(())?;
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Digest::Sha256(bytes))
}
