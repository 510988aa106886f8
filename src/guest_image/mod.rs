//! Real guests' disks: a distribution with its kernel and its init, and the same
//! userland as a container's root.
//!
//! The guests that `compare` boots hold one program. What a virtual machine
//! usually holds is a distribution, and how large that is, and what copies of it
//! take, is measured on images from here: built from the distribution's own
//! signed packages, once, and kept in the user's cache.

mod boot;
mod build;
mod copies;
mod origin;
mod recipe;
mod store;
mod watched;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use boot::{Login, boot_to_login};
pub use copies::{Copies, clone, of_container, of_guest};
pub use origin::Origin;
pub use recipe::Recipe;
pub use store::Store;

/// An image in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it was made by.
    pub recipe: Recipe,
    /// The guest's disk, in QEMU's own format.
    pub disk: PathBuf,
    /// The kernel that lies on the disk, to be handed to QEMU.
    pub kernel: PathBuf,
    /// Its initial RAM file system.
    pub initrd: PathBuf,
    /// The container's root: the same files without the kernel's.
    pub rootfs: PathBuf,
    /// What is known of it.
    pub label: Label,
}

/// What an image says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The distribution, as it names itself.
    pub name: String,
    /// The release of its kernel.
    pub kernel: String,
    /// How many packages are installed.
    pub packages: u32,
    /// When it was built, in UTC, by RFC 3339.
    pub built: String,
    /// The command that unpacked the packages.
    pub command: String,
}
