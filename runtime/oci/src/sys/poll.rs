//! Waiting for several descriptors at once, signals among them.

use std::os::fd::RawFd;

use super::raw::syscall;
use super::signal::SignalSet;
use super::{Descriptor, Errno, Result};

/// A descriptor that is waited for, and what for.
///
/// Its layout is that of `struct pollfd`, `poll(2)`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Polled(libc::pollfd);

impl Polled {
    /// Waits until `fd` can be read (or has been closed at its other end), and,
    /// where `write` is set, until it can be written. A negative `fd` is skipped.
    #[must_use]
    pub fn new(fd: RawFd, read: bool, write: bool) -> Self {
        let wanted = |on, event| if on { event } else { 0 };
        Self(libc::pollfd {
            fd,
            events: wanted(read, libc::POLLIN) | wanted(write, libc::POLLOUT),
            revents: 0,
        })
    }

    /// Waits until the kernel has something to tell of `fd` beside its data
    /// (`POLLPRI`).
    pub(super) fn for_change(fd: RawFd) -> Self {
        Self(libc::pollfd {
            fd,
            events: libc::POLLPRI,
            revents: 0,
        })
    }

    /// Whether anything of it came, an error among them.
    pub(super) fn happened(&self) -> bool {
        self.0.revents != 0
    }

    /// Whether a read would not block: there is something, or the end.
    #[must_use]
    pub fn readable(&self) -> bool {
        self.0.revents & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0
    }

    /// Whether a write would not block.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.0.revents & (libc::POLLOUT | libc::POLLERR) != 0
    }
}

/// `int ppoll(struct pollfd *fds, nfds_t n, struct timespec *timeout, NULL)`,
/// `ppoll(2)`: waits until one is as it was waited for, for at most
/// `milliseconds` where there is a limit; none is then.
///
/// # Errors
/// `EINTR`, `ENOMEM`.
pub fn poll(polled: &mut [Polled], milliseconds: Option<u32>) -> Result<()> {
    let (fds, count) = (polled.as_mut_ptr(), polled.len());
    let mut limit = milliseconds.map(|ms| [u64::from(ms / 1000), u64::from(ms % 1000) * 1_000_000]);
    let limit = limit
        .as_mut()
        .map_or(std::ptr::null_mut(), |words| words.as_mut_ptr());
    // SAFETY: `fds` has `count` entries of the kernel's layout and is borrowed
    // exclusively for the call; `limit` is null or points at two live words,
    // seconds and nanoseconds (which the kernel may lower); no signal mask.
    unsafe { syscall!(SYS_ppoll, fds, count, limit, 0usize, 8usize) }.map(drop)
}

/// `int signalfd4(-1, const sigset_t *set, size_t size, int flags)`, `signalfd(2)`:
/// readable while a signal of `set`, which must be blocked, is pending.
///
/// # Errors
/// `EMFILE`, `ENFILE`.
pub fn signals(set: SignalSet) -> Result<Descriptor> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the kernel reads one live set of the size given.
    unsafe { syscall!(SYS_signalfd4, -1i32, &raw const set.0, 8usize, flags) }.map(Descriptor::new)
}

/// `read(2)` of what [`signals`] returned: the next signal, `None` where none
/// is pending.
///
/// # Errors
/// `EBADF`, `EINVAL` where it is another kind of file.
pub fn next_signal(signals: RawFd) -> Result<Option<i32>> {
    let mut info = [0u32; 32]; // struct signalfd_siginfo: 128 bytes, the number first
    // SAFETY: the kernel writes at most the 128 bytes of a live array.
    match unsafe { syscall!(SYS_read, signals, info.as_mut_ptr(), size_of_val(&info)) } {
        Ok(_) => Ok(Some(info[0].cast_signed())),
        Err(Errno(libc::EAGAIN | libc::EINTR)) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// `fcntl(fd, F_SETFL, O_NONBLOCK)`, `fcntl(2)`, for a file that nobody shares
/// with us.
///
/// # Errors
/// `EBADF`.
pub fn set_nonblocking(fd: RawFd) -> Result<()> {
    // SAFETY: numbers only.
    let flags = unsafe { syscall!(SYS_fcntl, fd, libc::F_GETFL) }?;
    let flags = flags | libc::O_NONBLOCK.cast_unsigned() as usize;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fcntl, fd, libc::F_SETFL, flags) }.map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn what_can_be_read_or_written_is_told_apart() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let fds = [
            Polled::new(reader.as_raw_fd(), true, false),
            Polled::new(writer.as_raw_fd(), false, true),
            Polled::new(-1, true, true),
        ];
        let mut polled = fds;
        poll(&mut polled, None).unwrap();
        assert!(!polled[0].readable() && polled[1].writable());
        writer.write_all(b"x").unwrap();
        let mut polled = fds;
        poll(&mut polled, None).unwrap();
        assert!(polled[0].readable() && !polled[2].readable());
        let mut never = [fds[2]];
        poll(&mut never, Some(1)).unwrap();
        assert!(!never[0].readable() && !never[0].writable());
    }

    #[test]
    fn without_a_pending_signal_there_is_none_to_read() {
        let signals = signals(SignalSet::EMPTY.with(libc::SIGUSR2)).unwrap();
        assert_eq!(next_signal(signals.as_raw_fd()), Ok(None));
    }
}
