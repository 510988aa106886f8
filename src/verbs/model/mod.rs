//! `isolab model`: what virtual machines, containers and processes cost, by
//! equations whose parameters each have a source, and the equations held to account.

mod amounts;
mod ask;
mod calibrate;
mod given;
mod meaning;
mod sentence;
mod show;
mod sweep;
mod validate;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What the model can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer what something would cost, with an interval and what it hangs on
    Ask(Box<ask::AskArgs>),
    /// Find out this machine's parameters, in half a minute
    Calibrate(calibrate::CalibrateArgs),
    /// Predict guests that no calibration has seen, run them, and compare
    Validate(validate::ValidateArgs),
}

/// Does it.
///
/// # Errors
/// If the question cannot be understood or answered, or guests cannot be run.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Ask(args) => ask::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Validate(args) => validate::run(&args),
    }
}
