//! `isolab vm`: what guests need.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use vm_model::kernel;

use crate::stderr;
use crate::stdout;

/// What can be done for guests.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find a kernel for guests, or get one from the distribution without root
    Kernel(KernelArgs),
}

/// What `vm kernel` is asked to do.
#[derive(Debug, Args)]
pub struct KernelArgs {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If there is no kernel and none can be had.
pub fn run(command: Command) -> Result<ExitCode> {
    let Command::Kernel(args) = command;
    let kernel = match kernel::find() {
        Ok(kernel) => kernel,
        Err(_) => {
            let store = kernel::store().context("no directory for kernels: HOME is not set")?;
            stderr::tell("no readable kernel here: getting one from the distribution");
            kernel::fetch(&store)?
        }
    };
    stdout::print(if args.json {
        let found = json!({
            "path": kernel.path, "release": kernel.release, "bytes": kernel.bytes,
        });
        format!("{found:#}\n")
    } else {
        format!("{} ({})\n", kernel.path.display(), kernel.release)
    })?;
    Ok(ExitCode::SUCCESS)
}
