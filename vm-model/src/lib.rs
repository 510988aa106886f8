//! Real QEMU guests and a cost model of virtual machines whose every parameter carries a source.
//!
//! The two halves answer the same question and never share a figure. [`guest`] boots a Linux
//! kernel ([`kernel`]) with an initial file system of our own making ([`initramfs`]) under QEMU
//! ([`qemu`]), with hardware virtualization where it is shown to work ([`accel`]), and the clock
//! runs from just before the process is spawned to the byte that the workload writes when it is
//! ready; [`saved`] keeps such a guest and restores it as often as wanted, spoken to by its monitor
//! ([`qmp`]). [`model`] computes what published measurements say that a virtual machine costs, as a
//! range with its sources, and declines where nobody published a figure. Below both lies [`kvm`]:
//! the smallest guest that there can be, and what this machine's `/dev/kvm` is worth.
//!
//! This crate imports nothing else of the workspace: the lab hands over a directory, an init and
//! a place for its files, and gets back a guest that can be measured.

#![deny(unsafe_code)]

pub mod accel;
mod cached;
pub mod disk;
pub mod error;
pub mod guest;
pub mod hypervisor;
pub mod initramfs;
pub mod kernel;
#[allow(unsafe_code)]
pub mod kvm;
pub mod model;
pub mod qemu;
pub mod qmp;
pub mod saved;
mod tool;
mod whole_file;

pub use error::{Error, Result};
