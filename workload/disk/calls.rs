//! The system calls that Rust's standard library does not offer, each with its error.
//!
//! Source: the manual pages of each, in section 2.

use std::ffi::{CString, c_char, c_int, c_ulong, c_void};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

unsafe extern "C" {
    fn mount(source: *const c_char, target: *const c_char, kind: *const c_char, flags: c_ulong, data: *const c_void) -> c_int;
    fn umount2(target: *const c_char, flags: c_int) -> c_int;
    fn reboot(how: c_int) -> c_int;
    fn sethostname(name: *const c_char, len: usize) -> c_int;
    fn setgroups(count: usize, groups: *const u32) -> c_int;
    fn setgid(gid: u32) -> c_int;
    fn setuid(uid: u32) -> c_int;
    fn setsid() -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn syscall(number: isize, ...) -> isize;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    fn sync();
    fn execve(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> c_int;
    fn _exit(status: c_int) -> !;
    fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int;
}

#[cfg(target_arch = "x86_64")]
const FINIT_MODULE: isize = 313;
#[cfg(target_arch = "aarch64")]
const FINIT_MODULE: isize = 273;
const O_CLOEXEC: c_int = 0o2_000_000;
const BOOT_TIME: c_int = 7;

pub const MS_NOSUID: c_ulong = 2;
pub const MS_NODEV: c_ulong = 4;
pub const MS_NOEXEC: c_ulong = 8;
pub const MS_REMOUNT: c_ulong = 32;
pub const MS_RDONLY: c_ulong = 1;
pub const MS_NOATIME: c_ulong = 1024;
pub const MS_MOVE: c_ulong = 8192;

pub const POWER_OFF: c_int = 0x4321_fedc;

pub const SIGHUP: c_int = 1;
pub const SIGINT: c_int = 2;
pub const SIGKILL: c_int = 9;
pub const SIGTERM: c_int = 15;
pub const SIGPWR: c_int = 30;
pub const ENOENT: i32 = 2;
pub const EEXIST: i32 = 17;
pub const EINTR: i32 = 4;

fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

fn done(result: c_int) -> io::Result<c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

pub fn mount_at(source: &str, target: &str, kind: &str, flags: c_ulong, data: &str) -> io::Result<()> {
    let [source, target, kind, data] = [source, target, kind, data].map(text);
    // SAFETY: strings that outlive the call.
    done(unsafe { mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) }).map(drop)
}

pub fn unmount(target: &str) -> io::Result<()> {
    // SAFETY: a string that outlives the call.
    done(unsafe { umount2(text(target).as_ptr(), 0) }).map(drop)
}

pub fn load_module(file: &impl AsRawFd) -> io::Result<()> {
    let none = c"";
    // SAFETY: an open file and an empty string of parameters.
    let result = unsafe { syscall(FINIT_MODULE, file.as_raw_fd(), none.as_ptr(), 0) };
    done(result as c_int).map(drop)
}

pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: the bytes are as long as said.
    done(unsafe { sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Becomes the user, for good.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: as many groups as said; else numbers.
    unsafe {
        done(setgroups(groups.len(), groups.as_ptr()))?;
        done(setgid(gid))?;
        done(setuid(uid)).map(drop)
    }
}

pub fn new_session() {
    // SAFETY: no arguments. It fails only for who leads one, which is as well.
    unsafe { setsid() };
}

/// `ioctl` with a buffer that is as long as `request` takes.
pub fn control(fd: RawFd, request: c_ulong, buffer: &mut [u8]) -> io::Result<()> {
    // SAFETY: callers hand a buffer of the request's size.
    done(unsafe { ioctl(fd, request, buffer.as_mut_ptr()) }).map(drop)
}

/// `ioctl` with a number.
pub fn control_by_number(fd: RawFd, request: c_ulong, number: c_int) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { ioctl(fd, request, number) }).map(drop)
}

/// Forks: 0 in the child. There is one thread, so that the child may do anything.
pub fn fork_off() -> io::Result<c_int> {
    // SAFETY: no other thread holds a lock.
    done(unsafe { fork() })
}

/// Waits for any child; its number, and its status as a shell has it.
pub fn wait_any() -> io::Result<(c_int, u8)> {
    let mut status = 0;
    // SAFETY: one writable status.
    let child = done(unsafe { waitpid(-1, &raw mut status, 0) })?;
    let code = match status & 0x7f {
        0 => status >> 8,
        signal => 128 + signal,
    };
    Ok((child, code as u8))
}

pub fn send(pid: c_int, number: c_int) {
    // SAFETY: numbers only; who is gone is as good as told.
    unsafe { kill(pid, number) };
}

pub fn on_signal(number: c_int, handler: extern "C" fn(c_int)) {
    // SAFETY: the handler calls nothing but kill(2).
    unsafe { signal(number, handler as usize) };
}

/// An IPv4 datagram socket, to configure the network by.
pub fn inet_socket() -> io::Result<RawFd> {
    // SAFETY: numbers only.
    done(unsafe { socket(2, 2 | O_CLOEXEC, 0) })
}

pub fn close_fd(fd: RawFd) {
    // SAFETY: whoever calls has opened it and uses it no more.
    unsafe { close(fd) };
}

pub fn duplicate(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { dup2(from, to) }).map(drop)
}

/// A pipe that no executed program keeps: its reading and its writing end.
pub fn pipe() -> io::Result<[RawFd; 2]> {
    let mut ends = [0; 2];
    // SAFETY: two writable numbers.
    done(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) })?;
    Ok(ends)
}

/// Executes `path`; returns only with an error.
pub fn execute(path: &str, args: &[String], env: &[String]) -> io::Error {
    let strings = |texts: &[String]| -> Vec<CString> { texts.iter().map(|one| text(one)).collect() };
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (path, args, env) = (text(path), strings(args), strings(env));
    let (args, env) = (pointers(&args), pointers(&env));
    // SAFETY: NULL-ended arrays of strings, which live until this returns.
    unsafe { execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

pub fn exit(status: c_int) -> ! {
    // SAFETY: a number only.
    unsafe { _exit(status) }
}

pub fn sync_all() {
    // SAFETY: no arguments.
    unsafe { sync() };
}

pub fn power_off() {
    // SAFETY: a number only; nothing of the guest is kept.
    unsafe { reboot(POWER_OFF) };
}

/// How long the kernel has run, in nanoseconds.
pub fn since_boot() -> u64 {
    let mut time = [0; 2];
    // SAFETY: one writable time of two numbers.
    unsafe { clock_gettime(BOOT_TIME, &raw mut time) };
    (time[0] * 1_000_000_000 + time[1]) as u64
}
