//! `isolab venv`: real virtual environments, made and filled by `venv-sim`.

mod check;
mod create;
mod du;
mod freeze;
mod list;
mod place;
mod show;
mod table;
mod tree;
mod which;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What can be done with environments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a virtual environment (PEP 405)
    Create(create::Args),
    /// List what is installed
    List(list::Args),
    /// Print what is installed as requirements
    Freeze(freeze::Args),
    /// Show all that is known of a package
    Show(show::Args),
    /// Find out whether what is installed fits together, and is as it was installed
    Check(check::Args),
    /// Draw who needs whom
    Tree(tree::Args),
    /// Tell which environment is meant and why, and where its Python looks for modules
    Which(which::Args),
    /// Measure what an environment takes of the disk, and what of that it shares
    Du(du::Args),
}

/// Does it.
///
/// # Errors
/// As each verb has it.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Create(args) => create::run(args),
        Command::List(args) => list::run(&args),
        Command::Freeze(args) => freeze::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Which(args) => which::run(&args),
        Command::Du(args) => du::run(&args),
    }
}
