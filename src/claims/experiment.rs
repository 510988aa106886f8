//! What settles a claim: an experiment that finds out, and one pure function
//! that judges what it found.
//!
//! The two are apart so that a verdict can be computed again from a saved file,
//! and so that a test can hand it other evidence and see it turn.

use std::path::Path;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::findings::Findings;
use super::ledger::Claim;
use super::ruling::{Gap, Ruling};
use crate::compare::Progress;
use crate::interrupt::Interrupt;

/// One claim's experiment.
pub trait Experiment: Sync {
    /// The claim's id in the ledger.
    fn id(&self) -> &'static str;

    /// What it does, in a sentence, for whoever has not run it.
    fn about(&self) -> &'static str;

    /// Finds out. A part that this machine lacks goes into
    /// [`Findings::missing`]; the rest goes on.
    ///
    /// # Errors
    /// If nothing can be found out here. [`crate::hint::with`] carries the remedy.
    fn run(&self, context: &Context<'_>) -> Result<Findings>;

    /// Judges findings, wherever they come from, by the ledger's thresholds.
    ///
    /// # Errors
    /// A [`Gap`] if the findings do not hold what a verdict needs.
    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap>;

    /// Findings for which the verdict is known beforehand.
    #[cfg(test)]
    fn cases(&self) -> Cases;
}

/// What can be found out of a claim before the part is built that its experiment waits for.
///
/// It has no verdict: whatever it finds, the claim still waits.
pub trait Inquiry: Sync {
    /// The claim's id in the ledger.
    fn id(&self) -> &'static str;

    /// What it does, in a sentence, for whoever has not run it.
    fn about(&self) -> &'static str;

    /// Finds out, as [`Experiment::run`].
    ///
    /// # Errors
    /// As there.
    fn run(&self, context: &Context<'_>) -> Result<Findings>;
}

/// Findings for which a verdict is known beforehand: the same three for every
/// experiment, so that none can do without.
#[cfg(test)]
pub struct Cases {
    /// Supported, perhaps with a reservation; or sourced.
    pub supports: Findings,
    /// The evidence swapped: refuted.
    pub refutes: Findings,
    /// Neither.
    pub too_little: Findings,
}

/// How an experiment is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Samples of what is timed.
    pub runs: u32,
    /// The seed of whatever is drawn by lot.
    pub seed: u64,
    /// Whether to be done soon.
    pub quick: bool,
}

/// What an experiment has to work with.
pub struct Context<'a> {
    /// The claim to be settled. What it asks for is no business of a run; its
    /// timeline is.
    pub claim: &'a Claim,
    /// An empty directory of its own, removed when the command ends.
    pub scratch: &'a Path,
    /// Whether the user wants it to stop.
    pub interrupt: &'a Interrupt,
    /// How it is to be run.
    pub settings: Settings,
    pub(super) progress: &'a dyn Progress,
    /// The part of the whole run that is this experiment's.
    pub(super) share: (f64, f64),
}

impl Context<'_> {
    /// Tells whoever waits how far it has come, from 0 to 1.
    ///
    /// # Errors
    /// If the user interrupted: an experiment that asks here between its steps
    /// stops between its steps.
    pub fn doing(&self, done: f64) -> Result<()> {
        self.show(done, "");
        ensure!(!self.interrupt.raised(), "interrupted");
        Ok(())
    }
}

impl Progress for Context<'_> {
    fn show(&self, done: f64, doing: &str) {
        let (from, to) = self.share;
        let gap = if doing.is_empty() { "" } else { ": " };
        self.progress.show(
            from + (to - from) * done.clamp(0.0, 1.0),
            &format!("{}{gap}{doing}", self.claim.id),
        );
    }
}
