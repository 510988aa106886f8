//! Kernel parameters of the container's namespaces.

use std::ffi::CString;
use std::os::fd::{AsRawFd, RawFd};

use crate::error::{Error, Result};
use crate::spec::NamespaceType;
use crate::sys::descriptor::{Resolve, openat2, write};
use crate::sys::{self, Errno, file};

/// `PROC_SUPER_MAGIC`, `statfs(2)`.
const PROCFS: i64 = 0x9fa0;

/// One parameter, ready to be written.
#[derive(Debug)]
pub(crate) struct Sysctl {
    pub(super) name: String,
    path: CString,
    value: String,
}

impl Sysctl {
    /// Takes `name` where it belongs to one of the namespaces that are `new`:
    /// every other parameter is the host's.
    pub(crate) fn prepare(name: &str, value: &str, new: &[NamespaceType]) -> Result<Self> {
        let path = name.replace('.', "/");
        let namespace = match path.as_str() {
            p if p.starts_with("net/") => Some(NamespaceType::Network),
            "kernel/domainname" => Some(NamespaceType::Uts),
            p if p.starts_with("fs/mqueue/") => Some(NamespaceType::Ipc),
            "kernel/msgmax"
            | "kernel/msgmnb"
            | "kernel/msgmni"
            | "kernel/sem"
            | "kernel/shmall"
            | "kernel/shmmax"
            | "kernel/shmmni"
            | "kernel/shm_rmid_forced" => Some(NamespaceType::Ipc),
            _ => None,
        };
        let is_own = namespace.is_some_and(|n| new.contains(&n));
        let path = CString::new(format!("proc/sys/{path}")).ok();
        match path {
            Some(path) if is_own && !name.contains("..") => Ok(Self {
                name: name.to_owned(),
                path,
                value: value.to_owned(),
            }),
            _ => Err(Error::Invalid {
                field: "linux.sysctl".to_owned(),
                reason: format!("`{name}` is not in a namespace of the container's own"),
                remedy: "add the namespace it belongs to, or set it on the host".to_owned(),
            }),
        }
    }

    /// Writes it through the container's own /proc, which must be one.
    pub(super) fn perform(&self, root: RawFd) -> sys::Result<()> {
        let parameter = openat2(root, &self.path, libc::O_WRONLY, 0, Resolve::NoSymlinks)?;
        // A rootfs without a /proc mount could bring a directory of that name.
        if file::file_system_magic(parameter.as_raw_fd())? != PROCFS {
            return Err(Errno(libc::EXDEV));
        }
        write(parameter.as_raw_fd(), self.value.as_bytes()).map(drop)
    }
}
