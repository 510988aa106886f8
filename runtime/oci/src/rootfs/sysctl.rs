//! Kernel parameters of the container's namespaces.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;

use super::site::Site;
use crate::error::{Error, Result, c_string};
use crate::spec::{Linux, NamespaceType};
use crate::sys::descriptor::{Resolve, openat2, write};
use crate::sys::{self, Descriptor, Errno, file, mount};

/// One parameter, ready to be written.
#[derive(Debug)]
pub(crate) struct Sysctl {
    name: String,
    /// Below a procfs: `sys/net/ipv4/ip_forward`.
    path: CString,
    value: String,
}

impl Sysctl {
    /// Takes `name` where it belongs to a namespace that the container does
    /// not share with the host: every other parameter is the host's.
    pub(crate) fn prepare(name: &str, value: &str, linux: &Linux) -> Result<Self> {
        let invalid = |reason: &str, remedy: &str| Error::Invalid {
            field: format!("linux.sysctl[{name}]"),
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        let path = path(name);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(
                "it is no name of a parameter",
                "write it as sysctl(8) does",
            ));
        }
        if path == "kernel/hostname" {
            return Err(invalid(
                "the host name has a field of its own",
                "use `hostname`",
            ));
        }
        let kind = owner(&path).ok_or_else(|| {
            let remedy = "set it on the host, or remove it";
            invalid("it is in no namespace: it would change the host's", remedy)
        })?;
        if !is_own(kind, linux) {
            let reason = format!("the container shares the host's {} namespace", kind.name());
            let remedy = format!("add {{\"type\": \"{}\"}} to linux.namespaces", kind.name());
            return Err(invalid(&reason, &remedy));
        }
        Ok(Self {
            name: name.to_owned(),
            path: c_string(format_args!("linux.sysctl[{name}]"), format!("sys/{path}"))?,
            value: value.to_owned(),
        })
    }

    /// Writes it, through a procfs in which nothing can have been exchanged.
    pub(super) fn perform(&self, site: &mut Site) -> sys::Result<()> {
        if site.procfs.is_none() {
            site.procfs = Some(trusted(site.root()?)?);
        }
        let procfs = site.procfs.as_ref().ok_or(Errno(libc::EBADF))?;
        match self.write(procfs) {
            // The container's /proc may be mounted read-only.
            Err(Errno(libc::EROFS)) => self.write(site.procfs.insert(mount::detached(c"proc")?)),
            result => result,
        }
    }

    fn write(&self, procfs: &Descriptor) -> sys::Result<()> {
        // No mount is crossed and no link followed: a file of this procfs, and
        // the one that was meant (CVE-2025-52881).
        let flags = libc::O_WRONLY | libc::O_NOFOLLOW;
        let fd = procfs.as_raw_fd();
        let parameter = openat2(fd, &self.path, flags, 0, Resolve::SameMount)?;
        write(parameter.as_raw_fd(), self.value.as_bytes()).map(drop)
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "set the kernel parameter {} to `{}`",
            self.name, self.value
        )
    }
}

/// The container's own /proc where it is the root of a procfs, else one that
/// nobody else sees.
fn trusted(root: RawFd) -> sys::Result<Descriptor> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    if let Ok(own) = openat2(root, c"proc", flags, 0, Resolve::NoSymlinks)
        && file::is_procfs_root(own.as_raw_fd())?
    {
        return Ok(own);
    }
    mount::detached(c"proc")
}

