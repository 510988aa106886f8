//! Installing a system call filter.

use std::os::fd::RawFd;

use super::Result;
use super::raw::{int, syscall};

/// Flags of [`install`] (`seccomp(2)`, `SECCOMP_FILTER_FLAG_*`).
pub mod flag {
    /// Log every answer but "allow".
    pub const LOG: u32 = 1 << 1;
    /// Leave out the mitigation of speculative store bypass.
    pub const SPEC_ALLOW: u32 = 1 << 2;
    /// Return a descriptor on which calls wait to be answered.
    pub const NEW_LISTENER: u32 = 1 << 3;
    /// A call that was received waits on, whatever signal comes but a deadly one.
    pub const WAIT_KILLABLE_RECV: u32 = 1 << 5;
}

/// One instruction of classic BPF (`struct sock_filter`, `linux/filter.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip where a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip where it does not.
    pub jump_false: u8,
    /// The operand.
    pub operand: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// `int seccomp(SECCOMP_SET_MODE_FILTER, unsigned flags, struct sock_fprog *)`, `seccomp(2)`.
///
/// # Errors
/// `EACCES` without no_new_privs and without CAP_SYS_ADMIN; `EINVAL` for a
/// program the kernel refuses, or over 4096 instructions, or an unknown flag.
pub fn install(program: &[Instruction], flags: u32) -> Result<()> {
    set_filter(program, flags).map(drop)
}

/// As [`install`], with [`flag::NEW_LISTENER`]: a descriptor, close-on-exec, on
/// which calls wait to be answered (`seccomp_unotify(2)`). The caller closes it.
///
/// # Errors
/// Those of [`install`]; `EBUSY` where another filter has a listener already.
pub fn install_listening(program: &[Instruction], flags: u32) -> Result<RawFd> {
    set_filter(program, flags | flag::NEW_LISTENER).map(int)
}

fn set_filter(program: &[Instruction], flags: u32) -> Result<usize> {
    const SET_MODE_FILTER: u32 = 1;
    let Ok(length) = u16::try_from(program.len()) else {
        return Err(super::Errno(libc::EINVAL));
    };
    let program = Program {
        length,
        instructions: program.as_ptr(),
    };
    // SAFETY: `program` describes a live slice with its true length; the
    // kernel copies and checks it before returning and keeps no pointer to it.
    unsafe { syscall!(SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) }
}

/// A call that waits to be answered (`struct seccomp_notif`, `seccomp_unotify(2)`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// Which one it is.
    pub id: u64,
    /// The thread that made it, as the receiver sees it.
    pub pid: u32,
    flags: u32,
    /// The call's number.
    pub number: i32,
    /// Its architecture, `AUDIT_ARCH_*`.
    pub architecture: u32,
    /// Where the program made it.
    pub instruction: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// What becomes of a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The kernel carries it out.
    Continue,
    /// It returns this value, or `-errno`.
    Return(i64),
}

/// `ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, struct seccomp_notif *)`, `seccomp_unotify(2)`:
/// the next call that waits.
///
/// # Errors
/// `ENOENT` where its thread was killed meanwhile, or no process with the
/// filter is left; `EINTR`.
pub fn receive_notification(listener: RawFd) -> Result<Notification> {
    const NOTIF_RECV: u32 = 0xc050_2100;
    let mut notification = Notification::default();
    // SAFETY: `notification` is zeroed, as the kernel demands, and has the 80
    // bytes that the request's number tells it to write.
    unsafe { syscall!(SYS_ioctl, listener, NOTIF_RECV, &raw mut notification) }?;
    Ok(notification)
}

/// `ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, struct seccomp_notif_resp *)`, `seccomp_unotify(2)`.
///
/// # Errors
/// `ENOENT` where the call's thread was killed meanwhile.
pub fn answer_notification(listener: RawFd, id: u64, answer: Answer) -> Result<()> {
    const NOTIF_SEND: u32 = 0xc018_2101;
    #[repr(C)]
    struct Response {
        id: u64,
        value: i64,
        error: i32,
        flags: u32,
    }
    let (value, error, flags) = match answer {
        Answer::Continue => (0, 0, 1),
        Answer::Return(value @ -4095..0) => (0, value as i32, 0),
        Answer::Return(value) => (value, 0, 0),
    };
    let response = Response {
        id,
        value,
        error,
        flags,
    };
    // SAFETY: `response` has the 24 bytes that the request's number tells the
    // kernel to read.
    unsafe { syscall!(SYS_ioctl, listener, NOTIF_SEND, &raw const response) }.map(drop)
}
