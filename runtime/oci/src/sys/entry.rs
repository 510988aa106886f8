//! A program's beginning without what Rust's own does before `main`.
//!
//! That reads `/proc/self/maps` to find the stack's end, and makes a second stack
//! for a handler that reports an overflow: some fifteen system calls, 0.06 ms. A
//! runtime is started for each thing that it does.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::fd::IntoRawFd as _;
use std::os::unix::ffi::OsStringExt as _;

use super::{Errno, Result, descriptor};

/// Makes `$main`, a `fn(Vec<OsString>) -> u8`, what the C library calls first:
/// it is given the program's arguments without its name, and what it returns is
/// the exit status. The program says `#![no_main]`.
///
/// As with Rust's own beginning, a pipe that nobody reads from is an error of
/// `write(2)` and no signal, and a standard stream that is not open is
/// `/dev/null`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // SAFETY: no other symbol of the program has this name: it has no `main`
        // of Rust's. The C library calls it as C programs are called.
        #[allow(unsafe_code, missing_docs)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn main(
            count: ::std::ffi::c_int,
            words: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: they are what the C library called with.
            unsafe { $crate::sys::entry::enter(count, words, $main) }
        }
    };
}

/// What the [`entry!`](crate::entry) of a program does.
///
/// # Safety
/// `words` points to `count` strings, as `execve(2)` lays them out.
#[doc(hidden)]
pub unsafe fn enter(
    count: c_int,
    words: *const *const c_char,
    main: fn(Vec<OsString>) -> u8,
) -> c_int {
    if open_standard_streams().is_err() {
        super::process::exit_now(1);
    }
    super::signal::ignore(libc::SIGPIPE);
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: by the contract above.
    let words = unsafe { std::slice::from_raw_parts(words, count) };
    let arguments = words.iter().skip(1).map(|&word| {
        // SAFETY: each is a string that lives as long as the program.
        let word = unsafe { CStr::from_ptr(word) };
        OsString::from_vec(word.to_bytes().to_vec())
    });
    c_int::from(main(arguments.collect()))
}

/// Opens `/dev/null` where a standard stream is closed: the next file that is
/// opened would get its number, and be handed to the container as a stream.
fn open_standard_streams() -> Result<()> {
    for stream in 0..3 {
        if descriptor::keep_on_exec(stream) == Err(Errno(libc::EBADF)) {
            // The lowest number that is free, and so this one.
            let null = descriptor::openat(libc::AT_FDCWD, c"/dev/null", libc::O_RDWR, 0)?;
            descriptor::keep_on_exec(null.into_owned().into_raw_fd())?;
        }
    }
    Ok(())
}
