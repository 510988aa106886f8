//! `/sys/fs/cgroup` of a container: a mount of type `cgroup`.
//!
//! Version 2 is one file system. Version 1 is a tmpfs with a directory for
//! each hierarchy; the container sees its own group as each one's root. With a
//! control group namespace the kernel does the cutting, without one the
//! runtime binds the container's own directory.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use super::mounts::mount_on;
use super::options::Options;
use super::site::{Point, Site};
use super::target::{Kind, Target};
use crate::cgroup::{Placement, Version};
use crate::error::{Result, c_string};
use crate::spec;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Errno, file};

/// The mount, ready to be made.
#[derive(Debug)]
pub(crate) struct CgroupMount {
    pub(super) target: Target,
    flags: u64,
    attr: MountAttr,
    /// What is changed once it is mounted, each with whether it is recursive.
    changes: Vec<(MountAttr, bool)>,
    /// What version 2 itself understands. Version 1 takes its controllers in
    /// this place, and what else is said there is for nobody: as with runc and
    /// crun, it is not looked at.
    data: Option<CString>,
    namespaced: bool,
    /// The version 2 group to show: that of a host with version 2 alone.
    unified: Option<View>,
    hierarchies: Vec<View>,
    /// Where several controllers share a hierarchy, a link from each to it.
    links: Vec<(CString, CString)>,
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

/// What decides on the names of groups.
const FIELD: &str = "linux.cgroupsPath";

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
        let version_2 = mount.fstype.as_deref() == Some("cgroup2");
        let (mut unified, mut hierarchies, mut links) = (None, Vec::new(), Vec::new());
        for (index, group) in placement.groups.iter().enumerate() {
            let name = c_string(FIELD, group.hierarchy.name())?;
            let view = View {
                name: name.clone(),
                controllers: c_string(FIELD, group.hierarchy.controllers.join(","))?,
                own: c_string(FIELD, group.directory.as_os_str().as_bytes())?,
                ours: c_string(FIELD, group.hierarchy.own.as_os_str().as_bytes())?,
                bit: 1 << index,
            };
            if group.hierarchy.version == Version::V2 {
                unified = Some(view);
                continue;
            }
            hierarchies.push(view);
            if group.hierarchy.controllers.len() > 1 {
                for controller in &group.hierarchy.controllers {
                    links.push((name.clone(), c_string(FIELD, controller.as_str())?));
                }
            }
        }
        // Beside version 1, version 2 has no place in the container, unless it
        // is asked for by its name; runc does the same.
        if version_2 || hierarchies.is_empty() {
            hierarchies.clear();
            links.clear();
        } else {
            unified = None;
        }
        Ok(Self {
            target,
            flags: options.flags,
            attr: options.attr,
            changes: options.changes(false),
            data: match options.data.is_empty() {
                true => None,
                false => Some(c_string(
                    format_args!("mounts[{index}].options"),
                    options.data.join(","),
                )?),
            },
            namespaced,
            unified,
            hierarchies,
            links,
        })
    }

    /// Mounts. `ready` is the set of groups that the parent could make.
    pub(super) fn perform(&self, site: &mut Site, ready: u64) -> sys::Result<()> {
        let point = site.point(&self.target, Kind::Directory)?;
        if self.hierarchies.is_empty() {
            self.mount_unified(&point, ready)?;
            site.mounted(&self.target, &point, false)?;
            if !self.changes.is_empty() {
                let made = site.open(&self.target)?;
                for (change, recursive) in &self.changes {
                    mount::set_attr(made.as_raw_fd(), change, *recursive)?;
                }
            }
            return Ok(());
        }
        let flags = self.flags & !libc::MS_RDONLY;
        let source = Some(c"tmpfs");
        mount_on(&point, source, source, flags, Some(c"mode=755"))?;
        site.mounted(&self.target, &point, false)?;
        // Opened anew: `point` is what lies below the tmpfs.
        let tmpfs = site.open(&self.target)?;
        let dir = tmpfs.as_raw_fd();
        for view in &self.hierarchies {
            file::mkdirat(dir, &view.name, 0o755)?;
            self.mount_view(view, dir, ready)?;
        }
        for (name, link) in &self.links {
            match file::symlinkat(name, dir, link) {
                Ok(()) | Err(Errno(libc::EEXIST)) => {}
                Err(errno) => return Err(errno),
            }
        }
        // To its author this is one mount: the hierarchies spread as it does.
        for (change, _) in &self.changes {
            mount::set_attr(dir, change, true)?;
        }
        match self.flags & libc::MS_RDONLY {
            0 => Ok(()),
            // Later: other mounts may need a directory in it.
            _ => site.protect_at_end(tmpfs),
        }
    }

    fn mount_unified(&self, point: &Point<'_>, ready: u64) -> sys::Result<()> {
        let (source, fstype, data) = (c"cgroup", c"cgroup2", self.data.as_deref());
        match mount_on(point, Some(source), Some(fstype), self.flags, data) {
            // Not ours to mount, in a user namespace: its own group is shown,
            // as a control group namespace would.
            Err(Errno(libc::EPERM | libc::EBUSY)) => {
                let source = match &self.unified {
                    Some(view) => view.source(ready),
                    None => c"/sys/fs/cgroup",
                };
                bind(source, point.dir, point.name, &self.attr)
            }
            result => result,
        }
    }

    /// `dir` is a tmpfs into which nobody else can reach, so the names made in
    /// it lead where they say.
    fn mount_view(&self, view: &View, dir: RawFd, ready: u64) -> sys::Result<()> {
        if self.namespaced {
            let point = Point::named(dir, &view.name);
            let controllers = Some(view.controllers.as_c_str());
            let source = Some(c"cgroup");
            match mount_on(&point, source, source, self.flags, controllers) {
                Err(Errno(libc::EPERM | libc::EBUSY)) => {}
                result => return result,
            }
        }
        bind(view.source(ready), dir, &view.name, &self.attr)
    }
}

impl View {
    /// The container's group, or the runtime's where it could make none.
    fn source(&self, ready: u64) -> &CStr {
        if ready & self.bit != 0 {
            &self.own
        } else {
            &self.ours
        }
    }
}

fn bind(source: &CStr, dir: RawFd, to: &CStr, attr: &MountAttr) -> sys::Result<()> {
    let tree = mount::clone_tree(libc::AT_FDCWD, source, true)?;
    if !attr.is_empty() {
        mount::set_attr(tree.as_raw_fd(), attr, false)?;
    }
    mount::attach(tree.as_raw_fd(), dir, to)
}
