//! A process that was started: waited for, signalled, and cleaned up after.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::cgroup::{Created, Groups};
use crate::error::{Error, Result};
use crate::rootfs::HostRoot;
use crate::sys;
use crate::sys::clone::Child;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// What it exited with; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl ExitStatus {
    fn from_raw(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self {
                code: None,
                signal: Some(libc::WTERMSIG(status)),
            }
        } else {
            Self {
                code: Some(libc::WEXITSTATUS(status)),
                signal: None,
            }
        }
    }

    /// Whether it exited with 0.
    #[must_use]
    pub fn success(self) -> bool {
        self.code == Some(0)
    }

    /// The status as a shell shows it: the code, or 128 and the signal.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        self.code.or(self.signal.map(|s| 128 + s)).unwrap_or(1)
    }
}

/// A running process or container.
///
/// Dropping it kills the process, reaps it and removes its control groups.
/// Killing the init of a pid namespace kills everything in it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    cgroups: Created,
    warnings: Vec<String>,
    ended: Option<ExitStatus>,
    detached: bool,
    /// Its root, where its mounts are the host's.
    pub(super) host_root: Option<HostRoot>,
    /// Whether its control groups are removed at its end.
    owns_groups: bool,
    #[cfg(feature = "trace")]
    trace: Vec<super::Event>,
}

impl Running {
    pub(super) fn new(child: Child, cgroups: Created, warnings: Vec<String>) -> Self {
        Self {
            child,
            cgroups,
            warnings,
            ended: None,
            detached: false,
            host_root: None,
            owns_groups: true,
            #[cfg(feature = "trace")]
            trace: Vec::new(),
        }
    }

    #[cfg(feature = "trace")]
    pub(super) fn with_trace(mut self, events: Vec<super::Event>) -> Self {
        self.trace = events;
        self
    }

    /// What its start did, by time.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn trace(&self) -> &[super::Event] {
        &self.trace
    }

    /// Notes what cannot be enforced.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Its process id, as the caller sees it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// What was asked for and cannot be enforced here, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its own control groups.
    #[must_use]
    pub fn cgroups(&self) -> &Groups {
        self.cgroups.groups()
    }

    /// Waits until it ends, and removes its control groups.
    ///
    /// # Errors
    /// [`Error::Supervise`] where somebody else reaped it.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.poll(true)? {
                return Ok(status);
            }
        }
    }

    /// How it ended, or `None` where it still runs.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.poll(false)
    }

    /// Lets it live on without us: dropping `self` no longer ends it.
    pub fn detach(mut self) {
        self.leave_groups();
        self.leave_root();
        self.detached = true;
    }

    /// Leaves its root, where others see it, to whoever deletes the container.
    pub(crate) fn leave_root(&mut self) {
        let _ = self.host_root.take().map(HostRoot::keep);
    }

    /// Leaves its control groups to whoever deletes the container.
    pub(crate) fn leave_groups(&mut self) {
        self.owns_groups = false;
    }

    /// Waits until it ends, at most `milliseconds`.
    pub(crate) fn wait_readable(&self, milliseconds: i32) {
        let fd = self.child.pidfd.as_raw_fd();
        let _ = sys::descriptor::poll_readable(&mut [fd], milliseconds);
    }

    /// Kills all of the process group that it leads.
    pub(crate) fn kill_group(&self) {
        // Not reaped yet, so the number is still its own.
        if self.ended.is_none() {
            let _ = sys::process::kill(-self.child.pid, libc::SIGKILL);
        }
    }

    fn poll(&mut self, block: bool) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let status = sys::process::wait_for(self.child.pid, block).map_err(|errno| {
                Error::Supervise {
                    action: "wait for the process",
                    source: errno.into(),
                }
            })?;
            self.ended = status.map(ExitStatus::from_raw);
            if self.ended.is_some() && self.owns_groups {
                self.cgroups.remove();
            }
        }
        Ok(self.ended)
    }

    /// Sends it a signal; one that has ended already is no error.
    ///
    /// # Errors
    /// [`Error::Supervise`] for a signal that does not exist.
    pub fn kill(&self, signal: i32) -> Result<()> {
        match sys::process::pidfd_send_signal(self.child.pidfd.as_raw_fd(), signal) {
            Ok(()) | Err(sys::Errno(libc::ESRCH)) => Ok(()),
            Err(errno) => Err(Error::Supervise {
                action: "signal the process",
                source: errno.into(),
            }),
        }
    }
}

/// Its pidfd: readable once it has ended (`pidfd_open(2)`).
impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() && !self.detached {
            let _ = self.kill(libc::SIGKILL);
            // A process that version 1 has frozen dies when it is thawed.
            if self.cgroups.groups().is_frozen() {
                let _ = self.cgroups.groups().thaw();
            }
            let _ = self.poll(true);
        }
        if !self.owns_groups {
            self.cgroups.keep();
        }
    }
}
