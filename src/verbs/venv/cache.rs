//! `isolab venv cache`: the store of wheels, its size, and giving it back.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use venv_sim::{Cache, Prune, Store};

use crate::observation::Unit;
use crate::report::quantity::human;
use crate::{hint, stdout};

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how much disk the store takes
    Size(Args),
    /// Remove what no environment shares; it is fetched again when it is asked for
    Prune(PruneArgs),
    /// Print where the cache is
    Dir,
}

/// How it is printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What is to be removed.
#[derive(Debug, clap::Args)]
pub struct PruneArgs {
    /// Only the wheels as they came, from which an edited file of the store is mended
    #[arg(long, conflicts_with = "all")]
    archives: bool,
    /// Everything but what environments are linked into, bytecode and archives too
    #[arg(long)]
    all: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no cache, or it cannot be read or changed.
pub(super) fn run(command: &Command) -> Result<ExitCode> {
    let cache = Cache::of_user();
    let Some(directory) = cache.directory() else {
        return Err(hint::with(
            "there is no cache for this user: neither XDG_CACHE_HOME nor HOME names a directory of theirs",
            "set XDG_CACHE_HOME to a directory that is yours",
        ));
    };
    stdout::print(match command {
        Command::Dir => format!("{}\n", directory.display()),
        Command::Size(args) => size(&Store::of(&cache)?, args.json)?,
        Command::Prune(args) => prune(&Store::of(&cache)?, args)?,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn size(store: &Store, is_json: bool) -> Result<String> {
    let size = store.size()?;
    if is_json {
        let size = json!({
            "schema": "isolab.venv.cache/1",
            "wheels": size.wheels,
            "unpacked_bytes": size.unpacked_bytes,
            "archive_bytes": size.archive_bytes,
            "bytecode_bytes": size.bytecode_bytes,
            "bytes": size.total(),
        });
        return Ok(format!("{size:#}\n"));
    }
    let mut text = String::new();
    for (bytes, what) in [
        (
            size.unpacked_bytes,
            "files of wheels, which environments share",
        ),
        (size.archive_bytes, "wheels as they came"),
        (size.bytecode_bytes, "bytecode"),
        (size.total(), "in all"),
    ] {
        let _ = writeln!(text, "{:>9}  {what}", human(bytes as f64, Unit::Bytes));
    }
    let _ = writeln!(text, "of {} wheels", size.wheels);
    Ok(text)
}

fn prune(store: &Store, args: &PruneArgs) -> Result<String> {
    let what = match (args.archives, args.all) {
        (true, _) => Prune::Archives,
        (_, true) => Prune::All,
        _ => Prune::Unused,
    };
    let pruned = store.prune(what)?;
    if args.json {
        let done = json!({
            "schema": "isolab.venv.prune/1",
            "wheels": pruned.wheels,
            "kept": pruned.kept,
            "bytes": pruned.bytes,
        });
        return Ok(format!("{done:#}\n"));
    }
    let (bytes, wheels, kept) = (
        human(pruned.bytes as f64, Unit::Bytes),
        pruned.wheels,
        pruned.kept,
    );
    let kept = match kept {
        0 => String::new(),
        kept => format!("; kept {kept} that environments are linked into"),
    };
    Ok(format!("removed {wheels} wheels, {bytes}{kept}\n"))
}
