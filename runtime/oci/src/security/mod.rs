//! What a container's process may do: capabilities, the system call filter,
//! resource limits, its profile, and when it has its turn.

mod apparmor;
pub mod capability;
pub mod rlimit;
mod schedule;
pub mod seccomp;
mod step;

pub(crate) use schedule::affinity;
pub(crate) use step::Step;
