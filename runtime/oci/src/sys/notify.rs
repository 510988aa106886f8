//! Being told by the kernel that a file of cgroupfs has changed.

use std::os::fd::RawFd;

use super::raw::syscall;
use super::{Errno, Result};

/// `ppoll(2)` for `POLLPRI`: waits up to `milliseconds` (forever when negative)
/// until the control file open at `fd` differs from what was read of it last.
/// Whether it does.
///
/// # Errors
/// `ENOMEM`. A signal that ran a handler counts as no change.
pub fn wait_for_change(fd: RawFd, milliseconds: i32) -> Result<bool> {
    let mut polled = libc::pollfd {
        fd,
        events: libc::POLLPRI,
        revents: 0,
    };
    let limit = libc::timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    };
    let limit = if milliseconds < 0 {
        std::ptr::null()
    } else {
        &raw const limit
    };
    // SAFETY: one pollfd, live for the call; `limit` is null or points to a
    // live timespec; no signal mask is given.
    match unsafe { syscall!(SYS_ppoll, &raw mut polled, 1usize, limit, 0usize, 8usize) } {
        Ok(_) => Ok(polled.revents != 0),
        Err(Errno(libc::EINTR)) => Ok(false),
        Err(errno) => Err(errno),
    }
}
