//! A guest's first process: it tells when it begins, starts the program, and tells how that ended.

use core::mem::MaybeUninit;

use crate::port::Port;
use crate::run_file::RunFile;
use crate::syscall::{AT_FDCWD, CLONE_VFORK, SIGCHLD, call, number};
use crate::{Argument, exit};

/// The serial port that carries the workload's standard input and output.
const CHANNEL: &core::ffi::CStr = c"/dev/ttyS1";

const O_RDWR: usize = 2;
const CLOCK_BOOTTIME: usize = 7;
const REBOOT_MAGIC: (usize, usize) = (0xfee1_dead, 0x2812_1969);
const REBOOT_POWER_OFF: usize = 0x4321_fedc;
const REBOOT_RESTART: usize = 0x0123_4567;
const ENOENT: isize = 2;

/// Requests to a terminal. Source: `ioctl_tty(2)`; the kernel's `asm-generic/ioctls.h`.
mod tty {
    pub const SET: usize = 0x5402; // TCSETS
    pub const DRAIN: usize = 0x5409; // TCSBRK, with an argument other than 0
    pub const TAKE: usize = 0x540e; // TIOCSCTTY
    pub const LINE_STATUS: usize = 0x5459; // TIOCSERGETLSR
    pub const EMPTY: u32 = 1; // TIOCSER_TEMT
}

/// `struct termios` of the kernel.
#[repr(C)]
struct Termios {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    chars: [u8; 19],
}

/// 115200 baud (for QEMU's timeouts: no bit is slower than another), eight bits, no modem.
const CONTROL: u32 = 0o10_002 | 0o60 | 0o200 | 0o4000;

/// Bytes pass as they are, and yet there is an end of input and an interrupt: ^C, ^D, and ^V
/// before one of these three that is meant as a byte. The host's side is `guest/typed.rs`.
static EXACT: Termios = Termios {
    input: 0,
    output: 0,
    control: CONTROL,
    local: 0o1 | 0o2 | 0o200 | 0o100_000, // ISIG | ICANON | NOFLSH | IEXTEN
    line: 0,
    chars: [3, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0],
};

/// What people expect of a terminal.
static COOKED: Termios = Termios {
    input: 0o400 | 0o2000,  // ICRNL | IXON
    output: 0o1 | 0o4,      // OPOST | ONLCR
    control: CONTROL,
    local: 0o1 | 0o2 | 0o10 | 0o20 | 0o40 | 0o1000 | 0o4000 | 0o100_000,
    line: 0,
    chars: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
};

/// What a child is to become.
struct Child {
    path: Argument,
    argv: *const Argument,
    envp: *const Argument,
    directory: Argument,
    /// Whether there is a serial port for it beside the console.
    has_channel: bool,
    /// The settings of the channel.
    terminal: Option<&'static Termios>,
    /// Whether the channel is its session's terminal, by which it is interrupted. To end a session
    /// is more work for a kernel than all else at a program's end.
    session: bool,
    errors_too: bool,
}

/// Runs a program as a guest's init and ends the machine when it ends: `how` is `g` for a guest
/// like most, `c` where there is no serial port but the console, `f` where besides a machine has
/// no power switch.
///
/// # Safety
/// `argv` and `envp` are NULL-terminated arrays of strings; `argv[0]` is the
/// program's path.
pub unsafe fn of_arguments(argv: *const Argument, envp: *const Argument, how: u8) -> ! {
    let port = begin();
    mount(c"proc", c"/proc");
    // SAFETY: by the contract above.
    let path = unsafe { *argv };
    let directory = c"/".as_ptr().cast();
    let has_channel = how == b'g';
    let child = Child { path, argv, envp, directory, has_channel, terminal: None, session: false, errors_too: false };
    let status = run(&port, &child);
    end(&port, status, if how == b'f' { REBOOT_RESTART } else { REBOOT_POWER_OFF })
}

/// The same for what a file describes, with a session of its own if somebody may interrupt it.
pub fn of_file(session: bool) -> ! {
    let port = begin();
    mount(c"devtmpfs", c"/dev");
    mount(c"proc", c"/proc");
    mount(c"sysfs", c"/sys");
    let mut place = MaybeUninit::uninit();
    let Some(file) = RunFile::read(&mut place) else {
        port.tell(b'E', &[ENOENT as u64]);
        end(&port, 127, REBOOT_POWER_OFF)
    };
    let child = Child {
        path: file.path,
        argv: file.argv.as_ptr(),
        envp: file.envp.as_ptr(),
        directory: file.directory,
        has_channel: true,
        terminal: Some(if file.terminal { &COOKED } else { &EXACT }),
        session,
        errors_too: file.terminal,
    };
    let status = run(&port, &child);
    if file.kernel_times {
        crate::kernel_log::tell_times(&port);
    }
    end(&port, status, REBOOT_POWER_OFF)
}

