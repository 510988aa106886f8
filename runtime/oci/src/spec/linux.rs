//! `linux`: namespaces, id maps, devices and what is hidden.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Resources, Seccomp, empty_is_none, null_is_empty};

/// The Linux part of a container (`config-linux.md`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// User ids inside and outside.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids inside and outside.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub gid_mappings: Vec<IdMapping>,
    /// Kernel parameters of the container's namespaces.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub sysctl: BTreeMap<String, String>,
    /// Limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The control group, absolute or relative: to the runtime's own, or where
    /// version 2 is alone to the one above that.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub cgroups_path: Option<PathBuf>,
    /// Namespaces to make or join; kinds not named are shared with the runtime.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub namespaces: Vec<Namespace>,
    /// Device nodes to add to the default ones.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub devices: Vec<Device>,
    /// Network devices of the host to move into the container, by name.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub net_devices: BTreeMap<String, NetDevice>,
    /// The system call filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// How mounts spread to and from the root: `private`, `slave`, `shared`, `unbindable`, or with `r`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub rootfs_propagation: Option<String>,
    /// Paths that read as empty.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub masked_paths: Vec<PathBuf>,
    /// Paths that cannot be written.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub readonly_paths: Vec<PathBuf>,
    /// An SELinux label for mounts.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub mount_label: Option<String>,
    /// Intel's cache and bandwidth control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<serde_json::Value>,
    /// The NUMA nodes that memory comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<serde_json::Value>,
    /// The execution domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Offsets of the clocks in a time namespace, by clock.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub time_offsets: BTreeMap<String, TimeOffset>,
}

/// A range of ids (`user_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// The first id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// The first id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// A namespace to make, or to join where `path` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: NamespaceType,
    /// The namespace to join.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub path: Option<PathBuf>,
}

/// The kinds of namespace (`namespaces(7)`), as the specification spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceType {
    /// Process ids.
    Pid,
    /// Network devices, addresses and routes.
    Network,
    /// The mount table.
    Mount,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// The host name.
    Uts,
    /// User and group ids, and capabilities.
    User,
    /// The view of the control groups.
    Cgroup,
    /// The monotonic and boot clocks.
    Time,
}

impl NamespaceType {
    /// The kind as the specification spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::Network => "network",
            Self::Mount => "mount",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::User => "user",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }
}

/// A device node (`config-linux.md`, "Devices").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its path inside.
    pub path: PathBuf,
    /// Character, block or fifo.
    #[serde(rename = "type")]
    pub kind: DeviceType,
    /// The major number, which only a fifo lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// The minor number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// Permission bits; 0666 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<u32>,
    /// Its owner inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// What a device node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceType {
    /// Every kind: only in a rule.
    #[serde(rename = "a")]
    All,
    /// A character device.
    #[serde(rename = "c", alias = "u")]
    Character,
    /// A block device.
    #[serde(rename = "b")]
    Block,
    /// A named pipe.
    #[serde(rename = "p")]
    Fifo,
}

/// A clock's offset (`time_namespaces(7)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// Whole seconds.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub secs: i64,
    /// Nanoseconds.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub nanosecs: u32,
}

/// What kernel the process believes it runs on (`personality(2)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personality {
    /// The domain.
    pub domain: Domain,
    /// Flags; the specification defines none.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub flags: Vec<String>,
}

/// Execution domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Domain {
    /// The machine's own.
    #[default]
    #[serde(rename = "LINUX")]
    Linux,
    /// `uname(2)` names the 32-bit machine.
    #[serde(rename = "LINUX32")]
    Linux32,
}

impl Domain {
    /// The word of the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "LINUX",
            Self::Linux32 => "LINUX32",
        }
    }
}

/// A network device inside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice {
    /// Its name there; that of the host where absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub name: Option<String>,
}
