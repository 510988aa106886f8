//! `isolab vm`: guests, and what they need.

pub mod disk;
mod hello;
mod kernel;
mod of_image;
mod prepare;
mod ps;
mod restore;
mod run;
mod snapshot;
mod stop;
mod told;

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
    /// Boot a guest, run a program of this machine in it, and see where the time went
    Run(Box<run::RunArgs>),
    /// List guests
    Ps(ps::PsArgs),
    /// End guests
    Stop(stop::StopArgs),
    /// Show what a detached guest has said
    Logs(stop::LogsArgs),
    /// Save a guest that is ready, and see or remove those that were saved
    Snapshot(snapshot::SnapshotArgs),
    /// Make guests of a saved one, and see what each takes
    Restore(restore::RestoreArgs),
}

/// Does it.
///
/// # Errors
/// If there is no kernel and none can be had; if no guest runs; if a snapshot does not fit.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Disk(args) => disk::run(&args),
        Command::Hello(args) => hello::run(&args),
        Command::Kernel(args) => kernel::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Ps(args) => ps::run(&args),
        Command::Stop(args) => stop::run(&args),
        Command::Logs(args) => stop::logs(&args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Restore(args) => restore::run(&args),
    }
}
