//! Which namespaces a container gets, and in which call each is made or entered.
//!
//! Two are made by the clone itself: the user namespace, because the kernel
//! lets no process that shares memory leave its own, and the pid namespace,
//! because a process keeps its pid. The others are made by the child, while
//! the parent does its own work. The control group namespace comes last of
//! all: its root is whatever group the process is in at that moment.
//!
//! Existing ones are entered before any is made: what is made in a user
//! namespace belongs to it.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::{Error, Result};
use crate::spec::{Linux, Namespace, NamespaceType};
use crate::sys;

/// The kernel's flag for each kind.
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
    /// Existing ones to enter.
    pub(crate) joined: Joined,
}

/// Existing namespaces to enter.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// A user namespace other than the runtime's.
    pub(crate) user: Option<OwnedFd>,
    /// A time namespace, which only a process that shares its memory with
    /// nobody may enter: the runtime itself, before it clones.
    pub(crate) time: Option<OwnedFd>,
    /// The rest.
    pub(crate) others: Vec<(NamespaceType, OwnedFd)>,
}

impl Namespaces {
    // ANCHOR: namespaces
    /// Sorts the kinds of `linux.namespaces`; opens those that are to be joined.
    pub(crate) fn from_spec(linux: &Linux) -> Result<Self> {
        let mut all = Self::default();
        for (index, namespace) in linux.namespaces.iter().enumerate() {
            match (namespace.kind, &namespace.path) {
                (kind, Some(path)) => all.joined.add(kind, open(index, namespace, path)?),
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

    /// Whether the container has another user namespace than the runtime.
    pub(crate) fn has_user(&self) -> bool {
        self.makes(NamespaceType::User) || self.joined.user.is_some()
    }

    /// Whether the clone makes one of `kind`.
    pub(crate) fn makes(&self, kind: NamespaceType) -> bool {
        self.by_clone & flag(kind) != 0
    }

    /// Whether what is joined has to be joined by another process than the one
    /// that the clone makes: its parent.
    ///
    /// A pid namespace takes in only children. What the clone makes belongs to
    /// the user namespace of whoever clones; and whoever is in a new user
    /// namespace has lost the right to enter namespaces of the old one.
    pub(crate) fn need_two_clones(&self) -> bool {
        let joined = &self.joined;
        joined.user.is_some()
            || joined.has(NamespaceType::Pid)
            || self.makes(NamespaceType::User) && !joined.others.is_empty()
    }
}

impl Joined {
    fn add(&mut self, kind: NamespaceType, fd: OwnedFd) {
        match kind {
            // To enter one's own once more would be an error.
            NamespaceType::User if is_own(&fd, "/proc/self/ns/user") => {}
            NamespaceType::User => self.user = Some(fd),
            NamespaceType::Time => self.time = Some(fd),
            _ => self.others.push((kind, fd)),
        }
    }

    pub(crate) fn has(&self, kind: NamespaceType) -> bool {
        self.others.iter().any(|(k, _)| *k == kind)
    }
}

/// Opens a namespace, and sees that it is one of the kind that was meant.
fn open(index: usize, namespace: &Namespace, path: &Path) -> Result<OwnedFd> {
    let kind = namespace.kind.name();
    let invalid = |reason: String| Error::Invalid {
        field: format!("linux.namespaces[{index}].path"),
        reason,
        remedy: format!("name a file like /proc/PID/ns/{kind}, or leave out `path` for a new one"),
    };
    if !path.has_root() {
        return Err(invalid(format!("`{}` is not absolute", path.display())));
    }
    // A fifo in its place would make the open wait for a writer.
    let file = fs::File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| invalid(format!("cannot open `{}`: {error}", path.display())))?;
    match sys::namespace::kind(file.as_raw_fd()) {
        Ok(found) if found == flag(namespace.kind) => Ok(file.into()),
        Ok(_) => Err(invalid(format!(
            "`{}` is a namespace of another type than {kind}",
            path.display()
        ))),
        Err(_) => Err(invalid(format!("`{}` is no namespace", path.display()))),
    }
}

/// Whether `fd` is open on this process's own namespace at `own`.
pub(crate) fn is_own(fd: &OwnedFd, own: &str) -> bool {
    let own = fs::metadata(own).map(|m| (m.dev(), m.ino()));
    let stat = sys::file::stat_at(fd.as_raw_fd(), c"");
    matches!((own, stat), (Ok(own), Ok(stat)) if own == (stat.file_system, stat.inode))
}
