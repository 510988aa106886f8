//! `isolab explain`: what a number of a report is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::explain::{NoRow, explain};
use crate::notebook::reports;
use crate::report::table::Style;
use crate::report::text::shown;
use crate::{hint, report, stderr, stdout, terminal};

/// What `explain` is asked to explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The row's number in the table, or its name: startup/container/true/after-idle
    number: String,
    /// A report that `compare -o FILE.json` wrote [default: the newest kept here]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If there is no report or no such row in it.
pub fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let report = match &args.report {
        Some(file) => report::load(file)?,
        None => {
            let newest = reports::newest_or_remedy()?;
            stderr::tell(format_args!(
                "of the newest report kept here, {}",
                newest.created
            ));
            newest
        }
    };
    let explanation =
        explain(&report, args.number.trim()).map_err(|none| no_row(&args.number, none))?;
    stdout::print(if args.json {
        format!("{:#}\n", serde_json::json!(explanation))
    } else {
        terminal::fitting(explanation.render(Style::of_stdout().width))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn no_row(asked: &str, none: NoRow) -> anyhow::Error {
    let asked = shown(asked);
    match none {
        NoRow::Rows(count) => hint::with(
            format!("there is no row {asked}: this report has {count}"),
            "the numbers stand at the left of the table that `isolab report FILE` prints",
        ),
        NoRow::Named(near) if near.is_empty() => hint::with(
            format!("there is no row `{asked}`"),
            "a name is metric/subject/workload, and /state of a start: startup/container/true/after-idle",
        ),
        NoRow::Named(near) => hint::with(
            format!("there is no row `{asked}`"),
            format!("there is {}", some(&near)),
        ),
    }
}

/// The first few of `names`.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let rest = names.len().saturating_sub(SHOWN);
    let first = &names[..names.len().min(SHOWN)];
    match rest {
        0 => first.join(", "),
        rest => format!("{} and {rest} more", first.join(", ")),
    }
}
