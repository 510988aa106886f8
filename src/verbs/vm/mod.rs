//! `isolab vm`: guests, and what they need.

pub mod disk;
mod hello;
mod kernel;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What can be done for guests.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a guest's disk of an image
    Disk(disk::DiskArgs),
    /// Run the smallest guest there can be, and see what /dev/kvm is worth here
    Hello(hello::HelloArgs),
    /// Find a kernel for guests, or get one from the distribution without root
    Kernel(kernel::KernelArgs),
}

/// Does it.
///
/// # Errors
/// If there is no kernel and none can be had; if no guest runs.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Disk(args) => disk::run(&args),
        Command::Hello(args) => hello::run(&args),
        Command::Kernel(args) => kernel::run(&args),
    }
}