/// Opens the port, and tells that init runs and since when the kernel has.
fn begin() -> Port {
    let port = Port::open();
    let mut time = [0u64; 2];
    // SAFETY: `struct timespec` is two words of 64 bits on both machines.
    unsafe { call(number::CLOCK_GETTIME, [CLOCK_BOOTTIME, (&raw mut time) as usize, 0, 0, 0]) };
    port.tell(b'I', &[time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])]);
    port
}

/// Mounts a file system of the kernel's. A failure shows in the workload, if it matters.
// Three times the same call is what makes the program larger than a page.
#[inline(never)]
fn mount(kind: &core::ffi::CStr, place: &core::ffi::CStr) {
    let kind = kind.as_ptr() as usize;
    // SAFETY: constant strings.
    unsafe { call(number::MOUNT, [kind, place.as_ptr() as usize, kind, 0, 0]) };
}

/// Starts the child on the channel and waits for it; its status as shells count it.
fn run(port: &Port, wanted: &Child) -> u64 {
    let channel = match wanted.has_channel {
        // SAFETY: a constant path.
        true => unsafe { call(number::OPENAT, [AT_FDCWD, CHANNEL.as_ptr() as usize, O_RDWR, 0, 0]) },
        false => -1,
    };
    if channel >= 0 {
        if let Some(termios) = wanted.terminal {
            request(channel as usize, tty::SET, termios as *const Termios as usize);
        }
        let last = if wanted.errors_too { 2 } else { 1 };
        for standard in 0..=last {
            // SAFETY: descriptors only.
            unsafe { call(number::DUP3, [channel as usize, standard, 0, 0, 0]) };
        }
    }
    // SAFETY: fork by its oldest name; no memory is shared.
    let child = unsafe { call(number::CLONE, [CLONE_VFORK | SIGCHLD, 0, 0, 0, 0]) };
    if child == 0 {
        become_program(port, wanted, channel);
    }
    // By now it is its program, or has told why not.
    port.tell(b'P', &[]);
    let mut status = 0u32;
    // Process 1 reaps every orphan; it is done when its own child is.
    // SAFETY: wait4 writes one word, the status, and no usage.
    while unsafe { call(number::WAIT4, [-1isize as usize, (&raw mut status) as usize, 0, 0, 0]) } != child {}
    let signal = status & 0x7f;
    u64::from(if signal == 0 { status >> 8 & 0xff } else { 128 + signal })
}

/// The child's part.
fn become_program(port: &Port, wanted: &Child, channel: isize) -> ! {
    if wanted.session {
        // SAFETY: no arguments.
        unsafe { call(number::SETSID, [0; 5]) };
        request(0, tty::TAKE, 0);
        // SAFETY: a descriptor of ours, which standard input and output replace.
        unsafe { call(number::CLOSE, [channel as usize, 0, 0, 0, 0]) };
    }
    // SAFETY: a NUL-terminated string.
    let mut error = unsafe { call(number::CHDIR, [wanted.directory as usize, 0, 0, 0, 0]) };
    if error == 0 {
        port.tell(b'W', &[]);
        let Child { path, argv, envp, .. } = *wanted;
        // SAFETY: by the contract of who made it; on success this does not return.
        error = unsafe { call(number::EXECVE, [path as usize, argv as usize, envp as usize, 0, 0]) };
    }
    port.tell(b'E', &[error.unsigned_abs() as u64]);
    exit(if error == -ENOENT { 127 } else { 126 })
}

/// Tells the status when everything was said before it, and ends the machine: by the port, else
/// by `command`.
fn end(port: &Port, status: u64, command: usize) -> ! {
    for stream in [1, 2] {
        drain(stream);
    }
    port.tell(b'X', &[status]);
    port.end();
    let (first, second) = REBOOT_MAGIC;
    // SAFETY: the documented magic numbers; nothing of this guest is kept.
    unsafe { call(number::REBOOT, [first, second, command, 0, 0]) };
    exit(0)
}

/// Waits until the last byte has left the serial port. The kernel alone would wait only for as
/// long as the bytes take on a wire: a host that reads slowly takes longer.
fn drain(stream: usize) {
    if request(stream, tty::DRAIN, 1) != 0 {
        return;
    }
    let mut status = 0u32;
    while request(stream, tty::LINE_STATUS, (&raw mut status) as usize) == 0 && status & tty::EMPTY == 0 {}
}

fn request(stream: usize, request: usize, argument: usize) -> isize {
    // SAFETY: the callers give what each request takes: nothing, a number, or a place that lives.
    unsafe { call(number::IOCTL, [stream, request, argument, 0, 0]) }
}
