//! The floor of hardware virtualization: the smallest guest there can be, and what it tells of
//! this machine's `/dev/kvm`.
//!
//! [`hello`] runs a program of some forty bytes on a virtual processor of its own: no firmware, no
//! kernel, no device. What it takes is the least that a virtual machine can cost. [`grade`] runs
//! it in a process that can be killed and says what `/dev/kvm` is worth here: flags of the
//! processor and a device that opens decide nothing, since a kernel may interpret the guest's code
//! and say nothing about it.

mod grade;
mod hello;
#[cfg(target_arch = "x86_64")]
mod machine;
#[cfg(target_arch = "x86_64")]
mod program;
#[cfg(target_arch = "x86_64")]
mod run;
#[cfg(target_arch = "x86_64")]
mod ticks;

pub use grade::{BOUND, Grade, INTERPRETED_BELOW, grade};
pub use hello::{Asked, Exits, Hello, hello};
#[cfg(target_arch = "x86_64")]
pub(crate) use ticks::ticks;
