//! Processes: becoming a program, ending, being waited for, being signalled.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;

use super::raw::syscall;
use super::{Descriptor, Errno, Result};

/// A null-terminated array of C strings, as `execve(2)` wants its arguments.
///
/// Built before the clone: the child may not allocate.
#[derive(Debug)]
pub struct StringArray {
    // The strings that `pointers` points into; moving the vector does not
    // move them, since a CString keeps its bytes on the heap.
    strings: Vec<CString>,
    pointers: Vec<usize>,
}

impl StringArray {
    /// Takes the strings and lays out the pointers to them.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Self {
        let mut pointers: Vec<usize> = strings
            .iter()
            .map(|s| s.as_ptr().expose_provenance())
            .collect();
        pointers.push(0);
        Self { strings, pointers }
    }

    /// The strings.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// `int execve(const char *path, char *const argv[], char *const envp[])`, `execve(2)`.
///
/// Returns only where it failed.
pub fn execve(path: &CStr, args: &StringArray, env: &StringArray) -> Errno {
    let (args, env) = (args.pointers.as_ptr(), env.pointers.as_ptr());
    // SAFETY: `path` is a C string, both arrays end with null and point to C
    // strings that their owners keep; on success this image is gone.
    match unsafe { syscall!(SYS_execve, path, args, env) } {
        Err(errno) => errno,
        Ok(_) => Errno(libc::EINVAL),
    }
}

/// `int execveat(int dirfd, "", argv, envp, AT_EMPTY_PATH)`, `execveat(2)`: the
/// program that `file` is open on.
///
/// Returns only where it failed.
pub fn execute_file(file: RawFd, args: &StringArray, env: &StringArray) -> Errno {
    let (args, env) = (args.pointers.as_ptr(), env.pointers.as_ptr());
    // SAFETY: as for `execve`; the path is an empty C string.
    match unsafe { syscall!(SYS_execveat, file, c"", args, env, libc::AT_EMPTY_PATH) } {
        Err(errno) => errno,
        Ok(_) => Errno(libc::EINVAL),
    }
}

/// `void exit_group(int status)`, `_exit(2)`: no destructor, no atexit handler runs.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: a number only; the call does not return.
    let _ = unsafe { syscall!(SYS_exit_group, status) };
    // Still here: the container's own seccomp filter refuses the call. An
    // illegal instruction ends the process by a signal that no filter stops.
    loop {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: raises SIGILL, whose default action ends this process.
        unsafe {
            std::arch::asm!("ud2");
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            std::arch::asm!("udf #0");
        }
    }
}

/// `pid_t setsid(void)`, `setsid(2)`.
///
/// # Errors
/// `EPERM` where the caller already leads a process group.
pub fn setsid() -> Result<()> {
    // SAFETY: no arguments.
    unsafe { syscall!(SYS_setsid) }.map(drop)
}

/// `int setpgid(0, 0)`, `setpgid(2)`: the caller leads a process group of its own.
///
/// # Errors
/// `EPERM` for a session leader.
pub fn lead_process_group() -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_setpgid, 0i32, 0i32) }.map(drop)
}

/// `prctl(PR_SET_PDEATHSIG, signal)`, `PR_SET_PDEATHSIG(2const)`: `signal` comes
/// when the *thread* that cloned this process ends; 0 undoes it.
///
/// The kernel forgets it when user or group ids change.
///
/// # Errors
/// `EINVAL` for a bad signal.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_prctl, libc::PR_SET_PDEATHSIG, signal) }.map(drop)
}

/// `prctl(PR_GET_DUMPABLE)`, `PR_SET_DUMPABLE(2const)`.
#[must_use]
pub fn is_dumpable() -> bool {
    // SAFETY: numbers only.
    let dumpable = unsafe { syscall!(SYS_prctl, libc::PR_GET_DUMPABLE) };
    dumpable == Ok(1)
}

/// `prctl(PR_SET_DUMPABLE, …)`: whether others of its user may look into this
/// process through /proc and `ptrace(2)`.
pub fn set_dumpable(dumpable: bool) {
    // SAFETY: numbers only.
    let _ = unsafe { syscall!(SYS_prctl, libc::PR_SET_DUMPABLE, u32::from(dumpable)) };
}

/// `int pidfd_open(pid_t pid, unsigned flags)`, `pidfd_open(2)`.
///
/// # Errors
/// `ESRCH` where there is no such process; `EMFILE`; `ENOSYS` before Linux 5.3.
pub fn pidfd_open(pid: i32) -> Result<Descriptor> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_pidfd_open, pid, 0u32) }.map(Descriptor::new)
}

/// [`pidfd_open`] on this process.
///
/// # Errors
/// As for [`pidfd_open`].
pub fn pidfd_of_self() -> Result<Descriptor> {
    pidfd_open(std::process::id().cast_signed())
}

/// `int pidfd_send_signal(int pidfd, int sig, siginfo_t *, unsigned)`, `pidfd_send_signal(2)`.
///
/// # Errors
/// `ESRCH` where the process has ended and was reaped; `EINVAL` for a bad signal.
pub fn pidfd_send_signal(pidfd: RawFd, signal: i32) -> Result<()> {
    // SAFETY: numbers and a null siginfo, which the man page allows.
    unsafe { syscall!(SYS_pidfd_send_signal, pidfd, signal, 0usize, 0u32) }.map(drop)
}

/// `int pidfd_getfd(int pidfd, int targetfd, unsigned flags)`, `pidfd_getfd(2)`: a
/// copy of a descriptor of another process.
///
/// # Errors
/// `EPERM` where this process may not trace the other; `EBADF`, `ESRCH`.
pub fn pidfd_getfd(pidfd: RawFd, descriptor: RawFd) -> Result<Descriptor> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_pidfd_getfd, pidfd, descriptor, 0u32) }.map(Descriptor::new)
}

/// `int kill(pid_t pid, int sig)`, `kill(2)`: for a process that is no child.
///
/// # Errors
/// `ESRCH`, `EPERM`; `EINVAL` for a bad signal.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_kill, pid, signal) }.map(drop)
}

/// `pid_t wait4(pid_t pid, int *status, int options, struct rusage *)`, `wait4(2)`.
///
/// Returns the raw status, or `None` where `block` is false and it still runs.
///
/// # Errors
/// `ECHILD` where it is not a child of this process, or was reaped already.
pub fn wait_for(pid: i32, block: bool) -> Result<Option<i32>> {
    let mut status = 0i32;
    let options = libc::__WALL | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is live for the call; no rusage is asked for.
        match unsafe { syscall!(SYS_wait4, pid, &raw mut status, options, 0usize) } {
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(status)),
        }
    }
}

/// `uid_t geteuid(void)` and `gid_t getegid(void)`, `getuid(2)`; cannot fail.
#[must_use]
pub fn effective_ids() -> (u32, u32) {
    // SAFETY: no arguments.
    let uid = unsafe { syscall!(SYS_geteuid) };
    // SAFETY: no arguments.
    let gid = unsafe { syscall!(SYS_getegid) };
    (uid.map_or(0, |id| id as u32), gid.map_or(0, |id| id as u32))
}
