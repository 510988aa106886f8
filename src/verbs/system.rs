//! `isolab system`: what Isolab keeps on this machine, and its removal.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::clean::{self, Holding, Outcome};
use crate::interrupt::Interrupt;
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::report::text::shown;
use crate::terminal::{self, Answer, Dialogue};
use crate::{hint, places, stdout};

/// What can be done with what Isolab keeps.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how much disk everything that Isolab keeps takes
    Df(DfArgs),
    /// Remove everything that Isolab ever wrote, predictions included
    Clean(CleanArgs),
}

/// What `system df` is asked to show.
#[derive(Debug, Args)]
pub struct DfArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What `system clean` is asked to do.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Do not ask
    #[arg(short, long, visible_alias = "force")]
    yes: bool,
    /// Only show what would be removed
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If nobody can be asked and `--yes` is not given, or something of ours cannot
/// be removed.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Df(args) => df(&args),
        Command::Clean(args) => clean(&args),
    }
}

fn df(args: &DfArgs) -> Result<ExitCode> {
    let held = clean::survey(&places::all());
    stdout::print(if args.json {
        format!("{:#}\n", json!({ "bytes": total(&held), "places": held }))
    } else {
        terminal::fitting(listing(&held))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn clean(args: &CleanArgs) -> Result<ExitCode> {
    let places = places::all();
    let held = clean::survey(&places);
    if args.dry_run {
        return preview(&held, args.json);
    }
    if !args.yes && !held.is_empty() {
        let interrupt = Interrupt::listen()?;
        if !agreed(&held, &interrupt)? {
            eprintln!("nothing was removed");
            let status = interrupt.exit_status();
            return Ok(status.map_or(ExitCode::FAILURE, ExitCode::from));
        }
    }
    let outcome = clean::remove(&places);
    let groups = isolab_oci::cgroup::sweep();
    crate::engines::sweep();
    let freed = total(&held).saturating_sub(total(&clean::survey(&places)));
    stdout::print(if args.json {
        let done = json!({
            "freed_bytes": freed, "removed": outcome.removed, "control_groups": groups,
            "left": outcome.left, "failed": outcome.failed,
        });
        format!("{done:#}\n")
    } else {
        terminal::fitting(told(&outcome, groups, freed))
    })?;
    if outcome.failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "cannot remove everything: {} could not be",
        outcome.failed.len()
    );
}

fn preview(held: &[Holding], json: bool) -> Result<ExitCode> {
    stdout::print(if json {
        let preview = json!({ "dry_run": true, "bytes": total(held), "places": held });
        format!("{preview:#}\n")
    } else {
        terminal::fitting(listing(held)) + "nothing was removed: this is what would be\n"
    })?;
    Ok(ExitCode::SUCCESS)
}

fn agreed(held: &[Holding], interrupt: &Interrupt) -> Result<bool> {
    if !terminal::can_ask() {
        return Err(hint::with(
            "cannot ask whether to remove everything: this is no terminal",
            "`isolab system clean --dry-run` shows what would go, `--yes` removes it without asking",
        ));
    }
    let mut dialogue = Dialogue::new(interrupt);
    dialogue.say(&listing(held));
    let answer = dialogue.ask("Remove all of it? [y/N] ")?;
    let yes = matches!(&answer, Answer::Line(word) if ["y", "yes"].contains(&word.to_lowercase().as_str()));
    if !matches!(answer, Answer::Line(_)) {
        dialogue.say("\n");
    }
    Ok(yes)
}

fn total(held: &[Holding]) -> u64 {
    held.iter().map(|holding| holding.bytes).sum()
}

fn size(bytes: u64) -> String {
    human(bytes as f64, Unit::Bytes)
}

/// Each directory, with its parts.
fn listing(held: &[Holding]) -> String {
    if held.is_empty() {
        return "Isolab keeps nothing on this machine.\n".to_owned();
    }
    let mut out = String::new();
    for holding in held {
        let path = holding.path.to_string_lossy();
        out += &format!("{} ({})\n", shown(&path), holding.kind);
        if let Some(why) = holding.left {
            out += &format!("   not touched: {why}\n");
        }
        for part in &holding.parts {
            let bytes = size(part.bytes);
            out += &format!("  {bytes:>9}  {}\n", shown(&part.name));
            out += &format!("             {}\n", part.what);
        }
    }
    out + &format!("  {:>9}  in all\n", size(total(held)))
}

fn told(outcome: &Outcome, groups: usize, freed: u64) -> String {
    let mut out = String::new();
    for (what, all) in [("left", &outcome.left), ("failed", &outcome.failed)] {
        for one in all {
            let path = one.path.to_string_lossy();
            out += &format!("{what}: {}: {}\n", shown(&path), one.why);
        }
    }
    if groups > 0 {
        out += &format!("removed {groups} control groups of commands that were killed\n");
    }
    out + &format!(
        "removed {} files and directories, freed {}\n",
        outcome.removed,
        size(freed)
    )
}
