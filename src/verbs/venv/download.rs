//! `isolab venv download`: wheels into a directory, for a machine that has no index.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use venv_sim::fill::download;
use venv_sim::{Interpreter, Search, Surroundings};

use super::asked::{self, Choice, Index};
use super::asking::asking;
use super::foreign::Foreign;
use super::kept::Kept;
use super::outcome;
use super::parts::Parts;
use super::stop::Stop;
use super::watch::Watch;
use crate::{stderr, stdout};

/// What `venv download` is asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = "`isolab venv install --no-index --find-links DIR …` installs from there.")]
pub struct Args {
    /// Requirements ('django>=4.2,<6', psycopg[binary]), or wheels by path or address
    #[arg(value_name = "REQUIREMENT|WHEEL")]
    wanted: Vec<String>,
    /// Also what a file of requirements, a pyproject.toml or a script asks for
    #[arg(short, long, value_name = "FILE")]
    requirement: Vec<PathBuf>,
    #[command(flatten)]
    parts: Parts,
    /// Where to; made if it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    dest: PathBuf,
    /// The interpreter that they are for: a version (3.12), a name or a path [default: that of the
    /// active environment, else of .venv here or above, else python3]
    #[arg(short, long, value_name = "VERSION|PATH")]
    python: Option<String>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    index: Index,
    #[command(flatten)]
    kept: Kept,
    /// Only show what would be fetched
    #[arg(long)]
    dry_run: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    /// Say nothing but what is wrong
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Also say which index is asked, and how long what takes
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    #[command(flatten)]
    foreign: Foreign,
}

/// Does it.
///
/// # Errors
/// Where something cannot be had or chosen.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.foreign.check()?;
    if args.parts.is_empty() {
        asked::check_not_empty(&args.wanted, &args.requirement)?;
    }
    let interpreter = interpreter(args)?;
    let mut order = args
        .choice
        .order(&args.wanted, &args.requirement, &args.parts)?;
    order.is_dry_run = args.dry_run;
    let watch = Watch::new(args.quiet, args.verbose);
    let kept = format!("what is complete stays in {}", args.dest.display());
    let _stop = Stop::watch(kept)?;
    let done = asking(&args.kept, &args.index, &watch, |means| {
        download(&interpreter, &order, &args.dest, means)
    });
    let seen = watch.end(); // its bar goes before anything is printed
    let (plan, paths) = done?;
    if args.verbose {
        stderr::write(seen.told(&plan));
    }
    outcome::warn(&plan.notes);
    if args.quiet {
        return Ok(ExitCode::SUCCESS);
    }
    stdout::print(if args.json {
        let done = json!({
            "schema": "isolab.venv.download/1",
            "directory": args.dest,
            "dry_run": args.dry_run,
            "plan": outcome::picks(&plan),
            "files": paths,
        });
        format!("{done:#}\n")
    } else {
        let files = plan.additions().filter_map(|pick| pick.offer.as_ref());
        let mut text = files.fold(String::new(), |mut text, offer| {
            let _ = writeln!(text, "+ {}", offer.file_name);
            text
        });
        let _ = match args.dry_run {
            true => writeln!(text, "nothing was fetched: this is what would be"),
            false => writeln!(
                text,
                "{} in {}",
                outcome::wheels(paths.len()),
                args.dest.display()
            ),
        };
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The interpreter that was asked for, else that of the environment of here, else any.
fn interpreter(args: &Args) -> Result<Interpreter> {
    let here = match args.python {
        None => Surroundings::of_process().choose(None).ok(),
        Some(_) => None,
    };
    Ok(match here {
        Some(chosen) => chosen.environment.interpreter(&args.kept.cache()?)?,
        None => Search::of_process().discover(args.python.as_deref())?,
    })
}
