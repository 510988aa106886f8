//! The child's repertoire: one variant for each thing it can do.

use std::ffi::CString;
use std::fmt;
use std::os::fd::{OwnedFd, RawFd};

use super::Session;
use super::console::Console;
use crate::id_map::SelfMap;
use crate::namespace::{self, Joined};
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
    /// Enter the namespaces of a running container, through its init.
    JoinProcess {
        pidfd: OwnedFd,
        flags: u64,
    },
    /// Enter namespaces one by one.
    JoinAll(Joined),
    /// Write oneself into the `tasks` file of groups that exist.
    JoinGroups(Vec<CString>),
    /// Let nobody look into this memory.
    Hide,
    /// Give up the starter's groups, where that is allowed.
    DropGroups,
    WriteIdMap(SelfMap),
    AwaitIdMap,
    BecomeRoot,
    /// As `BecomeRoot`, where the user namespace, which somebody else made, has a root.
    BecomeRootIfMapped,
    LeadSession(Session),
    Keyring(CString),
    Unshare(u64),
    LoopbackUp,
    TimeOffsets(String),
    Hostname(CString),
    Domainname(CString),
    JoinCgroups,
    Rootfs(rootfs::Step),
    /// Make a directory one's own root.
    ChangeRoot(OwnedFd),
    /// Open the root that one is in.
    OpenRoot,
    Console(Console),
    /// Tell the parent that the root is built, and wait until it has run the hooks.
    Meet(RawFd),
    ClearUmask,
    WorkingDirectory(CString),
    /// Begin in a directory, unless it cannot be entered.
    Near(CString),
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
    /// See that the program is there before anybody waits for it.
    FindProgram,
    /// Be unable to read the trampoline, which nobody may trace then.
    CannotRead(capability::Sets),
    Streams([RawFd; 3]),
    /// The terminal that `Console` opened at all three.
    TerminalStreams,
    /// Descriptors from this one on do not outlive the execution.
    CloseOnExec(u32),
    /// But this one does.
    KeepOpen(RawFd),
    /// Wait until the parent has written down that we exist.
    AwaitRecord,
    Seccomp(Filter),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DieWithParent { .. } => f.write_str("tie its life to its parent's"),
            Self::JoinProcess { .. } => f.write_str("join the container's namespaces"),
            Self::JoinAll(joined) => {
                f.write_str("join namespaces:")?;
                let user = joined.user.iter().map(|_| NamespaceType::User);
                let others = joined.others.iter().map(|(kind, _)| *kind);
                user.chain(others)
                    .try_for_each(|kind| write!(f, " {}", kind.name()))
            }
            Self::JoinGroups(_) | Self::JoinCgroups => f.write_str("join its control groups"),
            Self::Hide => f.write_str("hide its memory"),
            Self::DropGroups => f.write_str("give up its groups"),
            Self::WriteIdMap(_) => f.write_str("map its id in the user namespace"),
            Self::AwaitIdMap => f.write_str("wait for the id map"),
            Self::BecomeRoot | Self::BecomeRootIfMapped => {
                f.write_str("become root of the user namespace")
            }
            Self::LeadSession(_) => f.write_str("lead a session"),
            Self::Keyring(_) => f.write_str("join a new session keyring"),
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
            Self::Rootfs(step) => write!(f, "{step}"),
            Self::ChangeRoot(_) => f.write_str("change to the container's root (chroot)"),
            Self::OpenRoot => f.write_str("open the container's root"),
            Self::Console(_) => f.write_str("open a terminal (/dev/pts, /dev/console)"),
            Self::Meet(_) => f.write_str("wait for the hooks"),
            Self::ClearUmask | Self::Umask(_) => f.write_str("set the umask"),
            Self::WorkingDirectory(path) | Self::Near(path) => {
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
            Self::CannotRead(_) => f.write_str("keep tracers away"),
            Self::Capabilities(_) => f.write_str("set the capabilities"),
            Self::NoNewPrivileges => f.write_str("give up new privileges"),
            Self::FindProgram => f.write_str("find the program"),
            Self::Streams(_) | Self::TerminalStreams => f.write_str("connect its standard streams"),
            Self::CloseOnExec(_) | Self::KeepOpen(_) => {
                f.write_str("keep the runtime's descriptors from it")
            }
            Self::AwaitRecord => f.write_str("wait until it is on record"),
            Self::Seccomp(_) => f.write_str("install the seccomp filter"),
        }
    }
}
