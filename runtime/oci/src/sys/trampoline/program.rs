//! The trampoline: the last thing that runs before a container's program, and
//! all that there is of a container that was created and not yet started.
//!
//! Its arguments are `NAME START REPORT FILTER COUNT PATH... ARG...`: a
//! descriptor to wait on before it goes on (`-` for none; it reports one byte
//! when it begins to wait), one to report on, one of the file with the system
//! call filter (`-` for none), the number of places where the program may be,
//! those places, and the program's own arguments. The environment is the
//! program's already.
//!
//! The filter is installed here, as late as can be: it may forbid every call but
//! the execution itself. On the descriptor to report on goes an error number:
//! that of the execution, or the negative one of the filter.
//!
//! It has no C library and no Rust standard library: it is executed at each
//! start, so its own start must cost next to nothing.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const MMAP: usize = 9;
    pub const IOCTL: usize = 16;
    pub const EXECVE: usize = 59;
    pub const FCNTL: usize = 72;
    pub const EXIT_GROUP: usize = 231;
    pub const SECCOMP: usize = 317;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const EXECVE: usize = 221;
    pub const FCNTL: usize = 25;
    pub const IOCTL: usize = 29;
    pub const EXIT_GROUP: usize = 94;
    pub const MMAP: usize = 222;
    pub const SECCOMP: usize = 277;
}

const F_SETFD: usize = 2;
const FD_CLOEXEC: usize = 1;
/// `ioctl(2)`: the same, `asm-generic/ioctls.h`.
const FIOCLEX: usize = 0x5451;

const PROT_READ: usize = 1;
const MAP_PRIVATE: usize = 2;
const SET_MODE_FILTER: usize = 1;

/// Where the filter stands in its file; `FILTER_AT` of the module beside.
const FILTER_AT: usize = 4096;
/// The head, and 4096 instructions, the most that the kernel takes.
const FILTER_SIZE: usize = 8 + 4096 * 8;

/// What stands before a filter's instructions.
#[repr(C)]
struct Head {
    flags: u32,
    length: u32,
}

/// `struct sock_fprog`, `linux/filter.h`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const u64,
}

const ENOENT: isize = -2;
const EINTR: isize = -4;
const EACCES: isize = -13;
const ENOTDIR: isize = -20;

/// What a shell's exit status says of a program that is not there, or is none.
const NOT_FOUND: usize = 127;
const NOT_EXECUTABLE: usize = 126;

type Text = *const u8;

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
    exit(NOT_EXECUTABLE)
}

/// # Safety
/// `stack` points to the process's initial stack: argc, argv, NULL, envp, NULL.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: by the contract above, argc stands first and argv behind it.
    let (count, argv) = unsafe { (*stack, stack.add(1).cast::<Text>()) };
    // SAFETY: envp begins behind argv's terminating NULL.
    let environment = unsafe { argv.add(count + 1) };
    if count < 5 {
        exit(NOT_EXECUTABLE);
    }
    // SAFETY: there are at least five arguments, each a C string.
    let [start, report, filter, paths] = [1, 2, 3, 4].map(|index| unsafe { number(*argv.add(index)) });
    let (Some(report), Some(paths)) = (report, paths) else {
        exit(NOT_EXECUTABLE)
    };
    // Closed by the execution below, which is how the runtime learns that it
    // worked. Where it is not open this program was executed by the
    // container's own program, through /proc/self/exe: nothing is done for it.
    let kept_open = close_on_exec(report);
    if kept_open != 0 {
        write(report, &(-kept_open as i32).to_ne_bytes());
        exit(NOT_EXECUTABLE);
    }
    if let Some(descriptor) = start {
        close_on_exec(descriptor);
        // Whoever is told of this waits for it.
        if !write(report, b"r") {
            exit(NOT_EXECUTABLE);
        }
        wait(descriptor);
    }
    if let Some(descriptor) = filter {
        close_on_exec(descriptor);
        let error = install(descriptor);
        if error != 0 {
            write(report, &(error as i32).to_ne_bytes());
            exit(NOT_EXECUTABLE);
        }
    }
    // SAFETY: argv holds `paths` places behind the first five arguments, and
    // ends with NULL; the runtime wrote it.
    let error = unsafe { execute(argv.add(5), paths, environment) };
    write(report, &(error as i32).to_ne_bytes());
    exit(if error == -ENOENT { NOT_FOUND } else { NOT_EXECUTABLE })
}

