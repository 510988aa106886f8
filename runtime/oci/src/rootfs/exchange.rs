//! The exchange of roots, and how mounts spread between old and new.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::procfs::unescape;
use crate::sys::descriptor::openat;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Descriptor, Errno, file};

/// `RAMFS_MAGIC` and `TMPFS_MAGIC`, `statfs(2)`: what an initial ramfs is.
const RAMFS: i64 = 0x8584_58f6;
const TMPFS: i64 = 0x0102_1994;

/// How the container's mounts begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Propagation {
    /// For the whole mount table, before anything is mounted.
    pub(crate) first: u64,
    /// For the container's root, after the exchange.
    pub(crate) last: Option<u64>,
}

impl Propagation {
    /// Nothing spreads, neither way.
    pub(crate) const NONE: Self = Self {
        first: libc::MS_PRIVATE | libc::MS_REC,
        last: None,
    };

    /// From `linux.rootfsPropagation`. `said` tells whether an entry of
    /// `mounts` says how it spreads, `spreads` whether one is to spread.
    pub(super) fn new(root: Option<u64>, said: bool, spreads: bool) -> Self {
        let kind = root.unwrap_or(0) & !libc::MS_REC;
        let first = match kind {
            // A mount that is to reach the host has to stay its peer.
            libc::MS_SHARED => libc::MS_SHARED,
            libc::MS_SLAVE => libc::MS_SLAVE,
            0 if spreads => libc::MS_SLAVE,
            // Unbindable mounts could not be bound into the container.
            _ => libc::MS_PRIVATE,
        };
        // A mount that says how it spreads is not told otherwise.
        let last = root.map(|root| if said { kind } else { root });
        Self {
            first: first | libc::MS_REC,
            last: last.filter(|&last| last & !libc::MS_REC != libc::MS_PRIVATE),
        }
    }

    fn is_shared(self) -> bool {
        self.first & libc::MS_SHARED != 0
    }
}

/// Makes the rootfs a mount point: only a mount can become a root, and only a
/// mount can be read-only while the directory below it stays as it is.
pub(super) fn open_root(path: &CStr, propagation: Propagation) -> sys::Result<Descriptor> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let directory = openat(libc::AT_FDCWD, path, flags, 0)?;
    if propagation.is_shared() {
        separate(directory.as_raw_fd())?;
    }
    let tree = mount::clone_tree(directory.as_raw_fd(), c"", true)?;
    // Attached where it came from: by the descriptor, so a path that has
    // changed since leads nowhere else.
    mount::attach(tree.as_raw_fd(), directory.as_raw_fd(), c"")?;
    Ok(tree)
}

/// Makes the mount that holds `directory` private: the container's root, which
/// is mounted on it, must not appear on the host, and the kernel exchanges no
/// root below a shared mount.
fn separate(directory: RawFd) -> sys::Result<()> {
    let private = spreading(libc::MS_PRIVATE);
    let mut above: Option<Descriptor> = None;
    // A mount is changed through its root alone, so the way up to it is tried.
    for _ in 0..libc::PATH_MAX {
        let here = above.as_ref().map_or(directory, AsRawFd::as_raw_fd);
        match mount::set_attr(here, &private, false) {
            Err(Errno(libc::EINVAL)) => {}
            result => return result,
        }
        above = Some(openat(here, c"..", libc::O_PATH | libc::O_DIRECTORY, 0)?);
    }
    Err(Errno(libc::EINVAL))
}

fn spreading(propagation: u64) -> MountAttr {
    MountAttr {
        propagation,
        ..MountAttr::default()
    }
}

/// A root that is mounted where everybody sees it, for a container without a
/// mount namespace of its own. All its mounts lie below this one, and go with it.
#[derive(Debug)]
pub(crate) struct HostRoot {
    path: CString,
    /// The mount that the directory is on without it.
    below: u64,
    is_mounted: bool,
}

impl HostRoot {
    /// That of a container whose root is the directory at `path`: nothing is
    /// mounted yet.
    ///
    /// # Errors
    /// Those of [`file::mount_of`].
    pub(crate) fn at(path: CString) -> sys::Result<Self> {
        Ok(Self {
            below: file::mount_of(&path)?,
            path,
            is_mounted: false,
        })
    }

    /// What whoever unmounts it has to know, beside the path.
    pub(crate) fn below(&self) -> u64 {
        self.below
    }

    /// Mounts the directory on itself. Whoever is to unmount it if this process
    /// is killed has to be told of it before.
    pub(crate) fn mount(&mut self) -> sys::Result<()> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let directory = openat(libc::AT_FDCWD, &self.path, flags, 0)?;
        let tree = mount::clone_tree(directory.as_raw_fd(), c"", true)?;
        // Or what is mounted in it would go on to the place that it came from.
        mount::set_attr(tree.as_raw_fd(), &spreading(libc::MS_PRIVATE), true)?;
        mount::attach(tree.as_raw_fd(), directory.as_raw_fd(), c"")?;
        self.is_mounted = true;
        Ok(())
    }

    /// Leaves it to whoever calls [`unmount`](Self::unmount).
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }

    /// What one that was kept needs at its end. What is below stays: it is not
    /// ours, and may be all that there is if this one was never mounted.
    pub(crate) fn unmount(path: &CStr, below: u64) {
        if file::mount_of(path).is_ok_and(|mount| mount != below) {
            let _ = mount::detach(path);
        }
    }
}

impl Drop for HostRoot {
    fn drop(&mut self) {
        if self.is_mounted {
            Self::unmount(&self.path, self.below);
        }
    }
}

