//! Starting a process: everything is decided before the clone.
//!
//! The parent turns what is asked for into a `plan`: a flat list of steps in
//! which every string, map and filter is ready. The `child` carries it out
//! with raw system calls, without allocating or taking a lock, so a caller
//! with many threads may start containers, and no second execution of the
//! runtime is needed. Meanwhile the parent makes the control groups
//! (`launch`). A step that fails crosses back as two numbers, its index and
//! the kernel's errno, and the parent finds the words.
//!
//! A bare process goes the very same way with a short plan: what a container
//! costs more is the steps, not another code path.

mod child;
mod console;
mod failure;
pub mod foreground;
mod launch;
mod net_device;
mod plan;
mod program;
mod relay;
mod running;
mod shared;
mod step;
mod time;
mod trace;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use crate::cgroup::Below;
use crate::error::Result;
use crate::rootfs::Overlay;
use crate::spec::IdMapping;

pub(crate) use failure::exec_error as program_error;
pub(crate) use launch::{Attend, Nobody, launch};
pub(crate) use plan::{Latch, Plan, Target};
#[cfg(fuzzing)]
pub(crate) use program::fuzz;
pub use running::{ExitStatus, Running};
#[cfg(feature = "trace")]
pub use trace::{By, Event};

/// A program to execute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The file; with no slash it is looked for in `PATH` of `env`.
    pub path: PathBuf,
    /// All arguments, the first of which is by custom the program's name.
    pub args: Vec<String>,
    /// `KEY=value`; nothing is inherited.
    pub env: Vec<String>,
    /// The working directory; the caller's where `None`.
    pub cwd: Option<PathBuf>,
}

/// The three standard streams of a new process.
#[derive(Clone, Copy, Debug)]
pub struct Stdio<'a> {
    /// Its descriptor 0.
    pub stdin: BorrowedFd<'a>,
    /// Its descriptor 1.
    pub stdout: BorrowedFd<'a>,
    /// Its descriptor 2.
    pub stderr: BorrowedFd<'a>,
}

impl Stdio<'static> {
    /// Nothing to read, and nowhere to write.
    #[cfg(test)]
    pub(crate) fn null() -> Self {
        use std::os::fd::AsFd as _;
        static NULL: std::sync::LazyLock<std::fs::File> =
            std::sync::LazyLock::new(|| std::fs::File::open("/dev/null").unwrap());
        Self {
            stdin: NULL.as_fd(),
            stdout: NULL.as_fd(),
            stderr: NULL.as_fd(),
        }
    }

    /// This process's own streams.
    #[must_use]
    pub fn inherit() -> Self {
        static STREAMS: std::sync::LazyLock<(io::Stdin, io::Stdout, io::Stderr)> =
            std::sync::LazyLock::new(|| (io::stdin(), io::stdout(), io::stderr()));
        Self {
            stdin: STREAMS.0.as_fd(),
            stdout: STREAMS.1.as_fd(),
            stderr: STREAMS.2.as_fd(),
        }
    }
}

/// Which control group a process is put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cgroup {
    /// The caller's own: nothing is made.
    #[default]
    Inherit,
    /// A new one below the caller's, or where version 2 is alone beside it,
    /// named so that [`crate::cgroup::sweep`] can tell whether its owner still
    /// runs.
    Owned,
    /// What the bundle's `linux.cgroupsPath` says, or one named after the container.
    Named,
    /// A unit of systemd, which makes it: the machine's, or for an ordinary
    /// user his own. `linux.cgroupsPath` is then `slice:prefix:name`.
    Systemd,
}

/// How a new process belongs to its parent's session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// It leads a session of its own: signals of the terminal do not reach it.
    #[default]
    New,
    /// It leads a process group of its own.
    Group,
    /// It stays in the caller's process group.
    Inherit,
}

/// How to start a process or container, apart from what it is.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// It is killed when the *thread* that started it ends, however it ends.
    pub die_with_parent: bool,
    /// Its session.
    pub session: Session,
    /// Its control group.
    pub cgroup: Cgroup,
    /// It stays in the caller's session keyring.
    pub keep_keyring: bool,
    /// Where the master of its terminal is sent, as a message with a descriptor
    /// (`SCM_RIGHTS`); needed where `process.terminal` is true.
    pub console: Option<Arc<OwnedFd>>,
    /// Its root is moved into place (`MS_MOVE`) instead of exchanged: for a host
    /// whose own root is an initial ramfs.
    pub no_pivot: bool,
    /// How many descriptors from 3 on are handed on to it.
    pub preserve_fds: u32,
    /// How many of those it is told of as sockets (`sd_listen_fds(3)`).
    pub listen_fds: u32,
    /// Groups below the container's own that one more process is put in.
    pub below: Vec<Below>,
    /// One more process is started in a paused container, too.
    pub ignore_paused: bool,
    /// Its root is this overlay, which it mounts at `root.path`, an empty
    /// directory, in its own mount namespace.
    pub overlay: Option<Overlay>,
}

impl Options {
    /// For a process that must not outlive this one.
    pub(crate) fn attached() -> Self {
        Self {
            die_with_parent: true,
            keep_keyring: true,
            ..Self::default()
        }
    }

    /// The first descriptor that is not handed on.
    fn first_free_descriptor(&self) -> u32 {
        3u32.saturating_add(self.preserve_fds)
    }
}

/// Namespaces for a program that works on mounts and on files of many owners.
///
/// A mount namespace always, which nothing spreads from or to: all that is
/// mounted there is gone with the last process in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// The user ids of a user namespace; where both maps are empty, none is made.
    /// Those of an ordinary user beside his own are mapped by `newuidmap`.
    pub uids: Vec<IdMapping>,
    /// The group ids.
    pub gids: Vec<IdMapping>,
    /// Whether it is the first process of a pid namespace, with a `/proc` of
    /// that: all that it starts ends with it.
    pub pids: bool,
}

/// Starts `program` in namespaces of its own, with the host's root and as root of
/// the user namespace, where there is one.
///
/// # Errors
/// [`crate::Error::Setup`] where namespaces or maps are refused,
/// [`crate::Error::Exec`] where the program cannot be executed.
pub fn spawn_apart(
    program: &Program,
    apart: &Apart,
    stdio: Stdio<'_>,
    options: &Options,
) -> Result<Running> {
    launch(
        Plan::for_program_apart(program, apart, stdio, options)?,
        &mut Nobody,
    )
}

/// Starts `program` as an ordinary process: no namespace, no new root.
///
/// Returns when the program has been executed.
///
/// # Errors
/// [`crate::Error::Exec`] where the program cannot be executed.
pub fn spawn(program: &Program, stdio: Stdio<'_>, options: &Options) -> Result<Running> {
    launch(Plan::for_program(program, stdio, options)?, &mut Nobody)
}
