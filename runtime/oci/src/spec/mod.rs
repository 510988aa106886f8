//! `config.json`: the OCI runtime specification's words as Rust types.
//!
//! Unknown fields are tolerated, as the specification demands; a field that is
//! known and asked for but not done here is refused by name ([`validate`]).
//!
//! Source: <https://github.com/opencontainers/runtime-spec>, `config.md` and
//! `config-linux.md`, version 1.3.

mod cpus;
mod example;
mod hooks;
mod linux;
mod mount;
mod place;
mod process;
mod read;
mod resources;
mod schedule;
mod seccomp;
pub mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use cpus::parse_cpus;
pub use hooks::{Hook, Hooks};
pub use linux::{
    Device, DeviceType, Domain, IdMapping, Linux, Namespace, NamespaceType, NetDevice, Personality,
    TimeOffset,
};
pub use mount::Mount;
pub use process::{Capabilities, ConsoleSize, Process, Rlimit, User};
#[cfg(fuzzing)]
pub(crate) use read::parse;
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma,
    Resources, ThrottleDevice, WeightDevice,
};
pub use schedule::{CpuAffinity, IoClass, IoPriority, Policy, Scheduler, SchedulerFlag};
pub use seccomp::{Action, Arg, Comparison, Rule, Seccomp};

/// A container as its author describes it: the content of `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The version of the specification that the file follows.
    pub oci_version: String,
    /// The program to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The root file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// The host name inside (needs a UTS namespace).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub hostname: Option<String>,
    /// The NIS domain name inside (needs a UTS namespace).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub domainname: Option<String>,
    /// File systems to mount, in this order.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub mounts: Vec<Mount>,
    /// Programs to run at points of the container's life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// The author's own notes.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// What only Linux has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

/// The root file system (`root`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Its directory; relative to the bundle where it is not absolute.
    pub path: PathBuf,
    /// Whether the container may not write to it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub readonly: bool,
}

impl Spec {
    /// Parses the text of a `config.json`.
    ///
    /// # Errors
    /// The JSON error, which names the line and column.
    pub fn from_slice(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// Whether a namespace of `kind` is made or joined.
    pub(crate) fn names_namespace(&self, kind: NamespaceType) -> bool {
        self.linux().namespaces.iter().any(|n| n.kind == kind)
    }

    /// The Linux part, empty where there is none.
    pub(crate) fn linux(&self) -> &Linux {
        static NONE: std::sync::LazyLock<Linux> = std::sync::LazyLock::new(Linux::default);
        self.linux.as_ref().unwrap_or(&NONE)
    }
}

/// Go's encoder writes `null` for a list that was never made, and its decoder takes
/// it for the absence of anything: a bool, a number.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Go's encoder writes an empty text where a program left one out.
pub(crate) fn empty_is_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: AsRef<std::ffi::OsStr> + Deserialize<'de>,
{
    let text = Option::<T>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.as_ref().is_empty()))
}

#[cfg(test)]
mod tests;
