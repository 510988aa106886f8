//! `isolab venv sync`: the environment becomes exactly what files of requirements ask for.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use venv_sim::Projects;

use super::asked::{Choice, Index, Means};
use super::foreign::Foreign;
use super::install::change;
use super::kept::Kept;
use super::parts::Parts;
use super::target::Target;
use crate::hint;

/// What `venv sync` is asked to make of an environment.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What the files ask for and what that needs is there afterwards, and nothing else: \
    other packages are\nremoved, pip too unless it is asked for. `--dry-run` shows what would change. \
    All of it happens, or nothing."
)]
pub struct Args {
    /// The files of requirements, pyproject.toml or scripts
    #[arg(required_unless_present = "group", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    target: Target,
    /// Take the newest of everything, though an older one is installed and fits
    #[arg(short = 'U', long)]
    upgrade: bool,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    index: Index,
    /// Remove everything where the files name nothing
    #[arg(long)]
    allow_empty_requirements: bool,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    means: Means,
    #[command(flatten)]
    foreign: Foreign,
}

/// Does it.
///
/// # Errors
/// Where something cannot be had, chosen or installed; then nothing is.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.foreign.check()?;
    let chosen = args.target.choose()?;
    let mut order = args.choice.order(&[], &args.files, &args.parts)?;
    if order.names().next().is_none() && !args.allow_empty_requirements && !args.means.dry_run {
        // A file that was cut off must not cost an environment.
        return Err(hint::with(
            "the files name no requirement, and so everything would be removed",
            "`--allow-empty-requirements` removes it, `--dry-run` shows what that is",
        ));
    }
    order.is_exact = true;
    order.is_dry_run = args.means.dry_run;
    if args.upgrade {
        order.rules.upgrade = Projects::All;
    }
    let (_, status) = change(&chosen, &order, &args.index, &args.kept, &args.means)?;
    Ok(status)
}
