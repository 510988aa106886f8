//! What was found on the machine, before anything is made of it.
//!
//! Everything that a diagnosis rests on is a plain value here, so that a
//! machine nobody has at hand (WSL 1, a locked-down Ubuntu, a container in a
//! container) can be written down as a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::stage::{Stage, Step};
use crate::environment::cgroup::{Hierarchy, Mode};

/// How a probe ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it set out to do.
    Works {
        /// What was found on the way.
        detail: String,
    },
    /// It stopped at a step.
    Failed {
        /// Which.
        step: Step,
        /// The kernel's error number; 0 where there was none.
        errno: i32,
        /// What was at stake, such as a path.
        detail: String,
    },
    /// A signal ended it: a seccomp filter's SIGSYS, usually.
    Killed {
        /// Its number.
        signal: i32,
    },
    /// It did not end in its time.
    TimedOut,
    /// It could not be started, or said nothing that could be read.
    Unclear {
        /// What it said instead.
        detail: String,
    },
}

/// An error and what led to it, on one line, for where only text crosses over.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Facts {
    /// The system as a whole.
    pub machine: Machine,
    /// What the system's owner forbids.
    pub policy: Policy,
    /// Its cgroups.
    pub cgroup: CgroupFacts,
    /// How each probe ended.
    pub probes: BTreeMap<Stage, Outcome>,
    /// The interpreter that a venv would be made for, or why there is none.
    pub python: Found<Python>,
    /// The emulator.
    pub qemu: Found<Program>,
    /// Hardware virtualization.
    pub kvm: Kvm,
    /// A kernel for guests.
    pub guest_kernel: Found<Program>,
    /// The file systems that matter.
    pub places: Vec<Place>,
    /// Why no scratch directory could be made, if none could.
    pub scratch_error: Option<String>,
    /// What builds the lab.
    pub toolchain: Toolchain,
    /// Other tools that answered, by name, with their versions.
    pub peers: BTreeMap<String, String>,
}

/// The system as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The effective user is root.
    pub root: bool,
    /// Kernel release.
    pub kernel: String,
    /// The distribution's `ID` and `ID_LIKE`, as in os-release(5).
    pub distribution: String,
    /// The container engine that this runs in; `unnamed` if none is seen.
    pub container: Option<String>,
    /// The hypervisor below.
    pub hypervisor: Option<String>,
    /// 1 or 2 under the Windows Subsystem for Linux.
    pub wsl: Option<u8>,
    /// The name that WSL gives the distribution.
    pub wsl_distribution: Option<String>,
    /// Process 1 is systemd.
    pub systemd: bool,
    /// The root directory is not that of the mount namespace.
    pub chroot: bool,
    /// The file of this program.
    pub program: PathBuf,
}

/// What the system's owner forbids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    pub apparmor_restrict_userns: Option<u64>,
    /// The AppArmor profile that we run under, if one confines us.
    pub apparmor_profile: Option<String>,
    /// `user.max_user_namespaces`.
    pub max_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, Debian's own switch.
    pub unprivileged_userns_clone: Option<u64>,
    /// Seccomp filters that are on us already.
    pub seccomp_filters: u64,
    /// Our effective capabilities, a bit each.
    pub capabilities: u64,
    /// What is mounted over parts of `/proc`.
    pub over_proc: Vec<PathBuf>,
}

/// The cgroups of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CgroupFacts {
    /// Which versions are mounted.
    pub mode: Mode,
    /// Every hierarchy, and our place in it.
    pub hierarchies: Vec<Hierarchy>,
}

impl Default for CgroupFacts {
    fn default() -> Self {
        Self {
            mode: Mode::None,
            hierarchies: Vec::new(),
        }
    }
}

/// Something that was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum Found<T> {
    /// Nobody looked, since the question did not need it.
    #[default]
    NotAsked,
    /// It is there.
    Here(T),
    /// It is not, or is of no use.
    Missing {
        /// Why.
        why: String,
    },
}

/// A program or a file, with its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Its version, as it says itself.
    pub version: String,
}

/// An interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Python {
    /// Where it is.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Modules of the workload that it cannot import.
    pub lacks: Vec<String>,
}

/// Hardware virtualization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kvm {
    /// `/dev/kvm` is there.
    pub device: bool,
    /// The error number of opening it for reading and writing; 0 if it opens.
    pub open_errno: i32,
    /// The group that the device belongs to, if that may use it.
    pub group: Option<String>,
    /// Its group has no number in our user namespace: the kernel shows the
    /// overflow number in its place.
    pub group_unmapped: bool,
    /// Whether a guest ran under it.
    pub runs: Found<String>,
}

/// A directory that the lab works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What it is to the lab.
    pub role: Role,
    /// Where it is.
    pub path: PathBuf,
    /// The type of the file system that holds it.
    pub fstype: String,
    /// Of its mount options, those that get in the way.
    pub options: Vec<String>,
    /// What is free on it for this user, in bytes, where it can be told.
    pub free_bytes: Option<u64>,
}

/// What a directory is to the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Where the command was given; usually the checkout.
    Working,
    /// Where runs keep their files, and start what they measure.
    Scratch,
}

/// What builds the lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Toolchain {
    /// A C compiler's driver, which rustc calls to link.
    pub cc: Option<PathBuf>,
    /// cargo's version.
    pub cargo: Option<String>,
    /// The oldest that builds the lab.
    pub cargo_needed: String,
}
