//! Where disks are kept: each image's once, in the user's cache, to be made again whenever it is
//! not there.
//!
//! ```text
//! disks/KEY/disk.raw      the disk
//! disks/KEY/disk.json     its label
//! disks/KEY.lock          held alone while the disk is made or removed, shared while it is used
//! ```
//!
//! A disk is made in a scratch directory and moved to its place whole, so that what a killed
//! command leaves is a scratch directory without an owner, which the next command removes. The
//! key is of all that goes into a disk, so that no disk in its place is ever changed.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isolab_engine::room::{self, Room};
use isolab_engine::store::Store;
use sha2::{Digest as _, Sha256};

use super::made::{Source, make};
use super::task::MOST_USERS;
use super::{Disk, INIT, Label};
use crate::footprint::allocated_bytes;
use crate::places;
use crate::scratch::Scratch;

/// The label's file: written last.
const LABEL: &str = "disk.json";
const DISK: &str = "disk.raw";
/// Where they all lie.
const DISKS: &str = "disks";
/// No label is longer, in bytes: two files of users are in it, and each of their bytes may be one
/// that takes six in JSON.
const LONGEST_LABEL: u64 = 2 * 6 * MOST_USERS + (64 << 10);
/// How often it is asked whether another command is done.
const GLANCE: Duration = Duration::from_millis(50);
/// Another number, whenever the same image becomes another disk.
const LAYOUT: u32 = 1;

/// The disks in the user's cache.
#[derive(Debug)]
pub struct Disks {
    dir: PathBuf,
}

/// A disk that is wanted.
#[derive(Clone, Debug)]
pub struct Want<'a> {
    /// The digest of the image's manifest.
    pub image: String,
    /// Whose its files are where it is made: those of one user are another disk.
    pub owners: &'static str,
    /// How large it is to be, in bytes; large enough where nothing is said.
    pub bytes: Option<u64>,
    /// What the image says is to be run.
    pub wanted: Vec<u8>,
    /// Where a copy of the files may lie for a while.
    pub store: &'a Store,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many disks.
    pub disks: u64,
    /// What they took, in allocated bytes.
    pub bytes: u64,
}

impl Disks {
    /// The user's.
    ///
    /// # Errors
    /// If the cache cannot be written to.
    pub fn open() -> Result<Self> {
        Self::at(&places::make_own(DISKS)?)
    }

    /// Those of the user that are there, to be looked at or removed.
    #[must_use]
    pub fn existing() -> Vec<Self> {
        let dirs = places::own(DISKS).into_iter();
        dirs.map(|dir| Self { dir }).collect()
    }

    fn at(dir: &Path) -> Result<Self> {
        places::make_private(dir)
            .with_context(|| format!("cannot keep disks in {}", dir.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// The disk that is wanted, made of what `layers` hands over where it is not there; `tell` is
    /// called before that, for it takes a while.
    ///
    /// # Errors
    /// As [`make`], and those of `layers`.
    pub fn get(
        &self,
        want: &Want<'_>,
        room: &Room,
        layers: impl FnOnce() -> Result<Vec<PathBuf>>,
        tell: impl FnOnce(),
    ) -> Result<Disk> {
        let key = key(want);
        let shared = self.lock(&key)?;
        shared.lock_shared().context("cannot lock the disk")?;
        if let Some(disk) = self.there(&key, shared) {
            return Ok(disk);
        }
        tell();
        let alone = self.lock_alone(&key)?;
        // Another command may have made it while this one waited.
        if self.label(&key).is_none() {
            self.make(&key, want, room, layers)?;
        }
        // Who prunes between the two locks leaves the disk of an image that is here.
        alone.lock_shared().context("cannot lock the disk")?;
        let mut disk = self
            .there(&key, alone)
            .context("the disk is gone as soon as it was made")?;
        disk.was_there = false;
        Ok(disk)
    }

    fn make(
        &self,
        key: &str,
        want: &Want<'_>,
        room: &Room,
        layers: impl FnOnce() -> Result<Vec<PathBuf>>,
    ) -> Result<()> {
        let scratch = Scratch::new()?;
        let source = Source {
            layers: layers()?,
            wanted: Some(want.wanted.clone()),
            digest: want.image.rsplit(':').next().unwrap_or_default().to_owned(),
            bytes: want.bytes,
        };
        let copied = want.store.new_place()?;
        let made = make(&source, scratch.path(), copied.path(), room);
        // Its files may have owners that only the room knows.
        room::remove(room, copied.path())?;
        let made = made?;
        let label = Label {
            image: want.image.clone(),
            maker: maker(),
            facts: made.facts,
            passwd: made.passwd,
            group: made.group,
        };
        let whole = scratch.path().join("whole");
        let text = text(&label)?;
        let place = self.dir.join(key);
        fs::create_dir(&whole)
            .and_then(|()| fs::rename(&made.path, whole.join(DISK)))
            .and_then(|()| fs::write(whole.join(LABEL), text))
            .and_then(|()| match fs::remove_dir_all(&place) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => fs::rename(&whole, &place),
            })
            .with_context(|| format!("cannot keep the disk in {}", place.display()))
    }

    fn label(&self, key: &str) -> Option<Label> {
        let dir = self.dir.join(key);
        let mut text = String::new();
        let file = File::open(dir.join(LABEL)).ok()?;
        file.take(LONGEST_LABEL).read_to_string(&mut text).ok()?;
        let label: Label = serde_json::from_str(&text).ok()?;
        dir.join(DISK).is_file().then_some(label)
    }

    fn there(&self, key: &str, lock: File) -> Option<Disk> {
        Some(Disk {
            label: self.label(key)?,
            path: self.dir.join(key).join(DISK),
            was_there: true,
            _in_use: lock,
        })
    }

    fn lock(&self, key: &str) -> Result<File> {
        let path = self.dir.join(format!("{key}.lock"));
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options
            .open(&path)
            .with_context(|| format!("cannot make {}", path.display()))
    }

    /// Waits until nobody else makes or uses the disk. The kernel drops a lock with its owner.
    fn lock_alone(&self, key: &str) -> Result<File> {
        loop {
            let lock = self.lock(key)?;
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => {
                    // Who waited for somebody's making needs no more than what came of it.
                    if self.label(key).is_some() {
                        return Ok(lock);
                    }
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).context("cannot lock the disk");
                }
            }
            thread::sleep(GLANCE);
        }
    }

