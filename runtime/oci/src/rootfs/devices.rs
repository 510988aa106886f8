//! Device nodes: the six that every container has, and those that it asks for.
//!
//! In a user namespace nobody may make a device node, whatever their
//! capabilities: the host's own node is bound onto an empty file instead.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::target::{Kind, Target};
use crate::error::{Error, Result};
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
    /// The host's node, to bind instead.
    host: Option<CString>,
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
                host: user_namespace.then(|| CString::new(path).unwrap_or_default()),
            });
        }
        for (index, device) in extra.iter().enumerate() {
            nodes.push(Self::from_spec(index, device, user_namespace)?);
        }
        Ok(nodes)
    }

    fn from_spec(index: usize, device: &spec::Device, user_namespace: bool) -> Result<Self> {
        let invalid = |reason: &str| Error::Invalid {
            field: format!("linux.devices[{index}]"),
            reason: reason.to_owned(),
            remedy: "type is c, b or p; major and minor are not negative".to_owned(),
        };
        let number = |n: i64| u32::try_from(n).map_err(|_| invalid("a number is out of range"));
        let kind = match device.kind {
            spec::DeviceType::Character => libc::S_IFCHR,
            spec::DeviceType::Block => libc::S_IFBLK,
            spec::DeviceType::Fifo => libc::S_IFIFO,
            spec::DeviceType::All => return Err(invalid("`a` is no type of a node")),
        };
        let path = CString::new(device.path.as_os_str().as_bytes());
        let path = path.map_err(|_| invalid("its path contains a zero byte"))?;
        Ok(Self {
            target: Target::new("linux.devices", &device.path, false)?,
            mode: kind | device.file_mode.unwrap_or(0o666) & 0o7777,
            device: libc::makedev(number(device.major)?, number(device.minor)?),
            owner: match (device.uid, device.gid) {
                (None, None) => None,
                (uid, gid) => Some((uid.unwrap_or(0), gid.unwrap_or(0))),
            },
            host: (user_namespace && kind != libc::S_IFIFO).then_some(path),
        })
    }

    /// Makes the node, or binds the host's. The file mode mask is clear.
    pub(super) fn perform(&self, root: RawFd) -> sys::Result<()> {
        if let Some(host) = &self.host {
            let point = self.target.open_or_make(root, Kind::File)?;
            let tree = mount::clone_tree(libc::AT_FDCWD, host, false)?;
            return mount::attach(tree.as_raw_fd(), point.as_raw_fd(), c"");
        }
        let (parent, name) = self.target.open_parent(root)?;
        match file::mknodat(parent.as_raw_fd(), name, self.mode, self.device) {
            Err(Errno(libc::EEXIST)) => self.accept(parent.as_raw_fd(), name)?,
            result => result?,
        }
        match self.owner {
            Some((uid, gid)) => file::chown_at(parent.as_raw_fd(), name, uid, gid),
            None => Ok(()),
        }
    }

    /// A node that the image brought along must be the one that was meant.
    fn accept(&self, parent: RawFd, name: &CStr) -> sys::Result<()> {
        let found = file::stat_at(parent, name)?;
        let same = found.mode & libc::S_IFMT == self.mode & libc::S_IFMT
            && (found.device == self.device || self.mode & libc::S_IFMT == libc::S_IFIFO);
        if same {
            Ok(())
        } else {
            Err(Errno(libc::EEXIST))
        }
    }
}

/// Makes the links of `/dev`; one that the image brought along stays.
pub(super) fn make_links(root: RawFd) -> sys::Result<()> {
    let dev = match openat2(
        root,
        c"dev",
        libc::O_PATH | libc::O_DIRECTORY,
        0,
        Resolve::InRoot,
    ) {
        Err(Errno(libc::ENOENT)) => return Ok(()),
        found => found?,
    };
    for (name, target) in LINKS {
        match file::symlinkat(target, dev.as_raw_fd(), name) {
            Err(Errno(libc::EEXIST)) => {}
            result => result?,
        }
    }
    Ok(())
}
