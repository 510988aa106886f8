//! What to do where the kernel refuses a step of the root: its bare errno
//! hides the reason.

use std::ffi::CStr;

use crate::sys::Errno;

const SYMLINK: &str =
    "the path leads through a symlink of the root file system: the runtime does not follow it";
const READ_ONLY: &str = "the mount point is missing and lies on something read-only: make it \
     beforehand, or order the mounts so that it can be made";
const OLD: &str = "Linux 5.12 or newer is needed";

/// For a file system's own mount.
pub(super) fn file_system(fstype: &CStr, errno: Errno, user: bool) -> Option<&'static str> {
    match (errno.code(), fstype.to_bytes()) {
        (libc::EPERM, b"proc") if user => Some(
            "the kernel refuses a fresh /proc in a user namespace where the outer /proc is masked, \
             as in a container: run the outer one with an unmasked /proc \
             (docker: `--security-opt systempaths=unconfined`)",
        ),
        (libc::EPERM, b"sysfs") if user => {
            Some("a sysfs needs a network namespace of the container's own, or bind /sys")
        }
        (libc::EPERM, _) if user => Some("this file system cannot be mounted in a user namespace"),
        (libc::EPERM, _) => Some(PRIVILEGE),
        (libc::EINVAL, _) => {
            Some("the file system does not know one of the options, or an id in them is not mapped")
        }
        (libc::ENODEV, _) => {
            Some("this kernel does not know the file system: see /proc/filesystems")
        }
        (libc::ELOOP, b"proc" | b"sysfs") => Some(
            "it must be mounted on ordinary directory, and the root file system has a symlink there",
        ),
        (libc::EBUSY, _) => Some("it is mounted there already, or in use"),
        (libc::ENOSPC, _) => {
            Some("the tmpfs is too small for what is copied into it: raise `size=`")
        }
        (libc::ENAMETOOLONG, _) => Some("the tree to copy is deeper than 64 directories"),
        (errno, _) => path(errno),
    }
}

/// For a bind mount.
pub(super) fn bind(errno: Errno) -> Option<&'static str> {
    match errno.code() {
        libc::ENOTDIR => Some(
            "a directory can only be bound to a directory, a file only to a file: \
             remove what is at the destination, or choose another",
        ),
        libc::EINVAL => Some(
            "the source has mounts below it that may not be uncovered: use `rbind`; \
             or it is not to be bound (`unbindable`)",
        ),
        libc::EPERM => Some(
            "an option clears what the source's mount locks in a user namespace (ro, nosuid, nodev, \
             noexec, access times): leave the option out",
        ),
        libc::EACCES => Some("the container's root user may not reach the source on the host"),
        errno => path(errno),
    }
}

/// For a mount that is changed, with its file system where `data` is for that.
pub(super) fn remount(errno: Errno, data: bool) -> Option<&'static str> {
    match errno.code() {
        libc::EINVAL if data => Some(
            "nothing is mounted at the destination (remove `remount`), or its file system does not \
             know one of the options or cannot change it now",
        ),
        libc::EPERM if data => Some(
            "the file system, or a flag of the mount, belongs to an outer user namespace: it cannot \
             be changed from here",
        ),
        libc::EINVAL => Some("nothing is mounted at the destination: remove `remount`"),
        libc::EPERM => Some("the mount's flags are locked by an outer user namespace"),
        errno => path(errno),
    }
}

/// For the walk to a place.
pub(super) fn path(errno: i32) -> Option<&'static str> {
    match errno {
        libc::ELOOP | libc::EXDEV => Some(SYMLINK),
        libc::EROFS => Some(READ_ONLY),
        libc::ENOTDIR => Some("a part of the path is a file"),
        libc::ENOSYS => Some(OLD),
        _ => None,
    }
}

pub(super) const PRIVILEGE: &str =
    "an ordinary user needs a user namespace: see `isorun spec --rootless`";
