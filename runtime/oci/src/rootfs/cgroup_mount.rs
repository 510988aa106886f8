//! `/sys/fs/cgroup` of a container: a mount of type `cgroup`.
//!
//! Version 2 is one file system. Version 1 is a tmpfs with a directory for
//! each hierarchy; the container sees its own group as each one's root. With a
//! control group namespace the kernel does the cutting, without one the
//! runtime binds the container's own directory.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::mounts::mount_on;
use super::options::Options;
use super::target::{Kind, Target};
use crate::cgroup::{Placement, Version};
use crate::error::{Error, Result};
use crate::spec;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Errno, file};

/// The mount, ready to be made.
#[derive(Debug)]
pub(crate) struct CgroupMount {
    pub(super) target: Target,
    flags: u64,
    attr: MountAttr,
    namespaced: bool,
    unified: bool,
    hierarchies: Vec<View>,
}

/// One version 1 hierarchy as the container will see it.
#[derive(Debug)]
struct View {
    /// Its directory's name.
    name: CString,
    /// For the file system in a control group namespace: its controllers.
    controllers: CString,
    /// The container's own group, and ours for where there is none.
    own: CString,
    ours: CString,
    /// Its bit in the set of groups that were made.
    bit: u64,
}

impl CgroupMount {
    /// Prepares entry `index` of `mounts`, which is of type `cgroup`.
    pub(crate) fn prepare(
        index: usize,
        mount: &spec::Mount,
        placement: &Placement,
        namespaced: bool,
    ) -> Result<Self> {
        let options = Options::parse(&mount.options);
        let target = Target::new(
            &format!("mounts[{index}].destination"),
            &mount.destination,
            true,
        )?;
        let mut hierarchies = Vec::new();
        for (index, group) in placement.groups.iter().enumerate() {
            if group.hierarchy.version == Version::V2 {
                continue; // beside version 1 it has no place in the container, as with runc
            }
            hierarchies.push(View {
                name: c_text(group.hierarchy.name())?,
                controllers: c_text(&group.hierarchy.controllers.join(","))?,
                own: c_path(&group.directory)?,
                ours: c_path(&group.hierarchy.own)?,
                bit: 1 << index,
            });
        }
        Ok(Self {
            target,
            flags: options.flags,
            attr: options.attr,
            namespaced,
            unified: hierarchies.is_empty(),
            hierarchies,
        })
    }

    /// Mounts. `ready` is the set of groups that the parent could make.
    pub(super) fn perform(&self, root: RawFd, ready: u64) -> sys::Result<()> {
        let point = self.target.open_or_make(root, Kind::Directory)?;
        if self.unified {
            return match mount_on(&point, Some(c"cgroup"), Some(c"cgroup2"), self.flags, None) {
                // Not ours to mount: show the host's, read-only.
                Err(Errno(libc::EPERM | libc::EBUSY)) => {
                    bind_read_only(c"/sys/fs/cgroup", point.as_raw_fd(), c"", &self.attr)
                }
                result => result,
            };
        }
        let flags = self.flags & !libc::MS_RDONLY;
        mount_on(
            &point,
            Some(c"tmpfs"),
            Some(c"tmpfs"),
            flags,
            Some(c"mode=755"),
        )?;
        // Opened anew: `point` is what lies below the tmpfs.
        let tmpfs = self.target.open(root)?;
        for view in &self.hierarchies {
            file::mkdirat(tmpfs.as_raw_fd(), &view.name, 0o755)?;
            self.mount_view(view, &tmpfs, ready)?;
        }
        Ok(())
    }

    fn mount_view(&self, view: &View, tmpfs: &sys::Descriptor, ready: u64) -> sys::Result<()> {
        if self.namespaced {
            let point = sys::descriptor::openat(tmpfs.as_raw_fd(), &view.name, libc::O_PATH, 0)?;
            let controllers = Some(view.controllers.as_c_str());
            match mount_on(
                &point,
                Some(c"cgroup"),
                Some(c"cgroup"),
                self.flags,
                controllers,
            ) {
                Err(Errno(libc::EPERM | libc::EBUSY)) => {}
                result => return result,
            }
        }
        let source = if ready & view.bit != 0 {
            &view.own
        } else {
            &view.ours
        };
        bind_read_only(source, tmpfs.as_raw_fd(), &view.name, &self.attr)
    }
}

fn bind_read_only(source: &CStr, dir: RawFd, to: &CStr, attr: &MountAttr) -> sys::Result<()> {
    let tree = mount::clone_tree(libc::AT_FDCWD, source, true)?;
    mount::set_attr(tree.as_raw_fd(), attr, false)?;
    mount::attach(tree.as_raw_fd(), dir, to)
}

fn c_path(path: &Path) -> Result<CString> {
    c_bytes(path.as_os_str().as_bytes())
}

fn c_text(text: &str) -> Result<CString> {
    c_bytes(text.as_bytes())
}

fn c_bytes(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::Invalid {
        field: "linux.cgroupsPath".to_owned(),
        reason: "it contains a zero byte".to_owned(),
        remedy: "remove it".to_owned(),
    })
}
