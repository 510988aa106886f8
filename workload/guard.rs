//! What makes a command end with whoever started it, with nothing in the way of its start.
//!
//! `guard SLOW __guard PARENT [--small-pages] -- COMMAND ARG ...` does what `SLOW __guard ...` would do, the lab's
//! own guard (`src/guard.rs`), without the C library's and Rust's own beginning, which take twenty
//! times as long. Whatever goes wrong here is left to the slow one: it finds the same and has words
//! for it.

#![no_std]
#![no_main]

use core::arch::global_asm;

mod syscall;
use syscall::{call, number};

type Argument = *const u8;

/// `prctl(2)`: the signal to get when the parent dies.
const SET_PARENT_DEATH_SIGNAL: usize = 1;
const SIGKILL: usize = 9;
/// `prctl(2)`: no huge pages for this process and what it becomes.
const SET_THP_DISABLE: usize = 41;
/// Where the words stand: the last is `--`, or comes before it.
const SLOW: usize = 1;
const PARENT: usize = 3;
const OPTION: usize = 4;

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
    if count <= OPTION {
        exit(2);
    }
    // SAFETY: `OPTION` is less than argc; a string ends with its NUL.
    let is_given = unsafe { has_more(*argv.add(OPTION), b"--") };
    let command = OPTION + 1 + usize::from(is_given);
    if count <= command {
        exit(2);
    }
    // SAFETY: `PARENT` is less than argc, and a string ends with its NUL.
    if die_with(unsafe { number_of(*argv.add(PARENT)) }) && leave_the_group() {
        if is_given {
            have_no_huge_pages();
        }
        // SAFETY: `command` is less than argc, and argv ends with NULL.
        unsafe { become_program(argv.add(command), envp) };
    }
    // SAFETY: as above.
    unsafe { become_program(argv.add(SLOW), envp) };
    exit(127)
}

/// Asks to die with the parent; whether that is still the one that was meant.
fn die_with(parent: Option<usize>) -> bool {
    // SAFETY: neither call takes a pointer.
    let (asked, is) = unsafe {
        let asked = call(number::PRCTL, [SET_PARENT_DEATH_SIGNAL, SIGKILL, 0, 0, 0]);
        (asked, call(number::GETPPID, [0; 5]))
    };
    asked == 0 && parent == Some(is as usize)
}

/// Leaves the terminal's foreground group: its ^C is for the lab, which ends what it started.
fn leave_the_group() -> bool {
    // SAFETY: none of these calls takes a pointer.
    unsafe {
        call(number::GETPGID, [0; 5]) == call(number::GETPID, [0; 5])
            || call(number::SETPGID, [0; 5]) == 0
    }
}

/// Without it the command is slower and the same.
fn have_no_huge_pages() {
    // SAFETY: the call takes no pointer.
    unsafe { call(number::PRCTL, [SET_THP_DISABLE, 1, 0, 0, 0]) };
}

/// Whether a string begins so and goes on.
///
/// # Safety
/// `text` is a NUL-terminated string.
unsafe fn has_more(text: Argument, beginning: &[u8]) -> bool {
    for (index, byte) in beginning.iter().enumerate() {
        // SAFETY: by the contract above; where it ends, it does not begin so.
        if unsafe { *text.add(index) } != *byte {
            return false;
        }
    }
    // SAFETY: its beginning has no NUL.
    unsafe { *text.add(beginning.len()) != 0 }
}

/// # Safety
/// `argv` and `envp` are NULL-terminated arrays of strings, `argv` with one at least.
unsafe fn become_program(argv: *const Argument, envp: *const Argument) {
    // SAFETY: by the contract above. It comes back only where it failed.
    unsafe { call(number::EXECVE, [*argv as usize, argv as usize, envp as usize, 0, 0]) };
}

/// The number that a string of digits says.
///
/// # Safety
/// `text` is a NUL-terminated string.
unsafe fn number_of(mut text: Argument) -> Option<usize> {
    let mut number = 0usize;
    // SAFETY: by the contract above, nothing behind the NUL is read.
    while let digit @ 1.. = unsafe { *text } {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(usize::from(digit - b'0'));
        // SAFETY: the NUL is not passed.
        text = unsafe { text.add(1) };
    }
    Some(number)
}

fn exit(status: usize) -> ! {
    // SAFETY: exit_group takes a status and does not return.
    unsafe { call(number::EXIT_GROUP, [status, 0, 0, 0, 0]) };
    loop {}
}
