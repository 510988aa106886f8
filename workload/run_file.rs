//! What is to be run, from a file: a kernel's command line carries no blank, no quote and
//! little at all.
//!
//! The file consists of strings with a NUL behind each; a string's first byte says what the rest
//! is. `vm-model/src/guest/run_file.rs` writes it.

use core::mem::MaybeUninit;
use core::ptr::null;

use crate::Argument;
use crate::syscall::{AT_FDCWD, call, number};

/// Where it lies.
const PATH: &core::ffi::CStr = c"/.isolab-run";
/// The largest file that is read.
const ROOM: usize = 128 << 10;
/// The most arguments, and the most variables, the NULL behind them included.
const MOST: usize = 1024;

/// The program and all that it is given.
pub struct RunFile {
    bytes: [MaybeUninit<u8>; ROOM],
    /// NULL-terminated, as `execve(2)` takes them.
    pub argv: [Argument; MOST],
    pub envp: [Argument; MOST],
    pub path: Argument,
    pub directory: Argument,
    /// Whether it talks to a terminal.
    pub terminal: bool,
    /// Whether the times in the kernel's log are asked for.
    pub kernel_times: bool,
}

impl RunFile {
    /// Reads it into `place`, which must not move afterwards: it points into itself.
    /// `None` if there is none, or none that says what to run.
    pub fn read(place: &mut MaybeUninit<Self>) -> Option<&Self> {
        // SAFETY: the parts are written through the pointer before a reference is made: the
        // arrays of pointers and what stands behind them here, the bytes by the kernel as far
        // as they are read, and `MaybeUninit` needs no more.
        let file = unsafe {
            let at = place.as_mut_ptr();
            for index in 0..MOST {
                (&raw mut (*at).argv[index]).write_volatile(null());
                (&raw mut (*at).envp[index]).write_volatile(null());
            }
            (&raw mut (*at).path).write(null());
            (&raw mut (*at).directory).write(c"/".as_ptr().cast());
            (&raw mut (*at).terminal).write(false);
            (&raw mut (*at).kernel_times).write(false);
            &mut *at
        };
        let buffer = (&raw mut file.bytes).cast::<u8>();
        let length = read_whole(buffer)?;
        let (mut arguments, mut variables, mut at) = (0, 0, 0);
        while at < length {
            // SAFETY: `at` is below the length of what was read, and a NUL was put behind it.
            let (tag, text) = unsafe { (*buffer.add(at), buffer.add(at + 1).cast_const()) };
            match tag {
                b'p' => file.path = text,
                b'd' => file.directory = text,
                b't' => file.terminal = true,
                b'k' => file.kernel_times = true,
                b'a' if arguments < MOST - 1 => {
                    file.argv[arguments] = text;
                    arguments += 1;
                }
                b'e' if variables < MOST - 1 => {
                    file.envp[variables] = text;
                    variables += 1;
                }
                _ => {}
            }
            // Volatile, or the compiler would call a C library for it.
            // SAFETY: the NUL behind the last byte ends the search.
            while unsafe { buffer.add(at).read_volatile() } != 0 {
                at += 1;
            }
            at += 1;
        }
        (!file.path.is_null()).then_some(file)
    }
}

/// Reads the file into the `ROOM` bytes at `buffer`, and puts a NUL behind it; its length.
fn read_whole(buffer: *mut u8) -> Option<usize> {
    // SAFETY: a constant path.
    let file = unsafe { call(number::OPENAT, [AT_FDCWD, PATH.as_ptr() as usize, 0, 0, 0]) };
    if file < 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let left = ROOM - 1 - length;
        // SAFETY: `left` bytes from there on are inside of the buffer.
        let read = unsafe { call(number::READ, [file as usize, buffer.add(length) as usize, left, 0, 0]) };
        if read <= 0 {
            break;
        }
        length += read as usize;
    }
    // SAFETY: a descriptor of ours; `length` is at most `ROOM - 1`.
    unsafe {
        call(number::CLOSE, [file as usize, 0, 0, 0, 0]);
        buffer.add(length).write(0);
    }
    Some(length)
}
