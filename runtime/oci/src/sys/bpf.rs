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

/// The commands of `bpf(2)` that are used.
const PROG_LOAD: u32 = 5;
const PROG_ATTACH: u32 = 8;
const PROG_DETACH: u32 = 9;
const PROG_GET_FD_BY_ID: u32 = 13;
const PROG_QUERY: u32 = 16;

const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// `bpf(BPF_PROG_LOAD, …)` and `bpf(BPF_PROG_ATTACH, …)` for a program that
/// decides about devices, `bpf(2)`: `instructions` on the group open at `group`,
/// in place of those that were there.
///
/// The group keeps the program; nothing has to stay open. The old ones go last:
/// in between all have to agree, and the container is never without one.
///
/// # Errors
/// `EPERM` without CAP_BPF or CAP_SYS_ADMIN; `EINVAL` for a program that the
/// verifier refuses, or a group of version 1.
pub fn replace_device_program(instructions: &[u64], group: RawFd) -> Result<()> {
    let old = device_programs(group)?;
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
    change(PROG_ATTACH, group, &program, ALLOW_MULTI)?;
    old.iter()
        .try_for_each(|program| change(PROG_DETACH, group, program, 0))
}

/// Attaches or detaches `program`.
fn change(command: u32, group: RawFd, program: &Descriptor, flags: u32) -> Result<()> {
    let attach = [
        group.cast_unsigned(),
        program.as_raw_fd().cast_unsigned(),
        ATTACH_CGROUP_DEVICE,
        flags,
    ];
    // SAFETY: `attach` has the layout that these commands read, and its size.
    unsafe { syscall!(SYS_bpf, command, attach.as_ptr(), size_of_val(&attach)) }.map(drop)
}

/// The part of `union bpf_attr` that `BPF_PROG_QUERY` needs.
#[repr(C)]
#[derive(Default)]
struct Query {
    group: u32,
    attach_type: u32,
    flags: [u32; 2],
    ids: u64,
    count: u32,
    padding: u32,
}

/// `bpf(BPF_PROG_QUERY, …)` and `bpf(BPF_PROG_GET_FD_BY_ID, …)`, `bpf(2)`: the
/// programs that decide about devices in this very group.
///
/// # Errors
/// `EPERM`; `EINVAL` for a group of version 1.
fn device_programs(group: RawFd) -> Result<Vec<Descriptor>> {
    // The kernel takes at most 64 in one group.
    let mut ids = [0u32; 64];
    let mut query = Query {
        group: group.cast_unsigned(),
        attach_type: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr().expose_provenance() as u64,
        count: ids.len() as u32,
        ..Query::default()
    };
    // SAFETY: `query` has the layout of the union's first part and its true
    // size is given; `ids` has room for the count that it states.
    unsafe { syscall!(SYS_bpf, PROG_QUERY, &raw mut query, size_of::<Query>()) }?;
    let mut programs = Vec::new();
    for &id in ids.iter().take(query.count as usize) {
        let by_id = [id, 0, 0];
        // SAFETY: `by_id` has the layout that this command reads, and its size.
        let program = unsafe {
            syscall!(
                SYS_bpf,
                PROG_GET_FD_BY_ID,
                by_id.as_ptr(),
                size_of_val(&by_id)
            )
        };
        programs.push(program.map(Descriptor::new)?);
    }
    Ok(programs)
}
