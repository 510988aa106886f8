//! The aspects of a system that a place may keep apart, and what is tried to find
//! out whether it does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inside::Attempt;

/// An aspect of the system: a row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// Other processes.
    Processes,
    /// User ids.
    Users,
    /// What is mounted where.
    Mounts,
    /// Files.
    Files,
    /// Talking to listeners.
    Network,
    /// Port numbers.
    Ports,
    /// The machine's name.
    Hostname,
    /// Message queues and shared memory.
    Ipc,
    /// Control groups and their limits.
    Cgroup,
    /// The clock.
    Time,
    /// The kernel.
    Kernel,
    /// Devices.
    Devices,
    /// Python packages.
    Packages,
    /// The Python interpreter.
    Interpreter,
    /// The modules that come with the interpreter.
    #[serde(rename = "stdlib")]
    StandardLibrary,
    /// The C library, standing for the system's libraries.
    Libraries,
}

impl Axis {
    /// Every axis, in the order of the table.
    pub const ALL: [Self; 16] = [
        Self::Processes,
        Self::Users,
        Self::Mounts,
        Self::Files,
        Self::Network,
        Self::Ports,
        Self::Hostname,
        Self::Ipc,
        Self::Cgroup,
        Self::Time,
        Self::Kernel,
        Self::Devices,
        Self::Packages,
        Self::Interpreter,
        Self::StandardLibrary,
        Self::Libraries,
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Users => "users",
            Self::Mounts => "mounts",
            Self::Files => "files",
            Self::Network => "network",
            Self::Ports => "ports",
            Self::Hostname => "hostname",
            Self::Ipc => "ipc",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
            Self::Kernel => "kernel",
            Self::Devices => "devices",
            Self::Packages => "packages",
            Self::Interpreter => "interpreter",
            Self::StandardLibrary => "stdlib",
            Self::Libraries => "libraries",
        }
    }

    /// What is asked, in a sentence.
    #[must_use]
    pub fn question(self) -> &'static str {
        match self {
            Self::Processes => "Can it see a process of the host, and signal it?",
            Self::Users => "Are its users the host's, and can it become another one?",
            Self::Mounts => "Is its mount table the host's, and can it mount?",
            Self::Files => "Can it read a file of the host, and write to it?",
            Self::Network => "Can it talk to a listener on the host's loopback address?",
            Self::Ports => "Does a port that the host has taken count as taken?",
            Self::Hostname => "Is its host name the host's, and can it set it?",
            Self::Ipc => "Can it open a message queue of the host?",
            Self::Cgroup => "Does it see the host's control groups, and can it change its limits?",
            Self::Time => "Is its clock the host's, and can it set it?",
            Self::Kernel => "Is its kernel the host's, and can it load modules into it?",
            Self::Devices => "Can it open devices behind which the whole host lies?",
            Self::Packages => "Are its Python packages those of the host's interpreter?",
            Self::Interpreter => "Is its Python interpreter the host's file?",
            Self::StandardLibrary => "Is its Python standard library the host's directory?",
            Self::Libraries => "Is the C library under its interpreter the host's file?",
        }
    }

    /// What stands behind it, for whoever wants to know why.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Processes => {
                "A pid namespace has its own numbers for processes; those outside have none in it, \
                 so they can be neither seen nor signalled. Source: pid_namespaces(7)."
            }
            Self::Users => {
                "A user namespace has its own ids: user 0 inside may be any user outside. Without \
                 one, root inside is root outside, held back by capabilities alone. Source: \
                 user_namespaces(7)."
            }
            Self::Mounts => {
                "A mount namespace has its own table of what is mounted where; mounting in it \
                 changes nothing outside. Source: mount_namespaces(7)."
            }
            Self::Files => {
                "Another root directory hides the files outside it: by pivot_root(2) in a \
                 container, by having another disk in a guest."
            }
            Self::Network => {
                "A network namespace has its own interfaces, addresses and routes; even the \
                 loopback address is another one. Source: network_namespaces(7)."
            }
            Self::Ports => {
                "Port numbers belong to a network namespace: what shares it shares them, and two \
                 servers collide on one."
            }
            Self::Hostname => {
                "A UTS namespace has its own host name. Where it is the host's, setting it would \
                 rename the machine. Source: uts_namespaces(7)."
            }
            Self::Ipc => {
                "An IPC namespace has its own message queues, semaphores and shared memory, found \
                 by name or number rather than by path. Source: ipc_namespaces(7)."
            }
            Self::Cgroup => {
                "A control group limits what is in it. A cgroup namespace shows the group as the \
                 root of the tree, so the host's groups have no name inside. Source: \
                 cgroup_namespaces(7)."
            }
            Self::Time => {
                "A time namespace shifts the clocks that count from the start of the machine; the \
                 time of day has no namespace and is the kernel's. Source: time_namespaces(7)."
            }
            Self::Kernel => {
                "All processes of a machine are served by one kernel, whatever their namespaces; \
                 a guest boots its own. The kernel draws its boot id at its start, so two that \
                 differ are two kernels. Source: random(4)."
            }
            Self::Devices => {
                "The kernel's log and the disks hold what belongs to everybody on the host. A \
                 container leaves their nodes out and may not make them; where it may, a control \
                 group has opening them refused."
            }
            Self::Packages => {
                "An environment has its own directory of packages, which its interpreter searches \
                 in place of the host's. Source: PEP 405."
            }
            Self::Interpreter => {
                "An environment has no interpreter but a link to one; a container and a guest have \
                 a copy. Source: PEP 405."
            }
            Self::StandardLibrary => {
                "An environment has packages of its own and no standard library: its interpreter \
                 finds the one of the base by `home` in pyvenv.cfg. Source: PEP 405."
            }
            Self::Libraries => {
                "What a package compiled in C needs of the system is outside of every environment: \
                 it comes with the root file system."
            }
        }
    }

    /// What is tried. All that the judgement looks at is among it.
    #[must_use]
    pub fn attempts(self) -> &'static [Attempt] {
        use Attempt::*;
        match self {
            Self::Processes => &[BootId, NsPid, CountProcesses, SeeProcess, SignalProcess],
            Self::Users => &[BootId, NsUser, UidMap, BecomeUser],
            Self::Mounts => &[BootId, NsMnt, MakeMount, WriteRoot],
            Self::Files => &[ReadFile, OpenForWriting],
            Self::Network => &[BootId, NsNet, Connect, Interfaces],
            Self::Ports => &[NsNet, Bind],
            Self::Hostname => &[BootId, NsUts, HostName, SetHostName],
            Self::Ipc => &[NsIpc, OpenQueue],
            Self::Cgroup => &[BootId, NsCgroup, Cgroup, OpenLimit],
            Self::Time => &[BootId, NsTime, SetClock],
            Self::Kernel => &[BootId, KernelRelease, FirstProcess, LoadModule],
            Self::Devices => &[BootId, CountDevices, OpenKernelLog, OpenDisk, MakeDevice],
            Self::Packages => &[BootId, PackageDirectory, WritePackages],
            Self::Interpreter => &[BootId, InterpreterFile, WriteInterpreter],
            Self::StandardLibrary => &[BootId, StandardLibrary, WriteStandardLibrary],
            Self::Libraries => &[BootId, CLibrary, WriteCLibrary],
        }
    }

    /// The axis called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.name() == name)
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
