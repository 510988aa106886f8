//! `isolab venv`: real virtual environments, made and filled by `venv-sim`.

mod asked;
mod asking;
mod cache;
mod check;
mod create;
mod download;
mod du;
mod foreign;
mod freeze;
mod install;
mod kept;
mod list;
mod outcome;
mod parts;
mod place;
mod show;
mod stop;
mod sync;
mod target;
mod tree;
mod uninstall;
mod watch;
mod which;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What can be done with environments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a virtual environment (PEP 405)
    Create(create::Args),
    /// Install packages and what they need, from wheels
    Install(install::Args),
    /// Remove packages
    Uninstall(uninstall::Args),
    /// Make the environment exactly what files of requirements ask for
    Sync(sync::Args),
    /// Fetch wheels into a directory
    Download(download::Args),
    /// What is kept of wheels and indexes: how much, and away with it
    #[command(subcommand)]
    Cache(cache::Command),
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

/// The command line of whoever asks for `venv create`, and no other verb of it.
#[derive(Debug, Parser)]
#[command(name = "isolab")]
pub(crate) enum Alone {
    /// Real PEP 405 environments
    #[command(subcommand)]
    Venv(Only),
}

/// The one verb of [`Alone`].
#[derive(Debug, Subcommand)]
pub(crate) enum Only {
    /// Make a virtual environment (PEP 405)
    Create(create::Args),
}

impl From<Only> for Command {
    fn from(Only::Create(args): Only) -> Self {
        Self::Create(args)
    }
}

/// Does it.
///
/// # Errors
/// As each verb has it.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Create(args) => create::run(args),
        Command::Install(args) => install::run(&args),
        Command::Uninstall(args) => uninstall::run(&args),
        Command::Sync(args) => sync::run(&args),
        Command::Download(args) => download::run(&args),
        Command::Cache(command) => cache::run(&command),
        Command::List(args) => list::run(&args),
        Command::Freeze(args) => freeze::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Which(args) => which::run(&args),
        Command::Du(args) => du::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::{Cli, alike};

    #[test]
    fn the_verb_alone_is_the_verb_among_all() {
        let create = |all| alike::help(all, &["venv", "create"]);
        assert_eq!(create(Alone::command()), create(Cli::command()));
    }

    #[test]
    fn what_is_wrong_is_told_the_same() {
        let told = alike::told::<Alone>;
        assert!(told(&["isolab", "venv", "create", "--sede"]).contains("--seed"));
        assert!(told(&["isolab", "venv", "create", "a", "b"]).contains("'b'"));
        told(&["isolab", "venv", "create", "--clear", "--upgrade"]);
        told(&["isolab", "venv", "create", "--help"]);
    }
}
