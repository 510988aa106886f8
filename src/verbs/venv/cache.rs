//! `isolab venv cache`: what is kept of wheels and of indexes, its size, and giving it back.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use venv_sim::index::{Forget, forget, remembered};
use venv_sim::{Cache, Prune, Store};

use super::kept::cache_at;
use super::outcome;
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::{hint, stdout};

/// What can be done with what is kept.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how much disk it takes
    Size(Args),
    /// Remove wheels that no environment shares, and answers that would be asked for anew
    #[command(after_help = "What is asked for again is fetched again.")]
    Prune(PruneArgs),
    /// Remove all wheels and answers, but for wheels that environments are linked into
    Clean(Args),
    /// Print where it is
    Dir(Where),
}

/// Where it is.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// Another directory than the user's [default: $XDG_CACHE_HOME/isolab, ~/.cache/isolab]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

/// How it is printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Where,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What is to be removed.
#[derive(Debug, clap::Args)]
pub struct PruneArgs {
    #[command(flatten)]
    place: Where,
    /// Only the wheels as they came, from which an edited file of the store is mended
    #[arg(long, conflicts_with = "all")]
    archives: bool,
    /// Also wheels that environments share by hard links, which keep their files
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
    let place = match command {
        Command::Dir(place) => place,
        Command::Size(args) | Command::Clean(args) => &args.place,
        Command::Prune(args) => &args.place,
    };
    let cache = cache_at(place.cache_dir.as_deref())?;
    let Some(directory) = cache.directory() else {
        return Err(hint::with(
            "there is no cache for this user: neither XDG_CACHE_HOME nor HOME names a directory of theirs",
            "set XDG_CACHE_HOME to a directory that is yours, or name one with `--cache-dir DIR`",
        ));
    };
    stdout::print(match command {
        Command::Dir(_) => format!("{}\n", directory.display()),
        Command::Size(args) => size(&cache, args.json)?,
        Command::Clean(args) => remove(&cache, Prune::All, Some(Forget::All), args.json)?,
        Command::Prune(args) => {
            let (what, answers) = match (args.archives, args.all) {
                (true, _) => (Prune::Archives, None),
                (_, true) => (Prune::All, Some(Forget::Stale)),
                _ => (Prune::Unused, Some(Forget::Stale)),
            };
            remove(&cache, what, answers, args.json)?
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn size(cache: &Cache, is_json: bool) -> Result<String> {
    let size = Store::of(cache)?.size()?;
    let answers = remembered(cache)?;
    let total = size.total() + answers.bytes;
    if is_json {
        let size = json!({
            "schema": "isolab.venv.cache/2",
            "wheels": size.wheels,
            "unpacked_bytes": size.unpacked_bytes,
            "archive_bytes": size.archive_bytes,
            "bytecode_bytes": size.bytecode_bytes,
            "answers": answers.answers,
            "answer_bytes": answers.bytes,
            "bytes": total,
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
        (answers.bytes, "answers of indexes"),
        (total, "in all"),
    ] {
        let _ = writeln!(text, "{:>9}  {what}", human(bytes as f64, Unit::Bytes));
    }
    let (wheels, answers) = (outcome::wheels(size.wheels), counted(answers.answers));
    let _ = writeln!(text, "of {wheels} and {answers}");
    Ok(text)
}

fn remove(cache: &Cache, what: Prune, answers: Option<Forget>, is_json: bool) -> Result<String> {
    let pruned = Store::of(cache)?.prune(what)?;
    let forgotten = answers.map(|which| forget(cache, which)).transpose()?;
    let forgotten = forgotten.unwrap_or_default();
    let bytes = pruned.bytes + forgotten.bytes;
    if is_json {
        let done = json!({
            "schema": "isolab.venv.prune/2",
            "wheels": pruned.wheels,
            "kept": pruned.kept,
            "answers": forgotten.answers,
            "bytes": bytes,
        });
        return Ok(format!("{done:#}\n"));
    }
    let kept = match pruned.kept {
        0 => String::new(),
        kept => format!("; kept {kept} that environments are linked into"),
    };
    let (wheels, answers) = (outcome::wheels(pruned.wheels), counted(forgotten.answers));
    let bytes = human(bytes as f64, Unit::Bytes);
    Ok(format!("removed {wheels} and {answers}, {bytes}{kept}\n"))
}

fn counted(answers: usize) -> String {
    match answers {
        1 => "1 answer".to_owned(),
        answers => format!("{answers} answers"),
    }
}
