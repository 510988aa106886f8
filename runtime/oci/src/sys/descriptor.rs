//! File descriptors: owned, close-on-exec, and closed without libc.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::poll::{Polled, poll};
use super::raw::{int, syscall};
use super::{Errno, Result};

/// An open descriptor that this value owns.
///
/// Like [`OwnedFd`], but closed by a raw system call, so that the child of a
/// start (which shares the parent's thread-local `errno`) may drop one.
#[derive(Debug)]
pub struct Descriptor(RawFd);

impl Descriptor {
    /// Takes ownership of what the kernel just returned.
    pub(super) fn new(returned: usize) -> Self {
        Self(int(returned))
    }

    /// Takes ownership of a descriptor that the kernel stored through a pointer.
    pub(super) fn from_raw(fd: RawFd) -> Self {
        Self(fd)
    }

    /// The same descriptor as the standard library's type.
    #[must_use]
    pub fn into_owned(self) -> OwnedFd {
        let fd = self.0;
        std::mem::forget(self);
        // SAFETY: `fd` was owned by `self`, which was forgotten without
        // closing it, so exactly one owner remains.
        unsafe { OwnedFd::from_raw_fd(fd) }
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl std::os::fd::AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `self.0` stays open as long as `self` lives, which the
        // returned lifetime does not outlast.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: `close` takes a number; `self` owned it and is gone after.
        // An error (EIO, EINTR) leaves it closed all the same on Linux.
        let _ = unsafe { syscall!(SYS_close, self.0) };
    }
}

/// `int openat(int dirfd, const char *path, int flags, mode_t mode)`, `open(2)`.
///
/// `O_CLOEXEC` is always added: no descriptor of the runtime reaches a container.
///
/// # Errors
/// `ENOENT`, `EACCES`, `ELOOP` (with `O_NOFOLLOW`), `ENOTDIR`.
pub fn openat(dir: RawFd, path: &CStr, flags: i32, mode: u32) -> Result<Descriptor> {
    // SAFETY: `path` is a C string that outlives the call; the rest are numbers.
    unsafe { syscall!(SYS_openat, dir, path, flags | libc::O_CLOEXEC, mode) }.map(Descriptor::new)
}

/// How [`openat2`] treats what it meets on the way (`openat2(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// `RESOLVE_IN_ROOT`: as if `dir` were `/`; a symlink or `..` cannot leave it.
    InRoot,
    /// `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`: and no component is a symlink.
    NoSymlinks,
    /// And no mount is crossed (`RESOLVE_NO_XDEV`).
    SameMount,
}

/// `int openat2(int dirfd, const char *path, struct open_how *how, size_t size)`, `openat2(2)`.
///
/// # Errors
/// `ENOENT`; `ELOOP` where a symlink was refused; `EXDEV` where the path left
/// `dir`; `EAGAIN` where a rename raced with the walk (retried here).
pub fn openat2(dir: RawFd, path: &CStr, flags: i32, mode: u32, how: Resolve) -> Result<Descriptor> {
    let resolve = match how {
        Resolve::InRoot => libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
        Resolve::NoSymlinks => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS,
        Resolve::SameMount => {
            libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_XDEV
        }
    };
    let how: [u64; 3] = [
        u64::from((flags | libc::O_CLOEXEC).cast_unsigned()),
        u64::from(mode),
        resolve,
    ];
    loop {
        // SAFETY: `path` and `how` outlive the call; `how` has the layout of
        // `struct open_how` (three u64) and its true size is given.
        match unsafe { syscall!(SYS_openat2, dir, path, how.as_ptr(), size_of_val(&how)) } {
            Err(Errno(libc::EAGAIN)) => {}
            other => return other.map(Descriptor::new),
        }
    }
}

/// `ssize_t write(int fd, const void *buf, size_t n)`, `write(2)`; the count written.
///
/// # Errors
/// Whatever the file behind `fd` answers: `EINVAL`, `EPERM`, `EBUSY`, `ENOSPC`.
pub fn write(fd: RawFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads `bytes.len()` bytes from a live slice.
    unsafe { syscall!(SYS_write, fd, bytes.as_ptr(), bytes.len()) }
}

/// `ssize_t read(int fd, void *buf, size_t n)`, `read(2)`; the count read.
///
/// # Errors
/// `EINTR`, `EAGAIN`, `EIO`.
pub fn read(fd: RawFd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into a slice
    // that is borrowed exclusively for the call.
    unsafe { syscall!(SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) }
}

