//! Guests' disks made of the images that containers run.
//!
//! So one application is compared on both kinds of isolation with the same files. The layers are
//! mounted over each other in the engine [room](isolab_engine::room), where an ordinary user sees
//! the image's owners, modes and attributes, and `mke2fs` copies what it sees there into an ext4
//! file system: no root, no loop device, and no program that Debian and Ubuntu do not always have.
//! (squashfs and erofs would be smaller, but their makers are extra packages, and both need a
//! second, writable file system in the guest.) The file is sparse, so it takes what the files take.
//!
//! The disk has no journal: what guests write goes to copy-on-write clones that are thrown away,
//! and a journal would be the larger part of what a clone holds. It has no kernel either: QEMU is
//! handed that, and the modules travel with our init ([`start`]), so that one disk serves each
//! kernel.
//!
//! ```text
//! /.isolab/init       our init, for kernels that have the drivers built in
//! /.isolab/wanted     what the image says is to run, and as whom
//! everything else     the image's files as they are
//! ```

pub mod asked;
mod content;
mod made;
pub mod start;
mod store;
mod task;
#[path = "../../workload/disk/wanted.rs"]
pub mod wanted;
#[cfg(test)]
mod wanted_tests;

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use content::LARGEST;
pub use made::{Source, make};
pub use store::{Disks, Pruned, Want};
pub use task::TASK;

/// The init of guests with a disk, a static program.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/disk"));

/// A disk that lies in the cache; nobody removes it while this lives.
#[derive(Debug)]
pub struct Disk {
    /// The file, byte for byte the disk.
    pub path: PathBuf,
    /// What is known of it.
    pub label: Label,
    /// Whether it was there before it was asked for.
    pub was_there: bool,
    _in_use: File,
}

/// What is known of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The digest of the image's manifest.
    pub image: String,
    /// Which release of this program made it.
    pub maker: String,
    /// What it is.
    pub facts: Facts,
    /// The image's `/etc/passwd`, as far as a user may be named by it.
    pub passwd: String,
    /// The image's `/etc/group`.
    pub group: String,
}

/// What was counted while a disk was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Files, directories and links, each inode once.
    pub inodes: u64,
    /// What their content takes in whole blocks, in bytes.
    pub content_bytes: u64,
    /// How large the disk is to its guest, in bytes.
    pub bytes: u64,
}
