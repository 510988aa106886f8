//! One claim: what it says, what would settle it and why so much, and the last
//! result where there is one.

use super::list::{State, state};
use super::verdicts::{Detail, settled};
use super::{Ink, Paper, Style};
use crate::claims::experiment::{Experiment, Inquiry};
use crate::claims::experiments;
use crate::claims::ledger::Claim;
use crate::claims::record::Settled;

/// The claim explained; `last` is what a saved run found.
#[must_use]
pub fn explain(claim: &Claim, last: Option<&Settled>, style: Style) -> String {
    let mut paper = Paper::new(style);
    paper.line(Ink::Strong, &claim.id, 2);
    for (label, said) in [
        ("claim", &claim.statement),
        ("source", &claim.source),
        ("measured", &claim.metric),
        ("beside", &claim.comparison),
        ("workload", &claim.workload),
    ] {
        paper.labelled(Ink::Plain, label, said);
    }
    let needs = match claim.needs.as_slice() {
        [] => "nothing".to_owned(),
        needs => needs.join(", "),
    };
    paper.labelled(Ink::Plain, "needs", &needs);
    if claim.docker {
        let said = "it is about Docker: settled with docker or podman where one runs";
        paper.labelled(Ink::Plain, "docker", said);
    }
    let experiment = experiments::find(&claim.id).map(Experiment::about);
    let inquiry = || experiments::inquiry(&claim.id).map(Inquiry::about);
    if let Some(about) = experiment.or_else(inquiry) {
        paper.labelled(Ink::Plain, "does", about);
    }
    for threshold in claim.thresholds.values() {
        let said = format!(
            "{}: {} {}, because {}",
            threshold.effect,
            threshold.bound.words(),
            threshold.unit.shown(threshold.value),
            threshold.why
        );
        paper.labelled(Ink::Plain, "threshold", &said);
    }
    for event in &claim.timeline {
        let said = format!("{}: {} ({})", event.year, event.what, event.citation);
        paper.labelled(Ink::Plain, "known", &said);
    }
    paper.labelled(
        Ink::Plain,
        "chapter",
        &format!("book/src/{}", claim.chapter),
    );
    match state(claim) {
        State::Waits(parts) => {
            paper.labelled(Ink::Faint, "state", &format!("waits for {parts}"));
            if inquiry().is_some() {
                let run = format!("isolab claims run {}: what is found already", claim.id);
                paper.labelled(Ink::Plain, "run it", &run);
            }
        }
        State::CanRun | State::Sourced => {
            let run = format!("isolab claims run {}", claim.id);
            paper.labelled(Ink::Plain, "run it", &run);
        }
    }
    if let Some(last) = last {
        paper.gap();
        paper.line(Ink::Plain, "The last result:", 2);
        settled(&mut paper, last, Detail::Facts);
    }
    paper.text
}
