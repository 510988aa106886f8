//! The container's file system: a new root, built while the old one is still
//! there, then the exchange.
//!
//! Everything that can be known beforehand is prepared by the parent; the
//! steps here are made by the child, in the order that
//! [`crate::process`] gives them.

mod cgroup_mount;
mod devices;
mod hide;
mod mounts;
mod options;
mod sysctl;
mod target;

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Descriptor, Errno, descriptor, file};

pub(crate) use cgroup_mount::CgroupMount;
pub(crate) use devices::Node;
pub(crate) use mounts::Mount;
pub(crate) use sysctl::Sysctl;
use target::Target;

/// One step of building the root.
#[derive(Debug)]
pub(crate) enum Step {
    /// Detach the mount table's events from the host's.
    Propagation(u64),
    /// Make the rootfs a mount of its own, and open it.
    OpenRoot(CString),
    /// Mount one entry of `mounts`.
    Mount(Mount),
    /// Mount the control groups.
    Cgroups(CgroupMount),
    /// Make a device node.
    Node(Node),
    /// Make the symlinks of /dev.
    Links,
    /// Make a directory that may be missing.
    MakeDirectory(Inside),
    /// Set a kernel parameter.
    Sysctl(Sysctl),
    /// Hide a path.
    Mask(Inside),
    /// Protect a path.
    ReadOnlyPath(Inside),
    /// Protect the whole root.
    ReadOnlyRoot,
    /// Make it the root, and let go of the old one.
    Pivot,
    /// Set how later mounts on the root spread.
    RootPropagation(u64),
}

/// A path of the container that a step works on.
#[derive(Debug)]
pub(crate) struct Inside(Target);

impl Inside {
    /// Takes the path that `field` names.
    pub(crate) fn new(field: &str, path: &Path) -> Result<Self> {
        Target::new(field, path, false).map(Self)
    }
}

/// The flags for `linux.rootfsPropagation`.
pub(crate) fn propagation(word: &str) -> Result<u64> {
    options::propagation(word).ok_or_else(|| Error::Invalid {
        field: "linux.rootfsPropagation".to_owned(),
        reason: format!("`{word}` is no propagation"),
        remedy: "one of private, slave, shared, unbindable, or with a leading r".to_owned(),
    })
}

/// The rootfs's directory as the kernel wants it.
pub(crate) fn root_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Invalid {
        field: "root.path".to_owned(),
        reason: "it contains a zero byte".to_owned(),
        remedy: "remove it".to_owned(),
    })
}

impl Step {
    /// Makes the step. `root` is the new root once it is open; `ready` the set
    /// of control groups that were made. Runs in the child.
    pub(crate) fn perform(&self, root: &mut Option<Descriptor>, ready: u64) -> sys::Result<()> {
        if let Self::Propagation(flags) = self {
            return mount::mount(None, c"/", None, *flags, None);
        }
        if let Self::OpenRoot(path) = self {
            *root = Some(open_root(path)?);
            return Ok(());
        }
        let at: RawFd = root.as_ref().ok_or(Errno(libc::EBADF))?.as_raw_fd();
        match self {
            Self::Mount(mount) => mount.perform(at),
            Self::Cgroups(mount) => mount.perform(at, ready),
            Self::Node(node) => node.perform(at),
            Self::Links => devices::make_links(at),
            Self::MakeDirectory(path) => path.0.open_or_make(at, target::Kind::Directory).map(drop),
            Self::Sysctl(sysctl) => sysctl.perform(at),
            Self::Mask(path) => hide::mask(at, &path.0),
            Self::ReadOnlyPath(path) => hide::make_read_only(at, &path.0),
            Self::ReadOnlyRoot => mount::set_attr(at, &MountAttr::READ_ONLY, false),
            Self::Pivot => {
                pivot_into(at)?;
                *root = None;
                Ok(())
            }
            Self::RootPropagation(flags) => mount::mount(None, c"/", None, *flags, None),
            Self::Propagation(_) | Self::OpenRoot(_) => Ok(()),
        }
    }
}

/// Makes the rootfs a mount point: only a mount can become a root, and only a
/// mount can be read-only while the directory below it stays as it is.
fn open_root(path: &CString) -> sys::Result<Descriptor> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let directory = descriptor::openat(libc::AT_FDCWD, path, flags, 0)?;
    let tree = mount::clone_tree(directory.as_raw_fd(), c"", true)?;
    // Attached where it came from: by the descriptor, so a path that has
    // changed since leads nowhere else.
    mount::attach(tree.as_raw_fd(), directory.as_raw_fd(), c"")?;
    Ok(tree)
}

// ANCHOR: pivot_root
/// Makes the mount behind `root` the root of this mount namespace.
///
/// `chroot(2)` would only move the starting point of path walks, and root can
/// walk out of it again. `pivot_root` exchanges the mount itself; once the old
/// root is detached there is nothing to walk out to.
fn pivot_into(root: RawFd) -> sys::Result<()> {
    file::fchdir(root)?;
    // Both names are `.`: the old root is stacked on the new one, and needs no
    // directory inside the container to be parked in.
    mount::pivot_root(c".", c".")?;
    mount::detach(c".")?;
    file::chdir(c"/")
}
// ANCHOR_END: pivot_root

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Propagation(_) => f.write_str("separate the mount table from the host's"),
            Self::OpenRoot(path) => write!(f, "open the root at {}", path.to_string_lossy()),
            Self::Mount(mount) => write!(f, "{mount}"),
            Self::Cgroups(mount) => write!(f, "mount the control groups at {}", mount.target.shown),
            Self::Node(node) => write!(f, "make the device {}", node.target.shown),
            Self::Links => f.write_str("make the symlinks of /dev"),
            Self::MakeDirectory(path) => write!(f, "make the working directory {}", path.0.shown),
            Self::Sysctl(sysctl) => write!(f, "set the kernel parameter {}", sysctl.name),
            Self::Mask(path) => write!(f, "mask {}", path.0.shown),
            Self::ReadOnlyPath(path) => write!(f, "make {} read-only", path.0.shown),
            Self::ReadOnlyRoot => f.write_str("make the root read-only"),
            Self::Pivot => f.write_str("exchange the root (pivot_root)"),
            Self::RootPropagation(_) => f.write_str("set the root's propagation"),
        }
    }
}
