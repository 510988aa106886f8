//! Being told by the kernel that a control group has changed.

use std::os::fd::RawFd;

use super::raw::syscall;
use super::{Descriptor, Errno, Result};

/// `ppoll(2)` for `POLLPRI`: waits up to `milliseconds` (forever when negative)
/// until one of the control files open at `fds` differs from what was read of
/// it last. Whether one does.
///
/// # Errors
/// `ENOMEM`. A signal that ran a handler counts as no change.
pub fn wait_for_change<const N: usize>(fds: &mut [RawFd; N], milliseconds: i32) -> Result<bool> {
    let mut polled = fds.map(|fd| libc::pollfd {
        fd,
        events: libc::POLLPRI,
        revents: 0,
    });
    let limit = libc::timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    };
    let limit = if milliseconds < 0 {
        std::ptr::null()
    } else {
        &raw const limit
    };
    // SAFETY: `polled` has N entries and outlives the call; `limit` is null or
    // points to a live timespec; no signal mask is given.
    match unsafe { syscall!(SYS_ppoll, polled.as_mut_ptr(), N, limit, 0usize, 8usize) } {
        Ok(_) => Ok(polled.iter().any(|p| p.revents != 0)),
        Err(Errno(libc::EINTR)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// `int eventfd2(unsigned count, int flags)`, `eventfd(2)`: a counter at 0 that
/// is readable once the kernel has added to it; reading does not block.
///
/// # Errors
/// `EMFILE`.
pub fn eventfd() -> Result<Descriptor> {
    let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_eventfd2, 0u32, flags) }.map(Descriptor::new)
}