/// Makes `root` the root of this process alone: others share its mounts, so
/// there is no other way, and root inside can walk out again.
pub(crate) fn change_root(root: RawFd) -> sys::Result<()> {
    file::fchdir(root)?;
    mount::chroot(c".")?;
    file::chdir(c"/")
}

// ANCHOR: pivot_root
/// Makes the mount behind `root` the root of this mount namespace.
///
/// `chroot(2)` would only move the starting point of path walks, and root can
/// walk out of it again. `pivot_root` exchanges the mount itself; once the old
/// root is detached there is nothing to walk out to.
pub(super) fn pivot_into(
    root: RawFd,
    propagation: Propagation,
    hidden: &[CString],
) -> sys::Result<()> {
    let old = match propagation.is_shared() {
        true => Some(openat(libc::AT_FDCWD, c"/", libc::O_PATH, 0)?),
        false => None,
    };
    file::fchdir(root)?;
    // Both names are `.`: the old root is stacked on the new one, and needs no
    // directory inside the container to be parked in.
    match mount::pivot_root(c".", c".") {
        // The kernel's initial ramfs cannot be exchanged, only covered.
        Err(Errno(libc::EINVAL)) if on_initial_ramfs() => return move_into(root, hidden),
        result => result?,
    }
    if let Some(old) = old {
        // Or what is detached here would go on the host too.
        mount::set_attr(old.as_raw_fd(), &spreading(libc::MS_SLAVE), true)?;
    }
    mount::detach(c".")?;
    file::chdir(c"/")
}
// ANCHOR_END: pivot_root

/// Covers the old root instead of exchanging it.
///
/// Weaker than [`pivot_into`]: the old root stays below. Its /proc and /sys
/// (`hidden`) are unmounted or covered first: while one is to be seen whole
/// anywhere, the kernel lets a user namespace mount another.
pub(super) fn move_into(root: RawFd, hidden: &[CString]) -> sys::Result<()> {
    for path in hidden {
        match mount::detach(path) {
            Err(Errno(libc::EINVAL | libc::EPERM)) => {
                let source = Some(c"tmpfs");
                mount::mount(source, path, source, libc::MS_RDONLY, None)?;
            }
            Ok(()) | Err(Errno(libc::ENOENT)) => {}
            Err(errno) => return Err(errno),
        }
    }
    file::fchdir(root)?;
    mount::mount(Some(c"."), c"/", None, libc::MS_MOVE, None)?;
    mount::chroot(c".")?;
    file::chdir(c"/")
}

/// Whether `/` is of a kind that may be the kernel's initial ramfs.
pub(super) fn on_initial_ramfs() -> bool {
    matches!(file::file_system_magic_of(c"/"), Ok(RAMFS | TMPFS))
}

/// The mount points of every procfs and sysfs outside of `root`, the deepest
/// first, from the text of `/proc/self/mountinfo`: bytes, since a path may be
/// any.
pub(super) fn kernel_mounts(mountinfo: &[u8], root: &Path) -> Vec<CString> {
    let point = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b' ');
        let point = PathBuf::from(unescape(fields.nth(4)?));
        // A lone hyphen ends the optional fields.
        let fstype = fields.skip_while(|field| *field != b"-").nth(1)?;
        let wanted = matches!(fstype, b"proc" | b"sysfs") && !point.starts_with(root);
        wanted
            .then(|| CString::new(point.into_os_string().into_vec()).ok())
            .flatten()
    };
    let lines = mountinfo.split(|&byte| byte == b'\n');
    let mut all: Vec<CString> = lines.filter_map(point).collect();
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: Option<u64>, said: bool, spreads: bool, first: u64, last: Option<u64>) {
        let propagation = Propagation::new(root, said, spreads);
        assert_eq!(propagation.first, first | libc::MS_REC);
        assert_eq!(propagation.last, last);
    }

    #[test]
    fn mounts_are_private_until_something_is_to_spread() {
        check(None, false, false, libc::MS_PRIVATE, None);
        check(None, true, false, libc::MS_PRIVATE, None);
        check(None, true, true, libc::MS_SLAVE, None);
        let private = Some(libc::MS_PRIVATE | libc::MS_REC);
        check(private, false, true, libc::MS_PRIVATE, None);
    }

    #[test]
    fn the_roots_propagation_reaches_what_says_nothing_itself() {
        let shared = libc::MS_SHARED | libc::MS_REC;
        check(Some(shared), false, false, libc::MS_SHARED, Some(shared));
        check(
            Some(shared),
            true,
            true,
            libc::MS_SHARED,
            Some(libc::MS_SHARED),
        );
        let unbindable = libc::MS_UNBINDABLE;
        check(
            Some(unbindable),
            false,
            false,
            libc::MS_PRIVATE,
            Some(unbindable),
        );
    }

    #[test]
    fn the_hosts_kernel_mounts_are_found_and_the_containers_left() {
        let table = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
             23 27 0:22 / /sys rw - sysfs sysfs rw\n\
             24 27 0:22 / /a\\040\xc3\xa9\xff rw shared:2 master:1 - sysfs sysfs rw\n\
             25 27 0:23 / /c/rootfs/proc rw - proc proc rw\n\
             26 27 0:24 / /dev rw - tmpfs tmpfs rw\n\
             27 27 0:25 / /c/rootfs-2/proc rw - proc proc rw\n";
        let found = kernel_mounts(table, Path::new("/c/rootfs"));
        let expected: [&[u8]; 4] = [b"/c/rootfs-2/proc", b"/a \xc3\xa9\xff", b"/sys", b"/proc"];
        assert_eq!(found, expected.map(|path| CString::new(path).unwrap()));
    }
}
