//! The tutorial's claims, each with a verdict that follows from what was found
//! on this machine, in this run.
//!
//! The [`ledger`] says what is claimed and how large an effect has to be. An
//! [`experiment`] finds out, and its pure function `verdict` judges what was
//! found by the ledger's thresholds. A [`Record`] carries both to the terminal
//! or a file, and whoever reads that file computes the verdicts again.

pub mod experiment;
pub mod experiments;
pub mod findings;
pub mod ledger;
pub mod record;
pub mod render;
pub mod ruling;
pub mod unit;

use std::fs;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result};

use crate::compare::Progress;
use crate::interrupt::Interrupt;
use crate::report::Environment;
use crate::scratch::Scratch;

use experiment::{Context, Experiment, Settings};
use findings::Findings;
use ledger::Claim;
pub use record::{Record, Settled};
use ruling::{Ruling, Verdict};
pub use unit::Unit;

/// Runs the experiments of `claims`, one after the other.
///
/// What one cannot find out here becomes its verdict, and the others go on.
/// After an interrupt the record holds what had been settled by then.
///
/// # Errors
/// If there is nowhere to write to.
pub fn run(
    claims: &[&Claim],
    settings: Settings,
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<Record> {
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    progress.show(0.0, "looking around");
    // What commands that were killed left of theirs; how much does not matter.
    let _ = isolab_oci::cgroup::sweep();
    let scratch = Scratch::new()?;
    let mut environment = Environment::capture(scratch.path());
    let mut settled = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let place = scratch.path().join(&claim.id);
        fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
        let part = |index: usize| index as f64 / claims.len() as f64;
        let context = Context {
            claim,
            scratch: &place,
            interrupt,
            settings,
            progress,
            share: (part(index), part(index + 1)),
        };
        let one = settle(claim, &context);
        // What an interrupt cuts short is no finding.
        if interrupt.raised() {
            break;
        }
        settled.push(one);
        // A guest's disks must not stay until the last claim is settled.
        let _ = fs::remove_dir_all(&place);
    }
    progress.show(1.0, "done");
    environment.finish();
    let reached = settled.len();
    let mut record = Record {
        schema: record::SCHEMA.to_owned(),
        created,
        environment,
        settings,
        claims: settled,
        unreached: claims[reached..].iter().map(|c| c.id.clone()).collect(),
        interrupted: interrupt.raised(),
    };
    record.redact();
    Ok(record)
}

/// Runs one claim's experiment and judges what it found.
fn settle(claim: &Claim, context: &Context<'_>) -> Settled {
    let began = Instant::now();
    let (findings, ruling) = match experiments::find(&claim.id) {
        None => (looked_into(claim, context), waiting(claim)),
        Some(experiment) => match experiment.run(context) {
            Ok(findings) => {
                let ruling = rule(claim, experiment, &findings);
                (findings, ruling)
            }
            Err(error) => {
                let mut findings = Findings::default();
                findings.lack("the experiment", &error);
                let ruling = rule(claim, experiment, &findings);
                (findings, ruling)
            }
        },
    };
    Settled {
        id: claim.id.clone(),
        statement: claim.statement.clone(),
        seconds: began.elapsed().as_secs_f64(),
        ruling,
        findings,
    }
}

/// What is found out of a claim that waits for its experiment.
fn looked_into(claim: &Claim, context: &Context<'_>) -> Findings {
    let Some(inquiry) = experiments::inquiry(&claim.id) else {
        return Findings::default();
    };
    inquiry.run(context).unwrap_or_else(|error| {
        let mut findings = Findings::default();
        findings.lack("what can be found out already", &error);
        findings
    })
}

/// The verdict on `claim` by `findings`: a pure function of the two.
#[must_use]
pub fn rule(claim: &Claim, experiment: &dyn Experiment, findings: &Findings) -> Ruling {
    let ruling = match experiment.verdict(claim, findings) {
        Ok(ruling) => ruling,
        Err(gap) => match findings.missing.first().filter(|_| gap.is_untried()) {
            Some(missing) => Ruling {
                remedy: missing.remedy.clone(),
                ..Ruling::bare(Verdict::NotTestedHere, &missing.why)
            },
            None => Ruling::bare(Verdict::Inconclusive, gap.to_string()),
        },
    };
    let settled = matches!(
        ruling.verdict,
        Verdict::Supported | Verdict::SupportedBut | Verdict::Refuted
    );
    if claim.docker && settled && !findings.has_a_peer() {
        return ruling.but("shown with isolab, Docker not tested");
    }
    ruling
}

/// What a claim without an experiment says instead of a verdict.
fn waiting(claim: &Claim) -> Ruling {
    match claim.waits_for.as_slice() {
        [] => Ruling::bare(
            Verdict::NotTestedHere,
            "this version has no experiment for it",
        ),
        parts => Ruling::bare(Verdict::WaitsFor, parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;

    /// What was tried and did not tell is not excused by something else that this
    /// machine lacks.
    #[test]
    fn what_is_missing_is_no_reason_for_what_was_tried() {
        let ledger = Ledger::own();
        let claim = ledger.find("hello-world").unwrap();
        let experiment = experiments::find(&claim.id).unwrap();
        let mut findings = Findings::default();
        findings.lack("docker", &anyhow::anyhow!("docker is not installed"));
        let untried = rule(claim, experiment, &findings);
        assert_eq!(untried.said(), "not tested here: docker is not installed");
        for name in ["started", "greeted"] {
            findings.fact(name, "container", 0.0, "c");
        }
        let tried = rule(claim, experiment, &findings);
        assert_eq!(tried.verdict, Verdict::Inconclusive);
        assert_eq!(tried.because, "container was not started");
    }
}
