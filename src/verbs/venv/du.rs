//! `isolab venv du`: what an environment takes of the disk, and what of that it shares.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use venv_sim::{Amount, Usage, usage};

use super::place::Place;
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::stdout;
use crate::verbs::table::table;

/// What `venv du` is asked to measure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Counted are blocks that are allocated, each file once however many names it has. \
    What has a name outside\nof the environment too, in the store or in another environment, is shared."
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Each package by itself, the largest first
    #[arg(long)]
    by_package: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, or a directory of it cannot be read.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let chosen = args.place.choose()?;
    let used = usage(&chosen.environment)?;
    let dir = &chosen.environment.dir;
    stdout::print(if args.json {
        let packages = used.packages.iter().map(|one| {
            let mut package = amount(one.amount);
            package["name"] = json!(one.name.as_str());
            package["version"] = json!(one.version.to_string());
            package
        });
        let mut all = amount(used.all);
        all["schema"] = json!("isolab.venv.du/1");
        all["environment"] = json!(dir);
        all["may_share_extents"] = json!(used.may_share_extents);
        all["rest"] = amount(used.rest);
        all["packages"] = packages.collect();
        format!("{all:#}\n")
    } else {
        let mut text = if args.by_package {
            by_package(&used)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "{} exclusive, {} shared, in {} files and directories of {}",
            size(used.all.exclusive),
            size(used.all.shared),
            used.all.entries,
            dir.display()
        );
        if let Some(kind) = used.may_share_extents {
            let _ = writeln!(
                text,
                "{kind} may share parts of files as well (reflinks), which is not looked into: such count as exclusive"
            );
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

fn amount(amount: Amount) -> Value {
    json!({
        "exclusive_bytes": amount.exclusive,
        "shared_bytes": amount.shared,
        "entries": amount.entries,
    })
}

fn by_package(used: &Usage) -> String {
    let rest = ("(the environment itself)".to_owned(), used.rest);
    let packages = used.packages.iter();
    let packages = packages.map(|one| (format!("{} {}", one.name, one.version), one.amount));
    let mut rows: Vec<(String, Amount)> = packages.chain([rest]).collect();
    rows.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.exclusive + amount.shared));
    let row = |(name, amount): &(String, Amount)| {
        vec![
            name.clone(),
            size(amount.exclusive),
            size(amount.shared),
            amount.entries.to_string(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    table(
        &["package", "exclusive", "shared", "entries"],
        &rows,
        Some(1),
    ) + "\n"
}

fn size(bytes: u64) -> String {
    human(bytes as f64, Unit::Bytes)
}
