//! Turns Rust values into system call arguments: registers hold numbers.

use std::ffi::CStr;

/// A value that fits a system call's register.
pub(super) trait Arg {
    /// The register's content.
    fn arg(self) -> usize;
}

impl Arg for usize {
    fn arg(self) -> usize {
        self
    }
}

impl Arg for u32 {
    fn arg(self) -> usize {
        self as usize
    }
}

impl Arg for u64 {
    fn arg(self) -> usize {
        // Every architecture served here has 64-bit registers.
        self as usize
    }
}

impl Arg for i32 {
    fn arg(self) -> usize {
        // Sign-extended: AT_FDCWD is negative.
        (self as isize).cast_unsigned()
    }
}

impl Arg for &CStr {
    fn arg(self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

impl Arg for Option<&CStr> {
    fn arg(self) -> usize {
        self.map_or(0, Arg::arg)
    }
}

impl<T> Arg for *const T {
    fn arg(self) -> usize {
        self.expose_provenance()
    }
}

impl<T> Arg for *mut T {
    fn arg(self) -> usize {
        self.expose_provenance()
    }
}
