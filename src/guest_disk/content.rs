//! How large a disk has to be for a tree, and the command that makes it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Facts;

/// The file system's unit, in bytes.
const BLOCK: u64 = 4096;
/// The size of an inode, and the longest link that lies in one, in bytes.
const INODE: u64 = 256;
const SHORT_LINK: u64 = 60;
/// The least that is left for a guest to write, in bytes and in inodes.
const LEAST_FREE: u64 = 512 << 20;
const FREE_INODES: u64 = 16_384;
/// Of it, the part that is the file system's own: bitmaps, group descriptors, directories' indices.
const OWN_SHARE: u64 = 50;
const OWN_LEAST: u64 = 4 << 20;
/// The largest disk, which an overlay of ours can be laid upon.
pub const LARGEST: u64 = 4 << 40;

/// What each kernel since Linux 4 reads, so that a newer `mke2fs` makes no disk that an older
/// guest cannot mount. No journal: see [the module](super).
const FEATURES: &str = "none,sparse_super,large_file,filetype,dir_index,ext_attr,extent,\
                        huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize";

/// A tree, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) inodes: u64,
    pub(super) bytes: u64,
}

/// Counts what lies below `root`; what is mounted in it counts, too.
///
/// # Errors
/// The kernel's, with the path.
pub(super) fn count(root: &Path) -> Result<Counted, (PathBuf, io::Error)> {
    let mut counted = Counted {
        inodes: 1,
        bytes: BLOCK,
    };
    let mut several = HashSet::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        let of_dir = |error| (dir.clone(), error);
        for entry in fs::read_dir(&dir).map_err(of_dir)? {
            let path = entry.map_err(of_dir)?.path();
            let found = fs::symlink_metadata(&path).map_err(|error| (path.clone(), error))?;
            if found.nlink() > 1 && !found.is_dir() && !several.insert((found.dev(), found.ino())) {
                continue;
            }
            counted.inodes += 1;
            counted.bytes += match () {
                () if found.is_dir() => found.size().next_multiple_of(BLOCK).max(BLOCK),
                () if found.is_file() => found.size().next_multiple_of(BLOCK),
                () if found.is_symlink() && found.size() >= SHORT_LINK => BLOCK,
                () => 0,
            };
            if found.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(counted)
}

impl Counted {
    /// How many inodes a disk for it has.
    fn inodes_made(self) -> u64 {
        self.inodes + self.inodes / 4 + FREE_INODES
    }

    /// The smallest disk that it fits on, in bytes.
    pub(super) fn least_bytes(self) -> u64 {
        let own = (self.bytes / OWN_SHARE).max(OWN_LEAST);
        (self.bytes + own + self.inodes_made() * INODE).next_multiple_of(1 << 20)
    }

    /// The disk that it gets where nobody says: a quarter of it again is free, at least 512 MiB.
    fn usual_bytes(self) -> u64 {
        (self.least_bytes() + (self.bytes / 4).max(LEAST_FREE)).next_multiple_of(1 << 20)
    }

    /// A disk of `asked` bytes, or of the usual size.
    ///
    /// # Errors
    /// The least that is needed, in bytes, where that is more.
    pub(super) fn sized(self, asked: Option<u64>) -> Result<Facts, u64> {
        let least = self.least_bytes();
        let bytes = asked.unwrap_or_else(|| self.usual_bytes());
        if bytes < least {
            return Err(least);
        }
        Ok(Facts {
            inodes: self.inodes,
            content_bytes: self.bytes,
            bytes: bytes - bytes % BLOCK,
        })
    }
}

/// The command that makes `disk` of the tree at `root`, all of it determined by its words.
pub(super) fn words(
    mke2fs: &Path,
    root: &Path,
    disk: &Path,
    facts: Facts,
    uuid: &str,
) -> Vec<OsString> {
    let counted = Counted {
        inodes: facts.inodes,
        bytes: facts.content_bytes,
    };
    let mut words: Vec<OsString> = vec![mke2fs.into()];
    words.extend(
        [
            "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-O", FEATURES, "-L",
            "isolab",
        ]
        .map(Into::into),
    );
    // Nobody asks where the hash's seed and the identity come from, so they come from the image:
    // the same image makes the same disk.
    words.extend(["-U", uuid, "-E"].map(Into::into));
    words.push(format!("root_owner=0:0,hash_seed={uuid},lazy_itable_init=1").into());
    words.extend(["-N".into(), counted.inodes_made().to_string().into()]);
    words.extend(["-d".into(), root.into(), disk.into()]);
    words.push((facts.bytes / BLOCK).to_string().into());
    words
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_inode_counts_once_and_in_whole_blocks() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![1; 4097]).unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        symlink("short", dir.path().join("d/l")).unwrap();
        symlink("x".repeat(80), dir.path().join("d/long")).unwrap();
        let counted = count(dir.path()).unwrap();
        assert_eq!(counted.inodes, 5);
        assert_eq!(counted.bytes, BLOCK + 2 * BLOCK + BLOCK + BLOCK);
    }

    #[test]
    fn a_disk_too_small_for_its_files_is_refused_with_the_least() {
        let counted = Counted {
            inodes: 1000,
            bytes: 100 << 20,
        };
        let least = counted.sized(Some(50 << 20)).unwrap_err();
        assert!(least > 100 << 20 && least < 120 << 20, "{least}");
        assert_eq!(counted.sized(Some(least)).unwrap().bytes, least);
        let usual = counted.sized(None).unwrap();
        assert!(usual.bytes >= least + LEAST_FREE);
        assert_eq!(usual.bytes % BLOCK, 0);
    }
}
