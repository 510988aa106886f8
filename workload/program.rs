//! The program that every subject runs, and the init of the guest.
//!
//! It has no C library and no Rust standard library, so that its own start
//! costs next to nothing and what is left of a start-up is the subject's. One
//! static executable of less than a page serves as
//!
//! - `true exit`: write the ready byte and exit;
//! - `true hold`: write the ready byte, wait on standard input, exit;
//! - `true answer`: write the ready byte, and again for each byte of standard input;
//! - `true say TEXT`: write the text as a line and exit;
//! - `init guest PROGRAM ARG ...`: as a guest's first process, connect the
//!   second serial port to PROGRAM, wait for it, tell how it ended, and end the machine;
//! - `init console ...`, `init firecracker ...`: the same where there is one serial port, and
//!   where a machine ends by a restart only;
//! - `init run`: the same for the program that a file of the guest describes, which
//!   carries what a kernel's command line cannot;
//! - `init lone`: the same for one that nobody will interrupt.
//!
//! It is process 1 in containers too, so it ends the machine only when told one of the
//! last five. The build script compiles it with `rustc` alone.

#![no_std]
#![no_main]

use core::arch::global_asm;

mod guest;
mod kernel_log;
mod port;
mod run_file;
mod syscall;
use syscall::{call, number};

/// What is written when the workload has started: start-up ends here.
const READY: &[u8] = b"R";

type Argument = *const u8;

// The kernel leaves argc, argv and envp on the stack and jumps to `_start`.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {start}",
    start = sym start,
);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {start}", start = sym start);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}

/// # Safety
/// `stack` points to the process's initial stack: argc, argv, NULL, envp, NULL.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: by the contract above, argc stands first and argv behind it.
    let (count, argv) = unsafe { (*stack, stack.add(1).cast::<Argument>()) };
    // SAFETY: envp begins behind argv's terminating NULL.
    let envp = unsafe { argv.add(count + 1) };
    if count < 2 {
        exit(2);
    }
    // SAFETY: argv[1] exists and is a NUL-terminated string of at least its NUL.
    match unsafe { **argv.add(1) } {
        b'e' => ready(),
        how @ (b'h' | b'a') => {
            ready();
            while wait_on_input() && how == b'a' {
                ready();
            }
        }
        b's' if count > 2 => {
            // SAFETY: argv[2] exists and is NUL-terminated.
            unsafe { say(*argv.add(2)) }
        }
        how @ (b'g' | b'c' | b'f') if count > 2 => {
            // SAFETY: argv[2] exists; argv is NULL-terminated.
            unsafe { guest::of_arguments(argv.add(2), envp, how) }
        }
        how @ (b'r' | b'l') => guest::of_file(how == b'r'),
        _ => exit(2),
    }
    exit(0)
}

fn ready() {
    // SAFETY: the buffer is static and as long as said.
    unsafe { call(number::WRITE, [1, READY.as_ptr() as usize, READY.len(), 0, 0]) };
}

/// Writes a line.
///
/// # Safety
/// `text` is a NUL-terminated string.
unsafe fn say(text: Argument) {
    let mut at = text;
    // A byte at a time: to count them, the compiler would call a C library.
    // SAFETY: by the contract above, nothing behind the NUL is read.
    while unsafe { *at } != 0 {
        // SAFETY: `at` points to a readable byte, which is written as it is.
        unsafe { call(number::WRITE, [1, at as usize, 1, 0, 0]) };
        // SAFETY: the NUL is not passed.
        at = unsafe { at.add(1) };
    }
    // SAFETY: the line break is static.
    unsafe { call(number::WRITE, [1, b"\n".as_ptr() as usize, 1, 0, 0]) };
}

/// Returns at the first byte, with whether there was one, or at the end of standard
/// input, so that nothing that holds outlives whoever asked it to.
fn wait_on_input() -> bool {
    let mut byte = 0u8;
    // SAFETY: the buffer is one writable byte.
    unsafe { call(number::READ, [0, (&raw mut byte) as usize, 1, 0, 0]) == 1 }
}

fn exit(status: usize) -> ! {
    // SAFETY: exit_group takes a status and does not return.
    unsafe { call(number::EXIT_GROUP, [status, 0, 0, 0, 0]) };
    loop {}
}
