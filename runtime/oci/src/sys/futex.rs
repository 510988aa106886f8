//! Waiting on a word of memory, and waking who waits there.
//!
//! Parent and child of a start share memory, so a word is all that they need
//! to tell each other "go on".

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::raw::syscall;

/// `FUTEX_WAIT`, `futex(2)`: returns once `word` no longer holds `expected`.
///
/// Not the private variant: the kernel wakes the word named by
/// `CLONE_CHILD_CLEARTID` with the shared one.
pub fn wait_while(word: &AtomicU32, expected: u32) {
    while word.load(Ordering::Acquire) == expected {
        // SAFETY: `word` is live and aligned; no timeout is given. EAGAIN and
        // EINTR only send us round the loop.
        let _ = unsafe {
            syscall!(
                SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT,
                expected,
                0usize,
                0usize,
                0usize
            )
        };
    }
}

/// As [`wait_while`], but not longer than `limit`, and perhaps shorter.
pub fn wait_while_at_most(word: &AtomicU32, expected: u32, limit: Duration) {
    let limit = libc::timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    if word.load(Ordering::Acquire) == expected {
        // SAFETY: `word` and `limit` are live and aligned for the call.
        let _ = unsafe {
            syscall!(
                SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT,
                expected,
                &raw const limit,
                0usize,
                0usize
            )
        };
    }
}

/// Stores `value` in `word` and wakes whoever waits there (`FUTEX_WAKE`, `futex(2)`).
pub fn store_and_wake(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    // SAFETY: `word` is live; waking has no other effect on memory.
    let _ = unsafe { syscall!(SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}
