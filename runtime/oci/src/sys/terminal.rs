//! Pseudo terminals, by descriptor: no name of one is ever looked up in a
//! container's `/dev`, where it could lead elsewhere.

use std::os::fd::RawFd;

use super::raw::syscall;
use super::{Descriptor, Result};

/// `struct winsize`, `TIOCSWINSZ(2const)`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Unused by the kernel.
    pub pixels: [u16; 2],
}

/// `ioctl(master, TIOCSPTLCK, &0)`, `ioctl_tty(2)`: the other side may be opened.
///
/// # Errors
/// `ENOTTY` where `master` is none.
pub fn unlock(master: RawFd) -> Result<()> {
    let locked = 0i32;
    // SAFETY: the kernel reads one live int.
    unsafe { syscall!(SYS_ioctl, master, libc::TIOCSPTLCK, &raw const locked) }.map(drop)
}

/// `ioctl(master, TIOCGPTPEER, flags)`, `ioctl_tty(2)`: opens the other side,
/// whatever is found at its name.
///
/// # Errors
/// `EIO` where the master is locked; `ENOTTY`.
pub fn peer(master: RawFd) -> Result<Descriptor> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_ioctl, master, libc::TIOCGPTPEER, flags) }.map(Descriptor::new)
}

/// `ioctl(terminal, TIOCSCTTY, 0)`, `ioctl_tty(2)`: it becomes the controlling
/// terminal of this session's leader, the caller.
///
/// # Errors
/// `EPERM` where the caller leads no session or has a terminal already.
pub fn make_controlling(terminal: RawFd) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_ioctl, terminal, libc::TIOCSCTTY, 0u32) }.map(drop)
}

/// `ioctl(terminal, TIOCSWINSZ, size)`, `TIOCSWINSZ(2const)`.
///
/// # Errors
/// `ENOTTY`.
pub fn set_size(terminal: RawFd, size: WindowSize) -> Result<()> {
    // SAFETY: the kernel reads a live structure of its layout.
    unsafe { syscall!(SYS_ioctl, terminal, libc::TIOCSWINSZ, &raw const size) }.map(drop)
}

/// `ioctl(terminal, TIOCGWINSZ, size)`, `TIOCSWINSZ(2const)`.
///
/// # Errors
/// `ENOTTY`.
pub fn size(terminal: RawFd) -> Result<WindowSize> {
    let mut size = WindowSize::default();
    // SAFETY: the kernel writes a structure of this layout.
    unsafe { syscall!(SYS_ioctl, terminal, libc::TIOCGWINSZ, &raw mut size) }?;
    Ok(size)
}

/// The attributes of a terminal, to be put back.
#[derive(Clone, Copy, Debug)]
pub struct Attributes(libc::termios);

/// `ioctl(terminal, TCGETS, attributes)`, `TCSETS(2const)`.
///
/// # Errors
/// `ENOTTY`.
pub fn attributes(terminal: RawFd) -> Result<Attributes> {
    let mut attributes = std::mem::MaybeUninit::<libc::termios>::zeroed();
    // SAFETY: libc's structure begins with the kernel's and is larger.
    unsafe { syscall!(SYS_ioctl, terminal, libc::TCGETS, attributes.as_mut_ptr()) }?;
    // SAFETY: filled by the call that succeeded (and zero was valid).
    Ok(Attributes(unsafe { attributes.assume_init() }))
}

/// `ioctl(terminal, TCSETS, attributes)`, `TCSETS(2const)`.
///
/// # Errors
/// `ENOTTY`; `EIO` for a process in the background.
pub fn set_attributes(terminal: RawFd, attributes: &Attributes) -> Result<()> {
    // SAFETY: the kernel reads the front part of a live structure.
    unsafe { syscall!(SYS_ioctl, terminal, libc::TCSETS, &raw const attributes.0) }.map(drop)
}

impl Attributes {
    /// The same without any treatment of what is typed or printed
    /// (`termios(3)`, "Raw mode").
    #[must_use]
    pub fn raw(mut self) -> Self {
        let t = &mut self.0;
        t.c_iflag &= !(libc::IGNBRK
            | libc::BRKINT
            | libc::PARMRK
            | libc::ISTRIP
            | libc::INLCR
            | libc::IGNCR
            | libc::ICRNL
            | libc::IXON);
        t.c_oflag &= !libc::OPOST;
        t.c_lflag &= !(libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG | libc::IEXTEN);
        t.c_cflag = t.c_cflag & !(libc::CSIZE | libc::PARENB) | libc::CS8;
        t.c_cc[libc::VMIN] = 1;
        t.c_cc[libc::VTIME] = 0;
        self
    }
}
