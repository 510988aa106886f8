//! `isolab reveal`: how far off the predictions were.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::notebook::predictions::{self, Predictions};
use crate::notebook::reports;
use crate::report::table::Style;
use crate::report::{self, Report};
use crate::reveal::{self, Outcome, Seen};
use crate::{hint, stderr, stdout, terminal};

/// What `reveal` is asked to show.
#[derive(Debug, Args)]
pub struct RevealArgs {
    /// A report that `compare -o FILE.json` wrote [default: the newest kept here that answers a prediction]
    report: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If there is no report, or nothing was predicted before it.
pub fn run(args: &RevealArgs) -> Result<ExitCode> {
    let notebook = read_notebook()?;
    let report = match &args.report {
        Some(file) => report::load(file)?,
        None => newest_with_answers(&notebook)?,
    };
    let outcomes = outcomes(&report, &notebook);
    if outcomes.is_empty() {
        return Err(hint::with(
            format!(
                "nothing was predicted before this run of {}",
                report.created
            ),
            "`isolab compare --predict` asks, measures and reveals; `isolab predict` only asks",
        ));
    }
    stdout::print(shown(&report, &outcomes, &notebook, args.json))?;
    for warning in report.warnings.iter().filter(|_| !args.json) {
        terminal::tell(&format!("warning: {warning}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What came of the predictions that `report` carries, after it was shown.
///
/// # Errors
/// If it cannot be printed.
pub fn after(report: &Report) -> Result<()> {
    let notebook = read_notebook()?;
    let outcomes = outcomes(report, &notebook);
    stdout::print(format!("\n{}", shown(report, &outcomes, &notebook, false)))
}

fn shown(report: &Report, outcomes: &[Outcome], notebook: &Predictions, json: bool) -> String {
    let (kept, damaged) = reports::all();
    for error in damaged {
        stderr::tell(format_args!(
            "warning: {error}: it is left out of what is shown over time"
        ));
    }
    let attempts = reveal::attempts(&kept, notebook);
    if json {
        return format!("{:#}\n", reveal::json(report, outcomes, &attempts));
    }
    let width = Style::of_stdout().width;
    terminal::fitting(reveal::render(report, outcomes, &attempts, width))
}

/// The notebook; what is damaged in it is told.
///
/// # Errors
/// If it is there and cannot be read at all.
pub fn read_notebook() -> Result<Predictions> {
    let notebook = predictions::read()?;
    for skipped in &notebook.skipped {
        stderr::tell(format_args!(
            "warning: line {} of the predictions is skipped: {}; it is kept as it is",
            skipped.line, skipped.why
        ));
    }
    Ok(notebook)
}

/// The newest kept report that answers a prediction; where none does, the newest.
fn newest_with_answers(notebook: &Predictions) -> Result<Report> {
    let (mut kept, _) = reports::all();
    let answers = |report: &Report| {
        let outcomes = outcomes(report, notebook);
        outcomes
            .iter()
            .any(|o| !matches!(o.seen, Seen::Missing { .. }))
    };
    match kept.iter().rposition(answers) {
        Some(newest) => Ok(kept.swap_remove(newest)),
        None => reports::newest_or_remedy(),
    }
}

/// What came of what was predicted before `report`.
fn outcomes(report: &Report, notebook: &Predictions) -> Vec<Outcome> {
    reveal::outcomes(report, &reveal::predictions_for(report, notebook))
}
