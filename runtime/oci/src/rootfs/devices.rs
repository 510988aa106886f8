//! Device nodes: the six that every container has, and those that it asks for.
//!
//! In a user namespace nobody may make a device node, whatever their
//! capabilities: the host's own node is bound onto an empty file instead.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::site::{Point, Site};
use super::target::{Kind, Target};
use crate::error::{Error, Result, c_string};
use crate::spec;
use crate::sys::descriptor::{Resolve, openat2};
use crate::sys::{self, Errno, file, mount};

/// One node, ready to be made.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) target: Target,
    mode: u32,
    device: u64,
    owner: Option<(u32, u32)>,
    /// The host's node, to bind where none can be made.
    host: CString,
    /// Whether it is known that none can be made.
    bind: bool,
}

/// Name, major, minor (`config-linux.md`, "Default Devices").
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Name and target (`config-linux.md`, "Dev symbolic links").
const LINKS: [(&CStr, &CStr); 5] = [
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"ptmx", c"pts/ptmx"),
];

impl Node {
    /// The default nodes that `extra` does not redefine, then `extra`.
    pub(crate) fn prepare_all(extra: &[spec::Device], user_namespace: bool) -> Result<Vec<Self>> {
        let mut nodes = Vec::with_capacity(DEFAULT.len() + extra.len());
        for (path, major, minor) in DEFAULT {
            if extra.iter().any(|d| d.path == Path::new(path)) {
                continue;
            }
            nodes.push(Self {
                target: Target::new("linux.devices", Path::new(path), false)?,
                mode: libc::S_IFCHR | 0o666,
                device: libc::makedev(major, minor),
                owner: None,
                host: CString::new(path).unwrap_or_default(),
                bind: user_namespace,
            });
        }
        for (index, device) in extra.iter().enumerate() {
            nodes.push(Self::from_spec(index, device, user_namespace)?);
        }
        Ok(nodes)
    }

    fn from_spec(index: usize, device: &spec::Device, user_namespace: bool) -> Result<Self> {
        let field = |name: &str| format!("linux.devices[{index}].{name}");
        let invalid = |name: &str, reason: &str, remedy: &str| Error::Invalid {
            field: field(name),
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        let number = |name: &str, n: i64| {
            u32::try_from(n).map_err(|_| {
                let reason = format!("{n} is out of range");
                invalid(name, &reason, "give a number that is not negative")
            })
        };
        let kind = match device.kind {
            spec::DeviceType::Character => libc::S_IFCHR,
            spec::DeviceType::Block => libc::S_IFBLK,
            spec::DeviceType::Fifo => libc::S_IFIFO,
            spec::DeviceType::All => {
                return Err(invalid("type", "`a` is no type of a node", "use c, b or p"));
            }
        };
        let target = Target::new(&field("path"), &device.path, false)?;
        if target.name.is_empty() {
            return Err(invalid("path", "`/` is no node", "name a file"));
        }
        Ok(Self {
            target,
            mode: kind | device.file_mode.unwrap_or(0o666) & 0o7777,
            device: libc::makedev(
                number("major", device.major.unwrap_or(0))?,
                number("minor", device.minor.unwrap_or(0))?,
            ),
            owner: match (device.uid, device.gid) {
                (None, None) => None,
                (uid, gid) => Some((uid.unwrap_or(0), gid.unwrap_or(0))),
            },
            host: c_string(
                format_args!("linux.devices[{index}].path"),
                device.path.as_os_str().as_bytes(),
            )?,
            bind: user_namespace && kind != libc::S_IFIFO,
        })
    }

    /// Makes the node, or binds the host's. The file mode mask is clear.
    pub(super) fn perform(&self, site: &mut Site) -> sys::Result<()> {
        if self.bind {
            return self.bind_the_hosts(site);
        }
        let parent = site.parent(&self.target)?;
        let name = &self.target.name;
        match file::mknodat(parent, name, self.mode, self.device) {
            // The runtime itself runs in a user namespace, or without CAP_MKNOD.
            Err(Errno(libc::EPERM)) if self.mode & libc::S_IFMT != libc::S_IFIFO => {
                return self.bind_the_hosts(site);
            }
            Err(Errno(libc::EEXIST)) => self.accept(parent, name)?,
            result => result?,
        }
        match self.owner {
            Some((uid, gid)) => file::chown_at(parent, name, uid, gid),
            None => Ok(()),
        }
    }

    fn bind_the_hosts(&self, site: &mut Site) -> sys::Result<()> {
        let parent = site.parent(&self.target)?;
        let name = &self.target.name;
        match Kind::File.make(parent, name) {
            Ok(()) | Err(Errno(libc::EEXIST)) => {}
            Err(errno) => return Err(errno),
        }
        let point = openat2(parent, name, libc::O_PATH, 0, Resolve::NoSymlinks)?;
        let tree = mount::clone_tree(libc::AT_FDCWD, &self.host, false)?;
        // The host's file of that name is not the device that was asked for,
        // perhaps a file that the container was not to see.
        if !self.is(file::stat_at(tree.as_raw_fd(), c"")?) {
            return Err(Errno(libc::ENODEV));
        }
        let point = Point::at(point, false);
        mount::attach(tree.as_raw_fd(), point.dir, point.name)
    }

    /// A node that the image brought along must be the one that was meant.
    fn accept(&self, parent: RawFd, name: &CStr) -> sys::Result<()> {
        if self.is(file::stat_at(parent, name)?) {
            Ok(())
        } else {
            Err(Errno(libc::EEXIST))
        }
    }

    fn is(&self, found: file::Stat) -> bool {
        found.mode & libc::S_IFMT == self.mode & libc::S_IFMT
            && (found.device == self.device || self.mode & libc::S_IFMT == libc::S_IFIFO)
    }
}

/// Makes the links of `/dev`; one that the image brought along stays, but for
/// `ptmx`, which must lead to the container's own terminals.
pub(super) fn make_links(site: &mut Site) -> sys::Result<()> {
    let dev = site.directory(c"dev", Resolve::InRoot)?;
    for (name, target) in LINKS {
        match file::symlinkat(target, dev, name) {
            Err(Errno(libc::EEXIST)) if name == c"ptmx" => {
                file::unlinkat(dev, name)?;
                file::symlinkat(target, dev, name)?;
            }
            Ok(()) | Err(Errno(libc::EEXIST)) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
