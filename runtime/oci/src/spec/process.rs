//! `process`: the program, its user, its privileges and its limits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CpuAffinity, IoPriority, Scheduler, empty_is_none, null_is_empty};

/// The program that a container runs (`config.md`, "Process").
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether standard streams are a terminal.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub terminal: bool,
    /// The terminal's size in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// Whose rights it has.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub user: User,
    /// The program and its arguments.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub args: Vec<String>,
    /// `KEY=value`; nothing is inherited.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub env: Vec<String>,
    /// The working directory inside; absolute.
    pub cwd: PathBuf,
    /// The capability sets; absent means none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub rlimits: Vec<Rlimit>,
    /// Whether executing a program may never add privileges.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub no_new_privileges: bool,
    /// An AppArmor profile's name.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub apparmor_profile: Option<String>,
    /// An SELinux label.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub selinux_label: Option<String>,
    /// How willingly the kernel kills it when memory runs out, −1000 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// The CPU scheduler's attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// The I/O scheduler's class and priority.
    #[serde(rename = "ioPriority", skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// The CPUs of a process started by `exec`; the container's own has those
    /// of `linux.resources.cpu.cpus`.
    #[serde(rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<CpuAffinity>,
}

impl Process {
    /// That of a container which waits for a start that cannot come.
    pub(crate) fn nothing() -> Self {
        Self {
            cwd: "/".into(),
            ..Self::default()
        }
    }
}

/// A terminal's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// Ids inside the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user id.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub uid: u32,
    /// The group id.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub gid: u32,
    /// The file creation mask; 0022 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Further groups.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub additional_gids: Vec<u32>,
}

/// The five capability sets of `capabilities(7)`, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What exec can ever bring back.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub bounding: Vec<String>,
    /// What is checked.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub effective: Vec<String>,
    /// What a program's file may keep.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub inheritable: Vec<String>,
    /// What may be made effective.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub permitted: Vec<String>,
    /// What an ordinary user keeps across exec.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub ambient: Vec<String>,
}

/// A resource limit (`setrlimit(2)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Its name, as in `RLIMIT_NOFILE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The ceiling for `soft`.
    pub hard: u64,
    /// The limit enforced.
    pub soft: u64,
}
