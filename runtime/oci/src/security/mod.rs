//! What a container's process may do: capabilities, the system call filter and resource limits.

pub mod capability;
pub mod rlimit;
pub mod seccomp;
