//! `isolab venv`: real virtual environments, made and filled by `venv-sim`.

mod create;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What can be done with environments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a virtual environment (PEP 405)
    Create(create::Args),
}

/// Does it.
///
/// # Errors
/// As each verb has it.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Create(args) => create::run(args),
    }
}
