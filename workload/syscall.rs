//! System calls without a library: numbers and the one instruction, for each
//! machine. Source: `syscall(2)`, and the kernel's table of each architecture.

use core::arch::asm;

/// The signal a child sends at its end; `clone(2)` takes it as its flags.
#[allow(dead_code)]
pub const SIGCHLD: usize = 17;
/// A flag of `clone(2)`: the parent goes on when the child has executed a program or has ended.
#[allow(dead_code)]
pub const CLONE_VFORK: usize = 0x4000;
/// The working directory, to those that take a directory.
#[allow(dead_code)]
pub const AT_FDCWD: usize = -100isize as usize;

// Each of the programs uses some.
#[allow(dead_code)]
#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const DUP3: usize = 292;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const MOUNT: usize = 165;
    pub const REBOOT: usize = 169;
    pub const EXIT_GROUP: usize = 231;
    pub const OPENAT: usize = 257;
    pub const CLOSE: usize = 3;
    pub const CLONE3: usize = 435;
    pub const CHDIR: usize = 80;
    pub const UMASK: usize = 95;
    pub const PIVOT_ROOT: usize = 155;
    pub const UMOUNT2: usize = 166;
    pub const SETHOSTNAME: usize = 170;
    pub const MKDIRAT: usize = 258;
    pub const MKNODAT: usize = 259;
    pub const UNLINKAT: usize = 263;
    pub const SYMLINKAT: usize = 266;
    pub const IOCTL: usize = 16;
    pub const SYSLOG: usize = 103;
    pub const SETSID: usize = 112;
    pub const IOPERM: usize = 173;
    pub const CLOCK_GETTIME: usize = 228;
    pub const GETPID: usize = 39;
    pub const SETPGID: usize = 109;
    pub const GETPPID: usize = 110;
    pub const GETPGID: usize = 121;
    pub const PRCTL: usize = 157;
}

#[allow(dead_code)]
#[cfg(target_arch = "aarch64")]
pub mod number {
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const DUP3: usize = 24;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
    pub const MOUNT: usize = 40;
    pub const REBOOT: usize = 142;
    pub const EXIT_GROUP: usize = 94;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const CLONE3: usize = 435;
    pub const CHDIR: usize = 49;
    pub const UMASK: usize = 166;
    pub const PIVOT_ROOT: usize = 41;
    pub const UMOUNT2: usize = 39;
    pub const SETHOSTNAME: usize = 161;
    pub const MKDIRAT: usize = 34;
    pub const MKNODAT: usize = 33;
    pub const UNLINKAT: usize = 35;
    pub const SYMLINKAT: usize = 36;
    pub const IOCTL: usize = 29;
    pub const SYSLOG: usize = 116;
    pub const SETSID: usize = 157;
    /// None there: the number of `getpid(2)`, whose answer is never 0.
    pub const IOPERM: usize = 172;
    pub const CLOCK_GETTIME: usize = 113;
    pub const GETPID: usize = 172;
    pub const SETPGID: usize = 154;
    pub const GETPPID: usize = 173;
    pub const GETPGID: usize = 155;
    pub const PRCTL: usize = 167;
}

/// One system call; a negative result is an error number.
///
/// # Safety
/// The arguments must be valid for the system call `number`.
#[cfg(target_arch = "x86_64")]
pub unsafe fn call(number: usize, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers only
    // rcx and r11 beside the result.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// One system call; a negative result is an error number.
///
/// # Safety
/// The arguments must be valid for the system call `number`.
#[cfg(target_arch = "aarch64")]
pub unsafe fn call(number: usize, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: the caller vouches for the arguments.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e,
        );
    }
    result
}
