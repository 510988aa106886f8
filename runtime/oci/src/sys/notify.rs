//! Being told that something has changed: by the kernel of a control group, by a
//! child of itself.

use std::os::fd::RawFd;

use super::poll::{Polled, poll};
use super::raw::syscall;
use super::{Descriptor, Errno, Result};

/// [`poll`] for `POLLPRI`: waits up to `milliseconds` (forever when negative)
/// until one of the control files open at `fds` differs from what was read of
/// it last. Whether one does.
///
/// # Errors
/// `ENOMEM`. A signal that ran a handler counts as no change.
pub fn wait_for_change<const N: usize>(fds: &mut [RawFd; N], milliseconds: i32) -> Result<bool> {
    let mut polled = fds.map(Polled::for_change);
    match poll(&mut polled, u32::try_from(milliseconds).ok()) {
        Ok(()) => Ok(polled.iter().any(Polled::happened)),
        Err(Errno(libc::EINTR)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// `int eventfd2(unsigned count, int flags)`, `eventfd(2)`: a counter at 0 that
/// is readable once the kernel, or a child, has added to it; reading does not block.
///
/// # Errors
/// `EMFILE`.
pub fn eventfd() -> Result<Descriptor> {
    let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_eventfd2, 0u32, flags) }.map(Descriptor::new)
}
