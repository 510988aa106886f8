//! `isolab venv sync`: the environment becomes exactly what files of requirements ask for.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::asked::{Choice, Index, Means};
use super::install::change;
use super::place::Place;
use crate::hint;

/// What `venv sync` is asked to make of an environment.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What the files ask for and what that needs is there afterwards, and nothing else: \
    other packages are\nremoved, pip too unless it is asked for. `--dry-run` shows what would change. \
    All of it happens, or nothing."
)]
pub struct Args {
    /// The files of requirements
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    index: Index,
    /// Remove everything where the files name nothing
    #[arg(long)]
    allow_empty_requirements: bool,
    #[command(flatten)]
    means: Means,
}

/// Does it.
///
/// # Errors
/// Where something cannot be had, chosen or installed; then nothing is.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let chosen = args.place.choose()?;
    let mut order = args.choice.order(&[], &args.files)?;
    if order.names().next().is_none() && !args.allow_empty_requirements && !args.means.dry_run {
        // A file that was cut off must not cost an environment.
        return Err(hint::with(
            "the files name no requirement, and so everything would be removed",
            "`--allow-empty-requirements` removes it, `--dry-run` shows what that is",
        ));
    }
    order.is_exact = true;
    order.is_dry_run = args.means.dry_run;
    change(&chosen, &order, &args.index, &args.means)
}
