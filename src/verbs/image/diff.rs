//! `isolab image diff`: what differs between two images, file by file.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::contents::{Change, Difference, difference};
use serde_json::json;

use super::{image_of, size, store};
use crate::report::text::shown;
use crate::stdout;

/// What `image diff` is asked to compare.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A is only in the second, D only in the first, C differs, M differs in \
    mode or owner alone."
)]
pub struct Args {
    /// The one, such as app@1
    before: String,
    /// The other, such as app@2
    after: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If there is no such image, or a layer of it cannot be read.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let store = store()?;
    let before = image_of(&store, &store.resolve(&args.before)?)?;
    let after = image_of(&store, &store.resolve(&args.after)?)?;
    let changes = difference(&store, &before, &after)?;
    let sum = |bytes: fn(&Change) -> u64| changes.iter().map(bytes).sum::<u64>();
    let (lost, gained) = (
        sum(|change| change.bytes_before),
        sum(|change| change.bytes_after),
    );
    let shared = before
        .layers()
        .filter(|layer| after.layers().any(|other| other == *layer));
    let shared = shared.count();
    if args.json {
        let told = json!({
            "schema": "isolab.image.diff/1", "changes": changes,
            "bytes_before": lost, "bytes_after": gained,
            "layers_before": before.layers().count(), "layers_after": after.layers().count(),
            "layers_shared": shared,
        });
        stdout::print(format!("{told:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for change in &changes {
        let path = change.path.to_string_lossy();
        let bytes = match (change.bytes_before, change.bytes_after) {
            (0, 0) => String::new(),
            (before, after) if before == after => size(after),
            (before, after) => format!("{} -> {}", size(before), size(after)),
        };
        let line = format!(
            "{} {:<40}  {bytes}",
            letter(change.difference),
            shown(&path)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let count = changes.len();
    let layers = after.layers().count();
    let _ = writeln!(
        text,
        "{count} paths differ: {} -> {}; {shared} of {layers} layers are shared",
        size(lost),
        size(gained)
    );
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn letter(difference: Difference) -> char {
    match difference {
        Difference::Added => 'A',
        Difference::Removed => 'D',
        Difference::Changed => 'C',
        Difference::Attributes => 'M',
    }
}