/// The path of a parameter. `sysctl(8)` lets the first separator decide: in
/// `net.ipv4.conf.eth0/1.forwarding` the slash stands for a dot of the name.
fn path(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('.') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

/// The kind of namespace that has a value of its own of the parameter.
fn owner(path: &str) -> Option<NamespaceType> {
    let (first, rest) = path.split_once('/')?;
    match first {
        "net" => Some(NamespaceType::Network),
        "fs" if rest.starts_with("mqueue/") => Some(NamespaceType::Ipc),
        "user" => Some(NamespaceType::User),
        "kernel" => match rest {
            "domainname" => Some(NamespaceType::Uts),
            "auto_msgmni" | "msgmax" | "msgmnb" | "msgmni" | "msg_next_id" | "sem"
            | "sem_next_id" | "shmall" | "shmmax" | "shmmni" | "shm_next_id"
            | "shm_rmid_forced" => Some(NamespaceType::Ipc),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the container has a namespace of `kind` that is not the runtime's:
/// one that it joins may be.
fn is_own(kind: NamespaceType, linux: &Linux) -> bool {
    let Some(namespace) = linux.namespaces.iter().find(|n| n.kind == kind) else {
        return false;
    };
    let Some(path) = &namespace.path else {
        return true;
    };
    let ours = match kind {
        NamespaceType::Network => "/proc/self/ns/net",
        NamespaceType::Ipc => "/proc/self/ns/ipc",
        NamespaceType::Uts => "/proc/self/ns/uts",
        NamespaceType::User => "/proc/self/ns/user",
        _ => return false,
    };
    let identity = |path: &std::path::Path| fs::metadata(path).map(|m| (m.dev(), m.ino()));
    match (identity(path), identity(ours.as_ref())) {
        (Ok(theirs), Ok(ours)) => theirs != ours,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Namespace;

    fn check(name: &str, kinds: &[NamespaceType], expected: Option<&str>) {
        let namespace = |&kind| Namespace { kind, path: None };
        let linux = Linux {
            namespaces: kinds.iter().map(namespace).collect(),
            ..Linux::default()
        };
        let found = Sysctl::prepare(name, "1", &linux);
        let path = found.as_ref().ok().and_then(|s| s.path.to_str().ok());
        assert_eq!(path, expected, "{name}: {found:?}");
    }

    #[test]
    fn a_parameter_needs_the_namespace_that_it_belongs_to() {
        let all = [
            NamespaceType::Network,
            NamespaceType::Ipc,
            NamespaceType::Uts,
            NamespaceType::User,
        ];
        for (name, path) in [
            ("net.ipv4.ip_forward", "sys/net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "sys/net/ipv4/ip_forward"),
            ("kernel.shmmax", "sys/kernel/shmmax"),
            ("kernel.sem", "sys/kernel/sem"),
            ("fs.mqueue.msg_max", "sys/fs/mqueue/msg_max"),
            ("kernel.domainname", "sys/kernel/domainname"),
            ("user.max_net_namespaces", "sys/user/max_net_namespaces"),
        ] {
            check(name, &all, Some(path));
            check(name, &[NamespaceType::Mount], None);
        }
        check("net.core.somaxconn", &[NamespaceType::Ipc], None);
        check("kernel.shmmax", &[NamespaceType::Network], None);
    }

    #[test]
    fn what_is_the_hosts_is_refused() {
        let all = [
            NamespaceType::Network,
            NamespaceType::Ipc,
            NamespaceType::Uts,
        ];
        for name in [
            "kernel.core_pattern",
            "kernel.hostname",
            "kernel.shmmaxx",
            "vm.overcommit_memory",
            "fs.file-max",
            "net",
            "net.",
            "net/../kernel/core_pattern",
            "net/ipv4/../../kernel/core_pattern",
            "/net/ipv4/ip_forward",
            "",
        ] {
            check(name, &all, None);
        }
    }

    #[test]
    fn the_first_separator_decides_what_a_slash_means() {
        let net = [NamespaceType::Network];
        check(
            "net.ipv4.conf.eth0/1.forwarding",
            &net,
            Some("sys/net/ipv4/conf/eth0.1/forwarding"),
        );
        check(
            "net/ipv4/conf/eth0.1/forwarding",
            &net,
            Some("sys/net/ipv4/conf/eth0.1/forwarding"),
        );
        // Dots cannot be smuggled in as slashes.
        check("net.ipv4.//.kernel", &net, None);
    }

    #[test]
    fn a_namespace_that_is_joined_and_is_the_hosts_has_nothing_of_its_own() {
        let linux = Linux {
            namespaces: vec![Namespace {
                kind: NamespaceType::Network,
                path: Some("/proc/self/ns/net".into()),
            }],
            ..Linux::default()
        };
        let error = Sysctl::prepare("net.ipv4.ip_forward", "1", &linux).unwrap_err();
        assert!(error.to_string().contains("net.ipv4.ip_forward"), "{error}");
    }
}
