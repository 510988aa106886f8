//! The instruction that enters the kernel.
//!
//! Source: `syscall(2)`, "Architecture calling conventions".

use std::arch::asm;

use super::{Errno, Result};

/// Fills the registers that a call does not use with zero.
pub(super) const fn pad<const N: usize>(given: [usize; N]) -> [usize; 6] {
    let mut all = [0; 6];
    let mut i = 0;
    while i < N {
        all[i] = given[i];
        i += 1;
    }
    all
}

/// `long syscall(long number, ...)`, without libc's errno.
///
/// # Safety
/// The arguments must be valid for system call `number`: a pointer must be
/// good for what the kernel reads or writes through it.
#[inline]
pub(super) unsafe fn call(number: libc::c_long, args: [usize; 6]) -> Result<usize> {
    let returned: isize;
    let [a, b, c, d, e, f] = args;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `syscall` follows the kernel's convention: arguments in these
    // six registers, rcx and r11 overwritten, the result in rax. What the
    // call does to memory is the caller's promise.
    unsafe {
        asm!("syscall",
            inlateout("rax") number as isize => returned,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            out("rcx") _, out("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, with the number in x8 and the result in x0.
    unsafe {
        asm!("svc 0",
            in("x8") number as isize,
            inlateout("x0") a => returned,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    decode(returned)
}

/// The kernel returns `-errno` in the last page of the number space.
pub(super) fn decode(returned: isize) -> Result<usize> {
    if (-4095..0).contains(&returned) {
        Err(Errno(-(returned as i32)))
    } else {
        Ok(returned.cast_unsigned())
    }
}

/// A result that is an `int` in C: a descriptor, a pid, a signal.
pub(super) fn int(returned: usize) -> i32 {
    i32::try_from(returned).unwrap_or(i32::MAX) // the kernel returns no such number
}

/// Calls the kernel: `syscall!(SYS_close, fd)`.
macro_rules! syscall {
    ($number:ident $(, $arg:expr)* $(,)?) => {
        $crate::sys::raw::call(
            libc::$number,
            $crate::sys::raw::pad([$($crate::sys::arg::Arg::arg($arg)),*]),
        )
    };
}
pub(super) use syscall;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the runtime enters the kernel by itself and knows x86_64 and aarch64 only");
