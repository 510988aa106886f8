//! The child's repertoire: one variant for each thing it can do.

use std::ffi::CString;
use std::fmt;
use std::os::fd::{OwnedFd, RawFd};

use super::Session;
use crate::id_map::SelfMap;
use crate::namespace;
use crate::rootfs;
use crate::security::rlimit::Limit;
use crate::security::seccomp::Filter;
use crate::security::{self, capability};
use crate::spec::NamespaceType;

/// One thing that the child does.
#[derive(Debug)]
pub(crate) enum Step {
    /// Ask to be killed when the parent dies, and see that it has not yet.
    DieWithParent {
        signal: i32,
    },
    WriteIdMap(SelfMap),
    AwaitIdMap,
    BecomeRoot,
    LeadSession(Session),
    OomScore(String),
    Keyring(CString),
    Join {
        kind: NamespaceType,
        fd: OwnedFd,
    },
    Unshare(u64),
    LoopbackUp,
    TimeOffsets(String),
    Hostname(CString),
    Domainname(CString),
    JoinCgroups,
    Rootfs(rootfs::Step),
    ClearUmask,
    WorkingDirectory(CString),
    CheckWorkingDirectory,
    Limit(Limit),
    Security(security::Step),
    DropBounding(capability::Sets),
    KeepCapabilities,
    User {
        uid: u32,
        gid: u32,
        groups: Option<Vec<u32>>,
    },
    Capabilities(capability::Sets),
    NoNewPrivileges,
    Umask(u32),
    Streams([RawFd; 3]),
    CloseOnExec,
    Seccomp(Filter),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DieWithParent { .. } => f.write_str("tie its life to its parent's"),
            Self::WriteIdMap(_) => f.write_str("map its id in the user namespace"),
            Self::AwaitIdMap => f.write_str("wait for the id map"),
            Self::BecomeRoot => f.write_str("become root of the user namespace"),
            Self::LeadSession(_) => f.write_str("lead a session"),
            Self::OomScore(score) => write!(f, "set oomScoreAdj to {score}"),
            Self::Keyring(_) => f.write_str("join a new session keyring"),
            Self::Join { kind, .. } => write!(f, "join the {} namespace", kind.name()),
            Self::Unshare(flags) => {
                f.write_str("make namespaces:")?;
                let kinds = [
                    NamespaceType::Mount,
                    NamespaceType::Network,
                    NamespaceType::Ipc,
                    NamespaceType::Uts,
                    NamespaceType::Cgroup,
                    NamespaceType::Time,
                ];
                let made = kinds
                    .into_iter()
                    .filter(|&k| flags & namespace::flag(k) != 0);
                made.into_iter()
                    .try_for_each(|kind| write!(f, " {}", kind.name()))
            }
            Self::LoopbackUp => f.write_str("bring the loopback interface up"),
            Self::TimeOffsets(_) => f.write_str("set the time namespace's offsets"),
            Self::Hostname(name) => write!(f, "set the hostname {}", name.to_string_lossy()),
            Self::Domainname(name) => write!(f, "set the domainname {}", name.to_string_lossy()),
            Self::JoinCgroups => f.write_str("join its control groups"),
            Self::Rootfs(step) => write!(f, "{step}"),
            Self::ClearUmask | Self::Umask(_) => f.write_str("set the umask"),
            Self::WorkingDirectory(path) => {
                write!(f, "enter the working directory {}", path.to_string_lossy())
            }
            Self::CheckWorkingDirectory => {
                f.write_str("enter the working directory: it is outside of the root")
            }
            Self::Limit(limit) => write!(f, "{limit}"),
            Self::Security(step) => write!(f, "{step}"),
            Self::DropBounding(_) => f.write_str("drop capabilities from the bounding set"),
            Self::KeepCapabilities => f.write_str("keep capabilities across the change of user"),
            Self::User { uid, gid, .. } => write!(f, "become user {uid}, group {gid}"),
            Self::Capabilities(_) => f.write_str("set the capabilities"),
            Self::NoNewPrivileges => f.write_str("give up new privileges"),
            Self::Streams(_) => f.write_str("connect its standard streams"),
            Self::CloseOnExec => f.write_str("keep the runtime's descriptors from it"),
            Self::Seccomp(_) => f.write_str("install the seccomp filter"),
        }
    }
}
