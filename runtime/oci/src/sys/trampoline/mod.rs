//! The program that a container's init becomes before it becomes the
//! container's own, in a file that nobody can change.
//!
//! Between the clone and the execution of its program a container's init runs
//! on the runtime's memory, and its `/proc/<pid>/exe` is the runtime's file on
//! the host. A container that executes `/proc/self/exe`, directly or as the
//! interpreter of a script, would execute that file, and a second process in it
//! could open and overwrite it (CVE-2019-5736). So the last step of every start
//! is the execution of this program, about a kilobyte in a sealed memory file:
//! what it executes next can reach no other file than that one.
//!
//! It is also all that waits in a container that was created and not yet
//! started, in place of a runtime with its heap.

use std::os::fd::AsRawFd as _;

use super::raw::syscall;
use super::seccomp::Instruction;
use super::{Descriptor, Errno, Result, file};

/// The program, built by `build.rs` from `program.rs`.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trampoline"));

/// Where a filter stands in the file: behind the program, at a page's begin.
const FILTER_AT: u64 = 4096;

/// Whoever executes a file without being able to read it may not be traced
/// (`ptrace(2)`, dumpable). A process of the container that traced it before it
/// has installed the filter would have a process without one.
const UNREADABLE: u32 = 0o111;

/// `memfd_create(2)`, `write(2)`, `fcntl(F_ADD_SEALS)`: the program in a file
/// without a name, sealed against every change; behind it, where one is given,
/// the filter that the program will install, and the flags to install it with.
///
/// # Errors
/// `EACCES` where `vm.memfd_noexec` is 2; `EMFILE`, `ENOMEM`.
pub fn sealed(filter: Option<(&[Instruction], u32)>) -> Result<Descriptor> {
    const MFD_EXEC: u32 = 0x10;
    let memory = match create(MFD_EXEC) {
        Err(Errno(libc::EINVAL)) => create(0)?, // before Linux 6.3 all are executable
        created => created?,
    };
    write_at(&memory, PROGRAM, 0)?;
    if let Some((program, flags)) = filter {
        write_at(&memory, &bytes(program, flags), FILTER_AT)?;
        file::chmod(memory.as_raw_fd(), UNREADABLE)?;
    }
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fcntl, memory.as_raw_fd(), libc::F_ADD_SEALS, seals) }?;
    Ok(memory)
}

/// `ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)`, `pwrite(2)`.
fn write_at(file: &Descriptor, bytes: &[u8], at: u64) -> Result<()> {
    let (from, length) = (bytes.as_ptr(), bytes.len());
    // SAFETY: the kernel reads `length` bytes from a live slice.
    let count = unsafe { syscall!(SYS_pwrite64, file.as_raw_fd(), from, length, at) }?;
    if count == length {
        Ok(())
    } else {
        Err(Errno(libc::EIO))
    }
}

/// Flags and length, then the instructions as the kernel lays them out.
fn bytes(program: &[Instruction], flags: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + 8 * program.len());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend((program.len() as u32).to_ne_bytes());
    for instruction in program {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jump_true, instruction.jump_false]);
        bytes.extend(instruction.operand.to_ne_bytes());
    }
    bytes
}

fn create(flags: u32) -> Result<Descriptor> {
    let flags = flags | libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string that outlives the call.
    unsafe { syscall!(SYS_memfd_create, c"isorun-init", flags) }.map(Descriptor::new)
}
