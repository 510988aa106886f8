//! The machine's clocks: read without libc, and whether this process might set
//! one, found out without setting it.

use super::raw::syscall;
use super::{Errno, Result};

/// `int adjtimex(struct timex *)`, `adjtimex(2)`, with a tick length that no clock may have.
///
/// The kernel asks for `CAP_SYS_TIME` before it looks at the value, and refuses
/// the value before it changes anything: a process that may set the clock hears
/// `EINVAL`, one that may not hears `EPERM`, and the clock goes on in either case.
///
/// # Errors
/// `EPERM` without the capability in the machine's first user namespace, or where
/// a filter forbids the call.
///
/// Source: `timekeeping_validate_timex` in the kernel's `kernel/time/timekeeping.c`.
pub fn may_be_set() -> Result<()> {
    // SAFETY: all zero is a value of this plain structure of integers.
    let mut request: libc::timex = unsafe { std::mem::zeroed() };
    request.modes = libc::ADJ_TICK; // and `tick` is 0, far below the least allowed
    // SAFETY: `request` has the kernel's layout, may be written to, and outlives
    // the call.
    match unsafe { syscall!(SYS_adjtimex, &raw mut request) } {
        Err(Errno(libc::EINVAL)) | Ok(_) => Ok(()),
        Err(refused) => Err(refused),
    }
}

/// `clock_gettime(CLOCK_MONOTONIC)`, `clock_gettime(2)`, in nanoseconds.
///
/// By the system call: the child of a start may not go through libc.
#[must_use]
pub fn monotonic() -> u64 {
    let mut now = [0u64; 2];
    // SAFETY: the kernel writes two words, seconds and nanoseconds.
    let _ = unsafe { syscall!(SYS_clock_gettime, libc::CLOCK_MONOTONIC, now.as_mut_ptr()) };
    now[0] * 1_000_000_000 + now[1]
}