/// By either of two calls: a filter may know only one of them. Returns 0 or a
/// negative error number.
fn close_on_exec(descriptor: usize) -> isize {
    // SAFETY: numbers only.
    match unsafe { call(number::FCNTL, [descriptor, F_SETFD, FD_CLOEXEC, 0, 0, 0]) } {
        // SAFETY: numbers only.
        error if error < 0 => unsafe { call(number::IOCTL, [descriptor, FIOCLEX, 0, 0, 0, 0]) },
        done => done,
    }
}

/// Installs the filter in the file behind `descriptor`. Returns 0 or a negative
/// error number.
fn install(descriptor: usize) -> isize {
    let arguments = [0, FILTER_SIZE, PROT_READ, MAP_PRIVATE, descriptor, FILTER_AT];
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let address = unsafe { call(number::MMAP, arguments) };
    if (-4095..0).contains(&address) {
        return address;
    }
    let head = address as *const Head;
    // SAFETY: the runtime wrote a head there, and sealed the file.
    let Head { flags, length } = unsafe { head.read() };
    let program = Program {
        length: length as u16,
        // SAFETY: the instructions stand behind the head, in the same mapping.
        instructions: unsafe { head.add(1) }.cast(),
    };
    let arguments = [SET_MODE_FILTER, flags as usize, (&raw const program) as usize, 0, 0, 0];
    // SAFETY: `program` describes `length` instructions of the mapping; the
    // kernel checks and copies them.
    unsafe { call(number::SECCOMP, arguments) }
}

fn write(descriptor: usize, bytes: &[u8]) -> bool {
    let (start, length) = (bytes.as_ptr() as usize, bytes.len());
    // SAFETY: `length` bytes of a live slice.
    unsafe { call(number::WRITE, [descriptor, start, length, 0, 0, 0]) == length as isize }
}

/// Waits until somebody writes to the descriptor.
fn wait(descriptor: usize) {
    let mut byte = 0u8;
    loop {
        // SAFETY: one byte of a live variable.
        match unsafe { call(number::READ, [descriptor, (&raw mut byte) as usize, 1, 0, 0, 0]) } {
            EINTR => {}
            1 => return,
            _ => exit(NOT_EXECUTABLE),
        }
    }
}

/// Tries each place, as a shell does. Returns the error number.
///
/// # Safety
/// `argv` holds `count` C strings, then the program's arguments, then NULL.
unsafe fn execute(argv: *const Text, count: usize, environment: *const Text) -> isize {
    let mut answer = ENOENT;
    for index in 0..count {
        // SAFETY: by the contract above.
        let (path, arguments) = unsafe { (*argv.add(index), argv.add(count)) };
        let arguments = [path as usize, arguments as usize, environment as usize, 0, 0, 0];
        // SAFETY: a C string and two arrays that end with NULL.
        match unsafe { call(number::EXECVE, arguments) } {
            ENOENT | ENOTDIR => {}
            EACCES => answer = EACCES, // perhaps a later one may be executed
            error => return -error,
        }
    }
    -answer
}

/// A decimal number; `None` for anything else.
///
/// # Safety
/// `text` is a C string.
unsafe fn number(text: Text) -> Option<usize> {
    let (mut value, mut at) = (0, text);
    loop {
        // SAFETY: not beyond the terminating zero.
        let byte = unsafe { *at };
        match byte {
            0 if at != text => return Some(value),
            b'0'..=b'9' => value = value * 10 + (byte - b'0') as usize,
            _ => return None,
        }
        // SAFETY: the byte before was not the terminating zero.
        at = unsafe { at.add(1) };
    }
}

fn exit(status: usize) -> ! {
    // SAFETY: a number only.
    unsafe { call(number::EXIT_GROUP, [status, 0, 0, 0, 0, 0]) };
    // Still here: the filter refuses the call. No filter stops the signal of an
    // instruction that does not exist.
    loop {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: raises SIGILL, whose default action ends this process.
        unsafe {
            asm!("ud2");
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            asm!("udf #0");
        }
    }
}

/// One system call; a negative result is an error number. Source: `syscall(2)`.
///
/// # Safety
/// The arguments must be valid for the system call `number`.
unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let result;
    let [a, b, c, d, e, f] = arguments;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the arguments; the kernel clobbers only
    // rcx and r11 beside the result.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller vouches for the arguments.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number, inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
        );
    }
    result
}