/// Opens `path`, writes all of `bytes` at once, closes.
///
/// For control files of procfs and cgroupfs, which take one write.
///
/// # Errors
/// Those of [`openat`] and [`write()`].
pub fn write_file(dir: RawFd, path: &CStr, bytes: &[u8]) -> Result<()> {
    let file = openat(dir, path, libc::O_WRONLY, 0)?;
    write(file.as_raw_fd(), bytes).map(drop)
}

/// `int dup3(int old, int new, int flags)`, `dup(2)`: `new` becomes `old`, open across exec.
///
/// # Errors
/// `EINVAL` where both are equal, `EBADF`.
pub fn dup_onto(old: RawFd, new: RawFd) -> Result<()> {
    // SAFETY: numbers only; the caller decides what `new` was.
    unsafe { syscall!(SYS_dup3, old, new, 0i32) }.map(drop)
}

/// `int close_range(unsigned first, unsigned last, int flags)`, `close_range(2)`:
/// marks every descriptor from `first` on close-on-exec.
///
/// # Errors
/// `EINVAL` or `ENOSYS` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: numbers only; nothing is closed now, only marked.
    unsafe { syscall!(SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) }.map(drop)
}

/// `fcntl(fd, F_SETFD, 0)`, `fcntl(2)`: the descriptor stays open across the next execution.
///
/// # Errors
/// `EBADF`.
pub fn keep_on_exec(fd: RawFd) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fcntl, fd, libc::F_SETFD, 0i32) }.map(drop)
}

/// `fcntl(fd, F_DUPFD_CLOEXEC, least)`, `fcntl(2)`: a copy that is not below `least`.
///
/// # Errors
/// `EBADF`, `EMFILE`; `EINVAL` for `least` beyond the limit of open files.
pub fn dup_from(fd: RawFd, least: u32) -> Result<Descriptor> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, least) }.map(Descriptor::new)
}

/// `int pipe2(int fds[2], O_CLOEXEC)`, `pipe(2)`: the end to read from, and the
/// one to write to.
///
/// # Errors
/// `EMFILE`.
pub fn pipe() -> Result<(Descriptor, Descriptor)> {
    let mut ends = [-1i32; 2];
    // SAFETY: the kernel writes two ints.
    unsafe { syscall!(SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC) }?;
    Ok((Descriptor(ends[0]), Descriptor(ends[1])))
}

/// `int memfd_create(const char *name, MFD_CLOEXEC)`, `memfd_create(2)`: a file
/// in memory, to be read and written.
///
/// # Errors
/// `EMFILE`, `ENOMEM`.
pub fn memory(name: &CStr) -> Result<OwnedFd> {
    // SAFETY: `name` outlives the call.
    unsafe { syscall!(SYS_memfd_create, name, libc::MFD_CLOEXEC) }
        .map(Descriptor::new)
        .map(Descriptor::into_owned)
}

/// `int flock(int fd, LOCK_EX)`, `flock(2)`: waits where `block`; `false` where
/// somebody else holds it. Gone with the last copy of the open file.
///
/// # Errors
/// `EINTR`, `ENOLCK`.
pub fn lock(fd: RawFd, block: bool) -> Result<bool> {
    let how = libc::LOCK_EX | if block { 0 } else { libc::LOCK_NB };
    loop {
        // SAFETY: numbers only.
        match unsafe { syscall!(SYS_flock, fd, how) } {
            Err(Errno(libc::EWOULDBLOCK)) => return Ok(false),
            Err(Errno(libc::EINTR)) => {}
            result => return result.map(|_| true),
        }
    }
}

/// `int flock(int fd, LOCK_UN)`, `flock(2)`.
pub fn unlock(fd: RawFd) {
    // SAFETY: numbers only; what is not locked stays so.
    let _ = unsafe { syscall!(SYS_flock, fd, libc::LOCK_UN) };
}

/// [`poll`] without waiting: whether `fd` is readable now.
///
/// # Errors
/// `ENOMEM`.
pub fn is_readable(fd: RawFd) -> Result<bool> {
    loop {
        match poll_readable(&mut [fd], 0) {
            Err(Errno(libc::EINTR)) => {} // a signal that a handler took came in between
            ready => return ready.map(|ready| ready != 0),
        }
    }
}

/// [`poll`]: waits up to `milliseconds` (forever when negative) until one of
/// `fds` is readable; a bit is set in the answer for each that is.
///
/// # Errors
/// `EINTR`, `ENOMEM`.
pub fn poll_readable<const N: usize>(fds: &mut [RawFd; N], milliseconds: i32) -> Result<u32> {
    let mut polled = fds.map(|fd| Polled::new(fd, true, false));
    poll(&mut polled, u32::try_from(milliseconds).ok())?;
    Ok(polled
        .iter()
        .rev()
        .fold(0, |bits, p| bits << 1 | u32::from(p.happened())))
}
