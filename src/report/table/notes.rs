//! What stands below the tables: what the words mean, what is missing and how
//! to get it, what not to trust, and the machine.

use super::{Ink, Style, push};
use crate::report::comparison::{Compared, Section};
use crate::report::words::{machine, warnings_of};
use crate::report::{Report, explainers, text};
use crate::statistics::Range;

pub(super) fn append(out: &mut String, report: &Report, sections: &[Section<'_>], style: Style) {
    let rows: Vec<&Compared<'_>> = sections.iter().flat_map(|s| &s.rows).collect();
    for note in legend(&rows).into_iter().chain(carried(report)) {
        wrapped(out, &note, 2, Ink::Plain, style);
    }
    if !rows.is_empty() {
        out.push('\n');
    }
    if report.interrupted {
        wrapped(
            out,
            "interrupted: this is what had been measured by then",
            2,
            Ink::Alarm,
            style,
        );
        out.push('\n');
    }
    missing(out, report, style);
    warnings(out, &warnings_of(report), style);
    for line in machine(report) {
        wrapped(out, &line, 2, Ink::Plain, style);
    }
}

fn wrapped(out: &mut String, line: &str, indent: usize, ink: Ink, style: Style) {
    for line in text::wrapped(line, style.width, indent) {
        push(out, &line, ink, style);
    }
}

fn legend(rows: &[&Compared<'_>]) -> Vec<String> {
    let has = |kind: &str| rows.iter().any(|r| r.observation.evidence.kind() == kind);
    let mut notes: Vec<String> = ["measured", "emulated", "modelled"]
        .into_iter()
        .filter(|kind| has(kind))
        .map(|kind| format!("{kind}: {}", explainers::evidence(kind)))
        .collect();
    if rows.iter().any(|r| r.added.is_some()) {
        notes.push("added, ratio: beside the bare process, of measured medians only".to_owned());
    }
    let few = |r: &&&Compared<'_>| {
        r.summary
            .is_some_and(|s| s.n > 1 && matches!(s.range, Range::Extremes { .. }))
    };
    if rows.iter().any(|r| few(&r)) {
        notes.push("* least and greatest: too few samples for an interval".to_owned());
    }
    if !rows.is_empty() {
        notes.push("`isolab explain NUMBER` tells what a row is made of".to_owned());
    }
    notes
}

/// What else the report holds, and which verb shows it.
fn carried(report: &Report) -> Option<String> {
    let count = report.predictions.len();
    let were = if count == 1 {
        "prediction was"
    } else {
        "predictions were"
    };
    (count > 0)
        .then(|| format!("{count} {were} made before it: `isolab reveal` sets them beside it"))
}

fn missing(out: &mut String, report: &Report, style: Style) {
    for missing in &report.missing {
        let line = format!(
            "missing: {}, {}: {}",
            missing.subject, missing.workload, missing.why
        );
        wrapped(out, &line, 2, Ink::Alarm, style);
        if let Some(remedy) = &missing.remedy {
            let indented = format!("hint: {remedy}");
            for line in text::wrapped(&indented, style.width.saturating_sub(3), 2) {
                push(out, &format!("   {line}"), Ink::Plain, style);
            }
        }
    }
    if !report.missing.is_empty() {
        out.push('\n');
    }
}

fn warnings(out: &mut String, warnings: &[String], style: Style) {
    for warning in warnings {
        wrapped(out, &format!("warning: {warning}"), 2, Ink::Alarm, style);
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
}
