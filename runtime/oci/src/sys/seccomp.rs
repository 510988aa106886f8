//! Installing a system call filter.

use super::Result;
use super::raw::syscall;

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
    unsafe { syscall!(SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) }.map(drop)
}
