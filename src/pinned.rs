//! A process that is held by a descriptor, to be signalled.
//!
//! The kernel gives a number out again as soon as its process was reaped, so whoever looks at a
//! number and then signals it may meet another. A descriptor stands for one process for ever: it is
//! opened first, and then the number is looked at, which is the descriptor's process if it is the
//! one that is meant.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use isolab_oci::sys;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

/// A process, however long it has been gone.
#[derive(Debug)]
pub struct Pinned(OwnedFd);

impl Pinned {
    /// The process that has the number `pid`, if `is_it` says of that number that it is the one
    /// that is meant: it is asked once the descriptor is open.
    ///
    /// # Errors
    /// The kernel's, of one that is meant.
    ///
    /// Source: `pidfd_open(2)`.
    pub fn open(pid: i32, is_it: impl FnOnce() -> bool) -> io::Result<Option<Self>> {
        let opened = sys::process::pidfd_open(pid);
        match (is_it(), opened) {
            (true, Ok(opened)) => Ok(Some(Self(opened.into_owned()))),
            (true, Err(errno)) => Err(error(errno)),
            (false, _) => Ok(None),
        }
    }

    /// Sends it a signal; one that is gone is sent none.
    ///
    /// # Errors
    /// The kernel's: it is another user's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match sys::process::pidfd_send_signal(self.0.as_raw_fd(), signal as i32) {
            Err(errno) if errno.0 != Errno::ESRCH as i32 => Err(error(errno)),
            _ => Ok(()),
        }
    }

    /// Waits until it has ended, at most for `time`; whether it has.
    #[must_use]
    pub fn is_gone_within(&self, time: Duration) -> bool {
        // Of a time that no clock has, there is no end.
        let deadline = Instant::now().checked_add(time);
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            // Rounded up, or the last millisecond would be spent asking again and again.
            let timeout = left.map(|left| left.saturating_add(Duration::from_micros(999)));
            let timeout = timeout.and_then(|left| PollTimeout::try_from(left).ok());
            let mut ended = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ended, timeout.unwrap_or(PollTimeout::MAX)) {
                Ok(0) | Err(Errno::EINTR) if left != Some(Duration::ZERO) => {}
                ready => return ready.is_ok_and(|count| count > 0),
            }
        }
    }
}

fn error(errno: sys::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_what_is_meant_is_held_and_signalled() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        assert!(Pinned::open(pid, || false).unwrap().is_none());
        let held = Pinned::open(pid, || true).unwrap().unwrap();
        assert!(!held.is_gone_within(Duration::from_millis(1)));
        held.signal(Signal::SIGTERM).unwrap();
        assert!(held.is_gone_within(Duration::MAX));
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        // It is reaped: its number is free, and the descriptor still means nobody else.
        held.signal(Signal::SIGTERM).unwrap();
        assert!(held.is_gone_within(Duration::ZERO));
    }

    #[test]
    fn who_is_gone_is_nobody() {
        let above_the_largest = 4_194_305;
        assert!(Pinned::open(above_the_largest, || false).unwrap().is_none());
        assert!(Pinned::open(above_the_largest, || true).is_err());
    }
}
