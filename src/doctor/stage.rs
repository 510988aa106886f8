//! What the doctor examines, in the order in which one thing needs another.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One examination.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// `unshare(CLONE_NEWUSER)`, and whether its capabilities then work.
    UserNamespace,
    /// Writing `uid_map` and `gid_map`.
    IdMap,
    /// A mount namespace, a mount in it, and `pivot_root`.
    MountNamespace,
    /// A fresh `/proc` in a PID namespace.
    ProcMount,
    /// An overlay of two directories, and a write through it.
    Overlay,
    /// A cgroup of our own, and moving a process into it.
    Cgroup,
    /// A network namespace with nothing in it but `lo`.
    NetworkNamespace,
    /// `no_new_privs`, and a filter that takes effect.
    Seccomp,
    /// A container of our own runtime, run to its end.
    Container,
    /// A Python with the modules that the workload imports.
    Python,
    /// The emulator.
    Qemu,
    /// Hardware virtualization, by running a guest under it.
    Kvm,
    /// A kernel to boot a guest with.
    GuestKernel,
    /// The file systems that the lab and its scratch files are on.
    Files,
    /// The compiler, its linker and cargo.
    Toolchain,
    /// Other runtimes and environment makers, for `cargo bench --bench peers`.
    Peers,
}

impl Stage {
    /// Those that are probed in a process of their own, since they change it.
    pub const PROBED: [Self; 9] = [
        Self::UserNamespace,
        Self::IdMap,
        Self::MountNamespace,
        Self::ProcMount,
        Self::Overlay,
        Self::Cgroup,
        Self::NetworkNamespace,
        Self::Seccomp,
        Self::Container,
    ];

    /// The word used in JSON and for `isolab __probe`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user-namespace",
            Self::IdMap => "id-map",
            Self::MountNamespace => "mount-namespace",
            Self::ProcMount => "proc-mount",
            Self::Overlay => "overlay",
            Self::Cgroup => "cgroup",
            Self::NetworkNamespace => "network-namespace",
            Self::Seccomp => "seccomp",
            Self::Container => "container",
            Self::Python => "python",
            Self::Qemu => "qemu",
            Self::Kvm => "kvm",
            Self::GuestKernel => "guest-kernel",
            Self::Files => "files",
            Self::Toolchain => "toolchain",
            Self::Peers => "peers",
        }
    }

    /// The words used for people, at most 17 columns.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::IdMap => "id map",
            Self::MountNamespace => "mount namespace",
            Self::ProcMount => "/proc mount",
            Self::Overlay => "overlay",
            Self::Cgroup => "cgroup",
            Self::NetworkNamespace => "network namespace",
            Self::Seccomp => "seccomp",
            Self::Container => "container",
            Self::Python => "python3",
            Self::Qemu => "QEMU",
            Self::Kvm => "KVM",
            Self::GuestKernel => "guest kernel",
            Self::Files => "files",
            Self::Toolchain => "toolchain",
            Self::Peers => "peers",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where within a probe it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// `unshare(CLONE_NEWUSER)`.
    Unshare,
    /// The first use of a capability in the new user namespace.
    Capability,
    /// Writing `setgroups`, `uid_map` or `gid_map`.
    IdMap,
    /// `unshare` of a further namespace.
    FurtherNamespace,
    /// `mount` of a tmpfs or of the root's propagation.
    Mount,
    /// `pivot_root`.
    PivotRoot,
    /// `mount` of a proc.
    ProcMount,
    /// `mount` of an overlay.
    OverlayMount,
    /// A write through the overlay.
    CopyUp,
    /// No cgroup directory of ours is to be seen.
    CgroupFind,
    /// `mkdir` of a cgroup.
    CgroupMake,
    /// Moving a process into it.
    CgroupMove,
    /// Reading what is in the network namespace.
    Interfaces,
    /// `prctl(PR_SET_NO_NEW_PRIVS)`.
    NoNewPrivileges,
    /// Installing a filter.
    Filter,
    /// Running a container.
    RunContainer,
}

impl Step {
    /// What was attempted, to go after 'cannot'.
    #[must_use]
    pub fn attempt(self) -> &'static str {
        match self {
            Self::Unshare => "create a user namespace",
            Self::Capability => "use a capability in the new user namespace",
            Self::IdMap => "write the id map",
            Self::FurtherNamespace => "unshare a further namespace",
            Self::Mount => "mount a tmpfs",
            Self::PivotRoot => "pivot_root",
            Self::ProcMount => "mount a fresh /proc",
            Self::OverlayMount => "mount an overlay",
            Self::CopyUp => "write through an overlay",
            Self::CgroupFind => "find a cgroup of ours",
            Self::CgroupMake => "make a cgroup",
            Self::CgroupMove => "move a process into a cgroup",
            Self::Interfaces => "read the interfaces of the new network namespace",
            Self::NoNewPrivileges => "set no_new_privs",
            Self::Filter => "install a seccomp filter",
            Self::RunContainer => "run a container",
        }
    }
}
