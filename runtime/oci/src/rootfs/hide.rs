//! Masked and read-only paths: parts of /proc and /sys that tell of the host.

use std::os::fd::{AsRawFd, RawFd};

use super::mounts::mount_on;
use super::target::Target;
use crate::sys::mount::MountAttr;
use crate::sys::{self, Descriptor, Errno, file, mount};

/// Mounts an empty, read-only directory over a directory, `/dev/null` over a
/// file; a path that does not exist needs no hiding.
pub(super) fn mask(root: RawFd, target: &Target) -> sys::Result<()> {
    let point = match target.open(root) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
        found => found?,
    };
    if file::stat_at(point.as_raw_fd(), c"")?.is_dir() {
        return mount_on(
            &point,
            Some(c"tmpfs"),
            Some(c"tmpfs"),
            libc::MS_RDONLY,
            None,
        );
    }
    mount::attach(real_null()?.as_raw_fd(), point.as_raw_fd(), c"")
}

/// The host's `/dev/null`, and certainly that: the container's own could have
/// been swapped for a link to what is to be masked (CVE-2025-31133).
fn real_null() -> sys::Result<Descriptor> {
    let null = mount::clone_tree(libc::AT_FDCWD, c"/dev/null", false)?;
    let stat = file::stat_at(null.as_raw_fd(), c"")?;
    let is_null = stat.mode & libc::S_IFMT == libc::S_IFCHR && stat.device == libc::makedev(1, 3);
    if is_null {
        Ok(null)
    } else {
        Err(Errno(libc::ENODEV))
    }
}

/// Mounts a path onto itself, read-only with everything below.
pub(super) fn make_read_only(root: RawFd, target: &Target) -> sys::Result<()> {
    let point = match target.open(root) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
        found => found?,
    };
    let tree = mount::clone_tree(point.as_raw_fd(), c"", true)?;
    mount::set_attr(tree.as_raw_fd(), &MountAttr::READ_ONLY, true)?;
    mount::attach(tree.as_raw_fd(), point.as_raw_fd(), c"")
}
