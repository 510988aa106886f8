//! The system calls, one file a kernel interface: the only unsafe code of the runtime.
//!
//! Why not libc's wrappers? The child of a container's start shares the
//! parent's memory (`CLONE_VM`) and runs beside it. libc keeps `errno` in
//! thread-local storage, which that child would share with the parent's
//! thread, and takes locks that another thread may hold at the moment of the
//! clone. A raw system call touches neither: it returns `-errno` in a register.
//!
//! Every function here is safe to call; each states its C signature, its man
//! page and its usual errors, and argues each `unsafe` block.

mod arg;
pub mod bpf;
pub mod clock;
pub mod clone;
pub mod credential;
pub mod descriptor;
pub mod entry;
pub mod errno;
pub mod file;
pub mod futex;
pub mod interface;
pub mod keyring;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod notify;
pub mod poll;
pub mod process;
#[cfg(all(
    target_arch = "x86_64",
    target_env = "gnu",
    target_feature = "crt-static"
))]
mod quick_start;
mod raw;
pub mod resource;
pub mod schedule;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod trampoline;

pub use descriptor::Descriptor;
pub use errno::Errno;

/// What every call returns: the value, or the kernel's error number.
pub type Result<T> = std::result::Result<T, Errno>;
