//! `isolab system`: what Isolab keeps on this machine, and its removal.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use isolab_engine::store::{Store, Swept, Usage};
use serde_json::json;

use crate::clean::{self, Holding, Outcome};
use crate::guest_disk::{Disks, Pruned};
use crate::interrupt::Interrupt;
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::report::text::shown;
use crate::terminal::{self, Answer, Dialogue};
use crate::verbs::image;
use crate::{hint, places, stderr, stdout};

/// What can be done with what Isolab keeps.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how much disk everything that Isolab keeps takes
    Df(DfArgs),
    /// Free what no image, version or running container needs
    Prune(PruneArgs),
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

/// What `system prune` is asked to do.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Also remove the versions that tags had before: there is no going back then
    #[arg(long)]
    versions: bool,
    /// Also forget what steps of builds made: the next build takes them all
    #[arg(long)]
    build_cache: bool,
    /// Do not ask: it never does
    #[arg(short, long, hide = true)]
    force: bool,
    /// Print what was done as JSON
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
        Command::Df(args) => image::room::with_layers(|| df(&args)),
        Command::Prune(args) => image::room::with_layers(|| prune(&args)),
        Command::Clean(args) => clean(&args),
    }
}

fn df(args: &DfArgs) -> Result<ExitCode> {
    // First, since it forgets what killed commands left.
    let images = image::existing_store()?;
    let images = images.map(|store| store.usage()).transpose()?;
    let held = clean::survey(&places::all());
    stdout::print(if args.json {
        let told = json!({ "bytes": total(&held), "places": held, "images": images });
        format!("{told:#}\n")
    } else {
        let images = images.as_ref().map_or_else(String::new, of_images);
        terminal::fitting(listing(&held) + &images)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What the store of images takes, by what it is for.
fn of_images(usage: &Usage) -> String {
    let mut out = format!("images of containers: {} tags\n", usage.tags);
    for (bytes, what) in [
        (usage.images, "packed layers and documents of images"),
        (usage.versions, "of versions that tags had before"),
        (
            usage.steps,
            "of steps of builds: `isolab system prune --build-cache` frees it",
        ),
        (usage.layers, "unpacked layers"),
        (
            usage.garbage,
            "needed by none: `isolab system prune` frees it",
        ),
        (usage.unfinished, "unfinished"),
        (usage.bookkeeping, "index, locks and directories"),
    ] {
        if bytes > 0 {
            out += &format!("  {:>9}  {what}\n", size(bytes));
        }
    }
    out
}

fn prune(args: &PruneArgs) -> Result<ExitCode> {
    let Some(store) = image::existing_store()? else {
        return told_of_prune(args, &Swept::default(), prune_disks(None));
    };
    let root = store.root().to_owned();
    drop(store);
    let forget = |store: &Store| {
        if args.versions {
            store.forget_versions()?;
        }
        if args.build_cache {
            store.forget_steps()?;
            store.forget_caches();
        }
        Ok(())
    };
    let swept = Store::sweep_after(&root, forget)?.ok_or_else(|| {
        let message = "cannot free anything: another command uses the store of images, of which \
                       nothing was removed";
        hint::with(message, "wait until it ends, and try again")
    })?;
    told_of_prune(args, &swept, prune_disks(Some(&root)))
}

/// Removes the guests' disks whose images are not in the store.
fn prune_disks(store: Option<&Path>) -> Pruned {
    let is_kept = |digest: &str| {
        let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
        store.is_some_and(|root| root.join("blobs").join(algorithm).join(hex).is_file())
    };
    let mut all = Pruned::default();
    for disks in Disks::existing() {
        let pruned = disks.prune(is_kept);
        all.disks += pruned.disks;
        all.bytes += pruned.bytes;
    }
    all
}

fn told_of_prune(args: &PruneArgs, swept: &Swept, pruned: Pruned) -> Result<ExitCode> {
    stdout::print(if args.json {
        let disks = json!({ "disks": pruned.disks, "bytes": pruned.bytes });
        format!(
            "{:#}\n",
            json!({ "schema": "isolab.system.prune/1", "swept": swept, "disks": disks })
        )
    } else {
        let (blobs, layers, disks) = (swept.blobs, swept.layers, pruned.disks);
        let freed = size(swept.bytes + pruned.bytes);
        let disks = if disks > 0 {
            format!(", {disks} disks of guests")
        } else {
            String::new()
        };
        format!("freed {freed}: {blobs} blobs, {layers} unpacked layers{disks}\n")
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
            stderr::tell("nothing was removed");
            let status = interrupt.exit_status();
            return Ok(status.map_or(ExitCode::FAILURE, ExitCode::from));
        }
    }
    // Their files may have owners that only the engine room knows.
    if let Err(error) = image::room::remove_layers() {
        stderr::tell(format_args!(
            "warning: not all layers of images can be removed: {error:#}"
        ));
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
