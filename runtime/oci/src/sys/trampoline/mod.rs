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
use super::{Descriptor, Errno, Result, descriptor};

/// The program, built by `build.rs` from `program.rs`.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trampoline"));

/// `memfd_create(2)`, `write(2)`, `fcntl(F_ADD_SEALS)`: the program in a file
/// without a name, sealed against every change.
///
/// # Errors
/// `EACCES` where `vm.memfd_noexec` is 2; `EMFILE`, `ENOMEM`.
pub fn sealed() -> Result<Descriptor> {
    const MFD_EXEC: u32 = 0x10;
    let file = match create(MFD_EXEC) {
        Err(Errno(libc::EINVAL)) => create(0)?, // before Linux 6.3 all are executable
        created => created?,
    };
    if descriptor::write(file.as_raw_fd(), PROGRAM)? != PROGRAM.len() {
        return Err(Errno(libc::EIO));
    }
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fcntl, file.as_raw_fd(), libc::F_ADD_SEALS, seals) }?;
    Ok(file)
}

fn create(flags: u32) -> Result<Descriptor> {
    let flags = flags | libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string that outlives the call.
    unsafe { syscall!(SYS_memfd_create, c"isorun-init", flags) }.map(Descriptor::new)
}
