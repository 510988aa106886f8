//! The program that every subject runs, and the init of the guest.
//!
//! It has no C library and no Rust standard library, so that its own start
//! costs next to nothing and what is left of a start-up is the subject's. One
//! static executable of about a kilobyte serves as
//!
//! - `true exit`: write the ready byte and exit;
//! - `true hold`: write the ready byte, wait on standard input, exit;
//! - `true say TEXT`: write the text as a line and exit;
//! - `init guest PROGRAM ARG ...`: as a guest's first process, connect the
//!   second serial port to PROGRAM, wait for it, and power the machine off.
//!
//! It is process 1 in containers too, so it powers off only when told `guest`.
//! The build script compiles it with `rustc` alone.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ptr::null;

mod syscall;
use syscall::{SIGCHLD, call, number};

/// What is written when the workload has started: start-up ends here.
const READY: &[u8] = b"R";
/// The serial port that carries the workload's standard input and output.
const CHANNEL: &core::ffi::CStr = c"/dev/ttyS1";

const O_RDWR: usize = 2;
const AT_FDCWD: usize = -100isize as usize;
const REBOOT_MAGIC: (usize, usize) = (0xfee1_dead, 0x2812_1969);
const REBOOT_POWER_OFF: usize = 0x4321_fedc;

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
        b'h' => {
            ready();
            wait_on_input();
        }
        b's' if count > 2 => {
            // SAFETY: argv[2] exists and is NUL-terminated.
            unsafe { say(*argv.add(2)) }
        }
        b'g' if count > 2 => {
            // SAFETY: argv[2] exists; argv is NULL-terminated.
            unsafe { guest(argv.add(2), envp) }
        }
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

/// Returns at the first byte or at the end of standard input, so that nothing
/// that holds outlives whoever asked it to.
fn wait_on_input() {
    let mut byte = 0u8;
    // SAFETY: the buffer is one writable byte.
    unsafe { call(number::READ, [0, (&raw mut byte) as usize, 1, 0, 0]) };
}

/// Runs a program as a guest's init and powers off when it ends.
///
/// # Safety
/// `argv` and `envp` are NULL-terminated arrays of strings; `argv[0]` is the
/// program's path.
unsafe fn guest(argv: *const Argument, envp: *const Argument) -> ! {
    let proc = c"proc".as_ptr() as usize;
    // SAFETY: constant strings. A failure shows in the workload, if it matters.
    unsafe { call(number::MOUNT, [proc, c"/proc".as_ptr() as usize, proc, 0, 0]) };
    // SAFETY: a constant path.
    let channel = unsafe { call(number::OPENAT, [AT_FDCWD, CHANNEL.as_ptr() as usize, O_RDWR, 0, 0]) };
    if channel >= 0 {
        for standard in [0, 1] {
            // SAFETY: descriptors only.
            unsafe { call(number::DUP3, [channel as usize, standard, 0, 0, 0]) };
        }
    }
    // SAFETY: fork by its oldest name; no memory is shared.
    let child = unsafe { call(number::CLONE, [SIGCHLD, 0, 0, 0, 0]) };
    if child == 0 {
        // SAFETY: the caller's contract; on success this does not return.
        unsafe { call(number::EXECVE, [*argv as usize, argv as usize, envp as usize, 0, 0]) };
        exit(127);
    }
    // Process 1 reaps every orphan; it is done when its own child is.
    // SAFETY: wait4 with no status and no usage writes nothing.
    while unsafe { call(number::WAIT4, [-1isize as usize, null::<u8>() as usize, 0, 0, 0]) } != child {}
    let (first, second) = REBOOT_MAGIC;
    // SAFETY: the documented magic numbers; nothing of this guest is kept.
    unsafe { call(number::REBOOT, [first, second, REBOOT_POWER_OFF, 0, 0]) };
    exit(0)
}

fn exit(status: usize) -> ! {
    // SAFETY: exit_group takes a status and does not return.
    unsafe { call(number::EXIT_GROUP, [status, 0, 0, 0, 0]) };
    loop {}
}
