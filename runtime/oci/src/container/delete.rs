//! The end of a container: nothing of it is left.

use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use super::Container;
use super::hooks;
use super::record::{Record, StateRoot};
use super::state::Status;
use crate::error::{Error, Result};
use crate::spec::validate;
use crate::sys;

/// How long the kernel may take to end a killed process.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `delete` waits for a process that runs, milliseconds.
const MOMENT: i32 = 100;

impl Container {
    // ANCHOR: delete
    /// Removes what `create` made: control groups, state, id. What the bundle
    /// holds stays. With `force` it is killed first.
    ///
    /// # Errors
    /// [`Error::State`] where it has not stopped and `force` is false;
    /// [`Error::Supervise`] where a killed process does not end;
    /// [`Error::Hook`] where a `poststop` hook failed: it is deleted all the same.
    pub fn delete(mut self, force: bool) -> Result<()> {
        let _lock = self.record.lock()?;
        if !self.record.is_complete() {
            // Locked by us: nobody makes it any more.
            self.record.clear();
            return self.record.remove();
        }
        match self.status() {
            Status::Stopped => {}
            _ if force => self.end()?,
            status if !self.ends_soon() => return Err(self.wrong_state("delete", status)),
            _ => {}
        }
        // Others of its processes may be left where it has no pid namespace.
        let groups = self.groups();
        if !groups.remove_empty() {
            if !groups.processes().is_empty() {
                groups.kill()?;
            }
            groups.remove()?;
        }
        self.record.facts().unmount();
        let last = match self.record.facts().hooks {
            true => self.spec().and_then(|spec| Ok((self.state()?, spec))).ok(),
            false => None,
        };
        self.record.remove()?;
        match last {
            Some((state, spec)) => hooks::run_poststop(&spec, &state),
            None => Ok(()), // or a state that somebody changed: it is gone now
        }
    }
    // ANCHOR_END: delete

    /// Removes the container `id` below `root` even where its state cannot be
    /// read. Its first process is killed; of control groups, mounts and hooks
    /// nothing is known then, and they are left.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, and those of
    /// [`delete`](Self::delete).
    pub fn delete_damaged(root: &StateRoot, id: &str) -> Result<()> {
        validate::check_id(id)?;
        let record = Record::load_damaged(root, id)?;
        Self { record }.delete(true)
    }

    /// Whether a process that runs ends in a moment: who started a short one is
    /// told of that before it has ended.
    fn ends_soon(&self) -> bool {
        if self.status() != Status::Running {
            return false;
        }
        match self.held_init() {
            Some((_, pidfd)) => {
                let ended = sys::descriptor::poll_readable(&mut [pidfd.as_raw_fd()], MOMENT);
                ended.is_ok_and(|ready| ready != 0)
            }
            None => self.pid().is_none(),
        }
    }

    /// Kills everything, and sees it end.
    fn end(&self) -> Result<()> {
        let Some(pid) = self.pid() else {
            return Ok(());
        };
        match self.kill(libc::SIGKILL, false) {
            Ok(()) | Err(Error::State { .. }) => {}
            Err(error) => return Err(error),
        }
        let deadline = Instant::now() + PATIENCE;
        let Ok(pidfd) = sys::process::pidfd_open(pid) else {
            return Ok(());
        };
        while self.pid().is_some() {
            if Instant::now() > deadline {
                return Err(Error::Supervise {
                    action: "delete the container: its first process does not end",
                    source: std::io::ErrorKind::TimedOut.into(),
                });
            }
            let fd = pidfd.as_raw_fd();
            let _ = sys::descriptor::poll_readable(&mut [fd], 100);
        }
        Ok(())
    }
}
