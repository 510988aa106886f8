//! Signals to a container.

use std::os::fd::AsRawFd as _;

use super::Container;
use super::state::Status;
use crate::error::{Error, Result};
use crate::spec::NamespaceType;
use crate::sys::{self, Errno};

impl Container {
    /// Sends `signal` to its first process, or to `all` of them.
    ///
    /// # Errors
    /// [`Error::State`] where it has stopped; with `all` that is none, since others
    /// may have outlived its first process. [`Error::Supervise`] for a signal that
    /// does not exist.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        let stopped = || self.wrong_state("signal", Status::Stopped);
        if all {
            return self.signal_all(signal);
        }
        let (_, pidfd) = self.held_init().ok_or_else(stopped)?;
        // Without a pid namespace of its own the others would outlive their first.
        if signal == libc::SIGKILL && !self.has_own_pids() {
            return self.signal_all(signal);
        }
        self.signal_first(pidfd.as_raw_fd(), signal)
    }

    fn signal_first(&self, pidfd: i32, signal: i32) -> Result<()> {
        match sys::process::pidfd_send_signal(pidfd, signal) {
            Err(Errno(libc::ESRCH)) => return Err(self.wrong_state("signal", Status::Stopped)),
            result => result.map_err(|errno| Error::Supervise {
                action: "signal the container",
                source: errno.into(),
            })?,
        }
        if signal == libc::SIGKILL && self.groups().is_frozen() {
            // What stands still cannot die.
            let _ = self.groups().thaw();
        }
        Ok(())
    }

    fn signal_all(&self, signal: i32) -> Result<()> {
        let first = self.held_init();
        let groups = self.groups();
        // Where no group could be made, it is all that is known of the container.
        let first = first.filter(|(pid, _)| !groups.processes().contains(pid));
        if signal == libc::SIGKILL {
            groups.kill()?;
        } else {
            groups.signal_all(signal)?;
        }
        match first {
            Some((_, pidfd)) => self.signal_first(pidfd.as_raw_fd(), signal),
            None => Ok(()),
        }
    }

    fn has_own_pids(&self) -> bool {
        self.spec().is_ok_and(|spec| {
            let mut all = spec.linux().namespaces.iter();
            all.any(|n| n.kind == NamespaceType::Pid && n.path.is_none())
        })
    }
}
