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
