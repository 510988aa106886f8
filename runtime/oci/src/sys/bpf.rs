//! Loading a BPF program and attaching it to a control group.

use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, RawFd};

use super::raw::syscall;
use super::{Descriptor, Result};

/// The licence that the kernel is told: the program calls nothing that asks for one.
const LICENSE: &CStr = c"MIT";

/// The part of `union bpf_attr` that `BPF_PROG_LOAD` needs.
#[repr(C)]
#[derive(Default)]
struct Load {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    kernel_version: u32,
    flags: u32,
}

/// `bpf(BPF_PROG_LOAD, …)` and `bpf(BPF_PROG_ATTACH, …)` for a program that
/// decides about devices, `bpf(2)`: `instructions` on the group open at `group`.
///
/// The group keeps the program; nothing has to stay open.
///
/// # Errors
/// `EPERM` without CAP_BPF or CAP_SYS_ADMIN; `EINVAL` for a program that the
/// verifier refuses, or a group of version 1.
pub fn attach_device_program(instructions: &[u64], group: RawFd) -> Result<()> {
    const PROG_LOAD: u32 = 5;
    const PROG_ATTACH: u32 = 8;
    const TYPE_CGROUP_DEVICE: u32 = 15;
    const ATTACH_CGROUP_DEVICE: u32 = 6;
    const ALLOW_MULTI: u32 = 2;
    let load = Load {
        program_type: TYPE_CGROUP_DEVICE,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr().expose_provenance() as u64,
        license: LICENSE.as_ptr().expose_provenance() as u64,
        ..Load::default()
    };
    // SAFETY: `load` has the layout of the union's first part and its true
    // size is given; what it points to is live, and copied by the kernel.
    let program = unsafe { syscall!(SYS_bpf, PROG_LOAD, &raw const load, size_of::<Load>()) }
        .map(Descriptor::new)?;
    let attach = [
        group.cast_unsigned(),
        program.as_raw_fd().cast_unsigned(),
        ATTACH_CGROUP_DEVICE,
        ALLOW_MULTI,
    ];
    // SAFETY: `attach` has the layout that this command reads, and its size.
    unsafe { syscall!(SYS_bpf, PROG_ATTACH, attach.as_ptr(), size_of_val(&attach)) }.map(drop)
}
