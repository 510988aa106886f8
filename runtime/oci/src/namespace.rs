//! Which namespaces a container gets, and in which call each is made.
//!
//! Two are made by the clone itself: the user namespace, because the kernel
//! lets no process that shares memory leave its own, and the pid namespace,
//! because a process keeps its pid. The others are made by the child, while
//! the parent does its own work. The control group namespace comes last of
//! all: its root is whatever group the process is in at that moment.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::error::{Error, Result};
use crate::spec::{Linux, NamespaceType};

/// The kernel's flag and name for each kind.
#[must_use]
pub fn flag(kind: NamespaceType) -> u64 {
    let flag = match kind {
        NamespaceType::Pid => libc::CLONE_NEWPID,
        NamespaceType::Network => libc::CLONE_NEWNET,
        NamespaceType::Mount => libc::CLONE_NEWNS,
        NamespaceType::Ipc => libc::CLONE_NEWIPC,
        NamespaceType::Uts => libc::CLONE_NEWUTS,
        NamespaceType::User => libc::CLONE_NEWUSER,
        NamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
        NamespaceType::Time => 0x80, // CLONE_NEWTIME, which libc lacks
    };
    u64::from(flag.cast_unsigned())
}

/// The namespaces of a container, sorted by who makes them and when.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    /// Made by the clone.
    pub(crate) by_clone: u64,
    /// Made by the child at once.
    pub(crate) by_child: u64,
    /// Whether the child makes a control group namespace, once it is in its group.
    pub(crate) cgroup: bool,
    /// Existing ones to join.
    pub(crate) joined: Vec<(NamespaceType, OwnedFd)>,
}

impl Namespaces {
    // ANCHOR: namespaces
    /// Sorts the kinds of `linux.namespaces`; opens those that are to be joined.
    pub(crate) fn from_spec(linux: &Linux) -> Result<Self> {
        let mut all = Self::default();
        for namespace in &linux.namespaces {
            match (namespace.kind, &namespace.path) {
                (kind, Some(path)) => all.joined.push((kind, open(path)?)),
                (NamespaceType::User | NamespaceType::Pid, None) => {
                    all.by_clone |= flag(namespace.kind);
                }
                (NamespaceType::Cgroup, None) => all.cgroup = true,
                (kind, None) => all.by_child |= flag(kind),
            }
        }
        Ok(all)
    }
    // ANCHOR_END: namespaces

    /// Whether the container has a user namespace of its own.
    pub(crate) fn has_user(&self) -> bool {
        self.by_clone & flag(NamespaceType::User) != 0
    }
}

fn open(path: &Path) -> Result<OwnedFd> {
    std::fs::File::open(path)
        .map(OwnedFd::from)
        .map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })
}
