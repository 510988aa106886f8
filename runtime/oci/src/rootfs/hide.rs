//! Masked and read-only paths: parts of /proc and /sys that tell of the host.

use std::os::fd::AsRawFd;

use super::by_descriptor::ByDescriptor;
use super::mounts::mount_on;
use super::site::{Point, Site};
use super::target::Target;
use crate::sys::descriptor::openat;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Descriptor, Errno, file};

/// Mounts `/dev/null` over a file, an empty, read-only directory over a
/// directory; a path that does not exist needs no hiding.
pub(super) fn mask(site: &mut Site, target: &Target) -> sys::Result<()> {
    let found = match site.open(target) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
        found => found?,
    };
    // Asked first: a mount that fails for it costs the kernel a grace period.
    let is_dir = file::stat_at(found.as_raw_fd(), c"")?.is_dir();
    let point = Point::at(found, false);
    if !is_dir {
        if site.null.is_none() {
            site.null = Some(real_null()?);
        }
        return bind(&site.null, &point);
    }
    if site.empty.is_some() {
        return bind(&site.empty, &point);
    }
    let source = Some(c"tmpfs");
    mount_on(&point, source, source, libc::MS_RDONLY, None)?;
    // One empty directory is as good as another: the next paths share it.
    site.empty = Some(site.open(target)?);
    Ok(())
}

fn bind(source: &Option<Descriptor>, point: &Point<'_>) -> sys::Result<()> {
    let source = source.as_ref().ok_or(Errno(libc::EBADF))?;
    let source = ByDescriptor::new(source.as_raw_fd(), c"");
    mount_on(point, Some(source.path()), None, libc::MS_BIND, None)
}

/// The host's `/dev/null`, and certainly that: the container's own could have
/// been swapped for a link to what is to be masked (CVE-2025-31133).
fn real_null() -> sys::Result<Descriptor> {
    let null = openat(libc::AT_FDCWD, c"/dev/null", libc::O_PATH, 0)?;
    let stat = file::stat_at(null.as_raw_fd(), c"")?;
    let is_null = stat.mode & libc::S_IFMT == libc::S_IFCHR && stat.device == libc::makedev(1, 3);
    if is_null {
        Ok(null)
    } else {
        Err(Errno(libc::ENODEV))
    }
}

/// Mounts a path onto itself, read-only with everything below.
pub(super) fn make_read_only(site: &Site, target: &Target) -> sys::Result<()> {
    if target.name.is_empty() {
        // Nobody would see what is mounted on the root: it is held already.
        return mount::set_attr(site.root()?, &MountAttr::READ_ONLY, true);
    }
    let point = match site.open(target) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(()),
        found => found?,
    };
    let tree = mount::clone_tree(point.as_raw_fd(), c"", true)?;
    mount::set_attr(tree.as_raw_fd(), &MountAttr::READ_ONLY, true)?;
    mount::attach(tree.as_raw_fd(), point.as_raw_fd(), c"")
}
