//! `isolab venv uninstall`: all files of a package, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use venv_sim::Name;
use venv_sim::install::{InstallOptions, uninstall};

use super::asked::{self, say};
use super::outcome;
use super::place::{Place, Seen};
use super::show::names;
use crate::interrupt::Interrupt;
use crate::terminal::{self, Answer, Dialogue};
use crate::{hint, stderr, stdout};

/// What `venv uninstall` is asked to remove.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Removes what RECORD lists, with its bytecode, and nothing outside of the environment. \
    What others need\nis named before. Exits with 1 if one of the names is not installed."
)]
pub struct Args {
    /// The packages
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Also those that a file of requirements names
    #[arg(short, long, value_name = "FILE")]
    requirement: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
    /// Say nothing but what is wrong
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// Does it.
///
/// # Errors
/// Where none of the names is installed, or one cannot be removed; then none is.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    asked::check_not_empty(&args.names, &args.requirement)?;
    let mut names = names(&args.names)?;
    names.extend(asked::named_in(&args.requirement)?);
    names.sort();
    names.dedup();
    let seen = args.place.read()?;
    let is_there = |name: &Name| seen.installed.find(name).is_some();
    let (there, absent): (Vec<Name>, Vec<Name>) = names.into_iter().partition(is_there);
    let dir = &seen.chosen.environment.dir;
    if !absent.is_empty() {
        let absent: Vec<&str> = absent.iter().map(Name::as_str).collect();
        let message = format!("not installed in {}: {}", dir.display(), absent.join(", "));
        if there.is_empty() {
            return Err(hint::with(message, seen.list_hint()));
        }
        stderr::tell(format_args!("warning: {message}"));
    }
    warn_of_needs(&seen, &there);
    if !args.dry_run && !args.yes {
        match agreed(&seen, &there)? {
            Agreed::Yes => {}
            Agreed::No => {
                stderr::tell("nothing was removed");
                return Ok(ExitCode::FAILURE);
            }
            Agreed::Interrupted(status) => {
                stderr::tell("interrupted; nothing changed");
                return Ok(status.into());
            }
        }
    }
    remove(args, &seen, &there)?;
    Ok(match absent.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn remove(args: &Args, seen: &Seen, there: &[Name]) -> Result<()> {
    let dir = &seen.chosen.environment.dir;
    let versions = there.iter().filter_map(|name| seen.installed.find(name));
    if args.dry_run {
        let lines = versions.map(|one| format!("- {} {}\n", one.name(), one.version()));
        let lines: String = lines.collect();
        return stdout::print(match args.json {
            true => {
                let names: Vec<&str> = there.iter().map(Name::as_str).collect();
                let plan = json!({
                    "schema": "isolab.venv.uninstall/1", "environment": dir,
                    "dry_run": true, "removed": names,
                });
                format!("{plan:#}\n")
            }
            false => lines + "nothing was removed: this is what would be\n",
        });
    }
    let begun = Instant::now();
    let options = InstallOptions {
        say,
        ..InstallOptions::default()
    };
    let changed = uninstall(&seen.chosen.environment, there, &options)?;
    outcome::warn(&changed.warnings);
    if args.quiet {
        return Ok(());
    }
    stdout::print(if args.json {
        let removed = changed.removed.iter();
        let removed =
            removed.map(|(name, version)| json!({ "name": name.as_str(), "version": version }));
        let done = json!({
            "schema": "isolab.venv.uninstall/1",
            "environment": dir,
            "dry_run": false,
            "removed": removed.collect::<Vec<_>>(),
            "warnings": changed.warnings,
        });
        format!("{done:#}\n")
    } else {
        outcome::removed(&changed, dir, begun.elapsed())
    })
}

/// Names those that stay and need what goes.
fn warn_of_needs(seen: &Seen, going: &[Name]) {
    // An interpreter that cannot be asked is no reason to keep a package.
    let Ok(interpreter) = seen.interpreter() else {
        return;
    };
    for name in going {
        let by = seen.installed.required_by(name, &interpreter.markers);
        let by = by.iter().filter(|one| !going.contains(one.name()));
        let by: Vec<&str> = by.map(|one| one.written_name.as_str()).collect();
        if !by.is_empty() {
            stderr::tell(format_args!(
                "warning: {name} is needed by {}",
                by.join(", ")
            ));
        }
    }
}

/// What somebody answers.
enum Agreed {
    Yes,
    No,
    Interrupted(u8),
}

fn agreed(seen: &Seen, going: &[Name]) -> Result<Agreed> {
    let count = outcome::packages(going.len());
    let dir = seen.chosen.environment.dir.display();
    if !terminal::can_ask() {
        return Err(hint::with(
            format!("cannot ask whether to remove {count} from {dir}: this is no terminal"),
            "`--dry-run` shows what would go, `--yes` removes it without asking",
        ));
    }
    let interrupt = Interrupt::listen()?;
    let mut dialogue = Dialogue::new(&interrupt);
    for name in going {
        dialogue.say(&format!("- {name}\n"));
    }
    let answer = dialogue.ask(&format!("Remove {count} from {dir}? [y/N] "))?;
    let yes = matches!(&answer, Answer::Line(word) if ["y", "yes"].contains(&word.to_lowercase().as_str()));
    if !matches!(answer, Answer::Line(_)) {
        dialogue.say("\n");
    }
    Ok(match interrupt.exit_status() {
        Some(status) => Agreed::Interrupted(status),
        None if yes => Agreed::Yes,
        None => Agreed::No,
    })
}
