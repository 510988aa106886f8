//! Signals: blocked around a clone, reset in the child, taken one by one.

use super::raw::{int, syscall};
use super::{Errno, Result};

/// A set of signals as the kernel keeps it: bit `n - 1` is signal `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal.
    pub const ALL: Self = Self(u64::MAX);

    /// The set with `signal` added.
    #[must_use]
    pub const fn with(self, signal: i32) -> Self {
        Self(self.0 | 1 << (signal - 1))
    }

    /// The set without `signal`.
    #[must_use]
    pub const fn without(self, signal: i32) -> Self {
        Self(self.0 & !(1 << (signal - 1)))
    }
}

const SET_SIZE: usize = 8;

/// `rt_sigprocmask(SIG_SETMASK, new, old, 8)`, `sigprocmask(2)`: sets the calling
/// thread's mask and returns the one before.
pub fn set_mask(new: SignalSet) -> SignalSet {
    let mut old = SignalSet::EMPTY;
    // SAFETY: both sets are live for the call and of the size given.
    let _ = unsafe {
        syscall!(
            SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const new.0,
            &raw mut old.0,
            SET_SIZE
        )
    };
    old
}

/// `rt_sigaction(signal, {SIG_DFL}, NULL, 8)`, `sigaction(2)`.
///
/// In the child only: a handler of the parent must not run there, where it
/// would act on the parent's memory.
pub fn reset_handler(signal: i32) {
    // struct kernel_sigaction: handler, flags, restorer, mask. All zero: SIG_DFL.
    let default = [0u64; 4];
    // SAFETY: `default` is as large as the kernel's structure on both
    // architectures and outlives the call. EINVAL (SIGKILL) changes nothing.
    let _ = unsafe { syscall!(SYS_rt_sigaction, signal, default.as_ptr(), 0usize, SET_SIZE) };
}

/// `rt_sigaction(signal, {SIG_IGN}, NULL, 8)`, `sigaction(2)`.
pub fn ignore(signal: i32) {
    // struct kernel_sigaction: handler, flags, restorer, mask.
    let ignored = [libc::SIG_IGN as u64, 0, 0, 0];
    // SAFETY: as for `reset_handler`.
    let _ = unsafe { syscall!(SYS_rt_sigaction, signal, ignored.as_ptr(), 0usize, SET_SIZE) };
}

/// `rt_sigtimedwait(set, info, NULL, 8)`, `sigwaitinfo(2)`: the next signal of
/// `set`, which must be blocked.
///
/// # Errors
/// `EINTR`, where a signal outside `set` ran a handler.
pub fn wait_for(set: SignalSet) -> Result<i32> {
    // SAFETY: `set` is live and of the size given; no siginfo is asked for.
    unsafe {
        syscall!(
            SYS_rt_sigtimedwait,
            &raw const set.0,
            0usize,
            0usize,
            SET_SIZE
        )
    }
    .map(int)
}

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel, for the terminal among others.
    Kernel,
    /// A process, by `kill(2)` or its kin.
    Process,
}

/// As [`wait_for`], and who sent it (`si_code`, `sigaction(2)`).
///
/// # Errors
/// As there.
pub fn wait_for_origin(set: SignalSet) -> Result<(i32, Origin)> {
    let mut info = [0i32; 32]; // siginfo_t: 128 bytes; number, errno, code first
    // SAFETY: `set` is live and of the size given; the kernel writes at most the
    // 128 bytes of a live array.
    let signal = unsafe {
        syscall!(
            SYS_rt_sigtimedwait,
            &raw const set.0,
            info.as_mut_ptr(),
            0usize,
            SET_SIZE
        )
    }?;
    // Positive codes are the kernel's.
    let origin = match info[2] > 0 {
        true => Origin::Kernel,
        false => Origin::Process,
    };
    Ok((int(signal), origin))
}

/// As [`wait_for`], but returns `None` where no signal of `set` has come after
/// `milliseconds`, or another was handled meanwhile.
///
/// # Errors
/// None in practice.
pub fn wait_at_most(set: SignalSet, milliseconds: u32) -> Result<Option<i32>> {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    let timeout = [i64::from(seconds), i64::from(rest) * 1_000_000];
    // SAFETY: `set` and the timeout are live and of the kernel's layout.
    match unsafe {
        syscall!(
            SYS_rt_sigtimedwait,
            &raw const set.0,
            0usize,
            timeout.as_ptr(),
            SET_SIZE
        )
    } {
        Ok(signal) => Ok(Some(int(signal))),
        Err(Errno(libc::EAGAIN | libc::EINTR)) => Ok(None),
        Err(errno) => Err(errno),
    }
}