    /// Removes the disks that nobody uses and whose image `is_kept` does not know, and those of
    /// other releases of this program.
    #[must_use]
    pub fn prune(&self, is_kept: impl Fn(&str) -> bool) -> Pruned {
        let mut pruned = Pruned::default();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(key) = name.strip_suffix(".lock") else {
                continue;
            };
            let Ok(lock) = File::open(entry.path()) else {
                continue;
            };
            // What another release of ours made is asked for by nobody.
            let is_current = |label: Label| label.maker == maker() && is_kept(&label.image);
            let is_wanted = self.label(key).is_some_and(is_current);
            if is_wanted || lock.try_lock().is_err() {
                continue;
            }
            let place = self.dir.join(key);
            let bytes = allocated_bytes(&[&place]).unwrap_or(0);
            // The label first: half a disk is none.
            let _ = fs::remove_file(place.join(LABEL));
            let gone = match fs::remove_dir_all(&place) {
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                removed => removed.is_ok(),
            };
            if gone {
                pruned.disks += 1;
                pruned.bytes += bytes;
            }
            // The lock stays: one that somebody waits for must not become another file.
        }
        pruned
    }
}

/// What is written of a label: no more than is read of one, or the disk would be made in vain again
/// and again.
fn text(label: &Label) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(label).context("cannot write the label")?;
    ensure!(
        text.len() as u64 <= LONGEST_LABEL,
        "cannot keep the disk: the image's files of users take {} bytes, and {LONGEST_LABEL} are read",
        text.len()
    );
    Ok(text)
}

/// The name of a disk: of all that goes into it.
fn key(want: &Want<'_>) -> String {
    let mut hasher = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    put(maker().as_bytes());
    put(want.image.as_bytes());
    put(want.owners.as_bytes());
    put(&want.bytes.unwrap_or(0).to_le_bytes());
    put(&want.wanted);
    short(hasher)
}

/// What makes disks like ours: the layout and the init on them.
fn maker() -> String {
    let mut hasher = Sha256::new();
    hasher.update(LAYOUT.to_le_bytes());
    hasher.update(INIT);
    short(hasher)
}

fn short(hasher: Sha256) -> String {
    hasher.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_disk::Facts;

    fn label(image: &str) -> Label {
        Label {
            image: image.to_owned(),
            maker: maker(),
            facts: Facts::default(),
            passwd: String::new(),
            group: String::new(),
        }
    }

    fn place(disks: &Disks, key: &str, image: &str) {
        let dir = disks.dir.join(key);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(DISK), "x").unwrap();
        fs::write(dir.join(LABEL), serde_json::to_vec(&label(image)).unwrap()).unwrap();
        disks.lock(key).unwrap();
    }

    #[test]
    fn what_no_image_needs_and_nobody_uses_is_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::at(&dir.path().join("disks")).unwrap();
        for (key, image) in [("a", "kept"), ("b", "gone"), ("c", "gone")] {
            place(&disks, key, image);
        }
        let used = disks.lock("c").unwrap();
        used.lock_shared().unwrap();
        assert_eq!(disks.prune(|image| image == "kept").disks, 1);
        assert!(disks.label("a").is_some() && disks.label("c").is_some());
        assert!(!disks.dir.join("b").exists());
        drop(used);
        assert_eq!(disks.prune(|image| image == "kept").disks, 1);
        assert_eq!(disks.prune(|image| image == "kept"), Pruned::default());
    }

    #[test]
    fn the_longest_files_of_users_are_read_again_and_longer_ones_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::at(&dir.path().join("disks")).unwrap();
        place(&disks, "a", "image");
        // The most of what is read of them, of bytes that take the most when they are written.
        let users = "\u{1}".repeat(usize::try_from(MOST_USERS).unwrap());
        let long = Label {
            passwd: users.clone(),
            group: users.clone(),
            ..label("image")
        };
        fs::write(disks.dir.join("a").join(LABEL), text(&long).unwrap()).unwrap();
        assert!(disks.label("a") == Some(long.clone()), "it is not read");
        let longer = Label {
            image: users,
            ..long
        };
        let error = text(&longer).unwrap_err().to_string();
        assert!(error.contains("files of users"), "{error}");
    }

    #[test]
    fn a_disk_without_a_whole_label_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let disks = Disks::at(&dir.path().join("disks")).unwrap();
        place(&disks, "a", "image");
        let path = disks.dir.join("a").join(LABEL);
        let whole = fs::read(&path).unwrap();
        for text in [&whole[..whole.len() - 1], b"", b"{\"image\": 7}"] {
            fs::write(&path, text).unwrap();
            assert_eq!(disks.label("a"), None);
        }
        fs::write(&path, &whole).unwrap();
        fs::remove_file(disks.dir.join("a").join(DISK)).unwrap();
        assert_eq!(disks.label("a"), None);
    }
}
