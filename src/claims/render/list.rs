//! The ledger at a glance: each claim, and whether it can be run.

use super::{Ink, Paper, Style};
use crate::claims::experiments;
use crate::claims::ledger::{Claim, Ledger};

/// Every claim with its state.
#[must_use]
pub fn list(ledger: &Ledger, style: Style) -> String {
    let mut paper = Paper::new(style);
    for claim in ledger.claims() {
        paper.line(Ink::Strong, &claim.id, 2);
        paper.labelled(Ink::Plain, "claim", &claim.statement);
        let (ink, state) = match state(claim) {
            State::CanRun => (Ink::Good, "can be run".to_owned()),
            State::Sourced => (Ink::Good, "settled by sources".to_owned()),
            State::Waits(parts) => (Ink::Faint, format!("waits for {parts}")),
        };
        paper.labelled(ink, "state", &state);
    }
    paper.gap();
    paper.line(
        Ink::Plain,
        "`isolab claims run ID` settles one, `isolab claims run` all; \
         `isolab claims explain ID` says how.",
        2,
    );
    paper.text
}

/// Whether a claim can be settled by this version.
pub(super) enum State {
    CanRun,
    Sourced,
    Waits(String),
}

pub(super) fn state(claim: &Claim) -> State {
    if experiments::find(&claim.id).is_none() {
        let parts = match claim.waits_for.as_slice() {
            [] => "an experiment".to_owned(),
            parts => parts.join(", "),
        };
        return State::Waits(parts);
    }
    if !claim.timeline.is_empty() {
        return State::Sourced;
    }
    State::CanRun
}
