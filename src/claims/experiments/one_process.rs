//! `one-process`: whether a container can hold more than one.
//!
//! Its first process starts others, one of which leaves an orphan, and counts
//! what runs in its own process namespace. That it reaps the orphan too is what
//! makes it an init: 'one process a container' is a convention, not a limit.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::python_root::PythonRoot;
use super::{contained, engines};
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};

pub(super) struct OneProcess;

/// The program that starts the others.
const SCRIPT: &str = include_str!("processes.py");

const AT_ONCE: &str = "processes that ran at once";
const REAPED: &str = "processes that the first one reaped";
const CONTAINER: &str = "container";

#[derive(Deserialize)]
struct Counted {
    pid: u32,
    running: u32,
    reaped: u32,
}

impl Experiment for OneProcess {
    fn id(&self) -> &'static str {
        "one-process"
    }

    fn about(&self) -> &'static str {
        "runs a program as the first process of a container, which starts four others, one of them \
         an orphan, counts all that run, and reaps them; in ours, and in docker and podman where \
         they run"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let base = venv_sim::discover(None)?;
        let root = PythonRoot::make(context.scratch, base, "processes.py", SCRIPT)?;
        context.doing(0.4)?;
        let place = context.scratch.join("run");
        fs::create_dir_all(&place).context("cannot make the container's directory")?;
        let ended = contained::run(&place, root.spec(&[]), context.interrupt)?;
        ensure!(ended.status.success(), "cannot count: {}", ended.told());
        note(CONTAINER, &ended.stdout, &mut findings)?;
        findings.step("started four processes from the first one of a container, and counted them");
        context.doing(0.6)?;
        engines::each(&root.path, &mut findings, |name, engine, findings| {
            note(name, &engine.run(&root.command())?, findings)
        });
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let of = |subject: &str| findings.amount(AT_ONCE, subject);
        // The claim is about the engines: ours stands in where neither runs.
        let engines = engines::NAMES.iter().filter_map(|name| of(name).ok());
        let most = engines.fold(None, |most: Option<f64>, count| {
            Some(most.map_or(count, |most| most.max(count)))
        });
        let most = most.map_or_else(|| of(CONTAINER), Ok)?;
        let effect = Effect::counted(claim, "processes", most)?;
        let ours = of(CONTAINER)?;
        let mut because = format!("{most} ran at once in one container, {ours} in ours");
        if most > 1.0 {
            because += "; that each has one is a custom, by which one can be replaced while the \
                        others run";
        }
        Ok(Ruling::of(vec![effect], because))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |counts: &[(&str, f64)]| {
            let mut findings = Findings::default();
            for (subject, count) in counts {
                findings.fact(AT_ONCE, subject, *count, "c");
            }
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(&[(CONTAINER, 5.0), ("podman", 1.0)]),
            refutes: found(&[(CONTAINER, 1.0), ("podman", 5.0)]),
            too_little: found(&[("podman", 5.0)]),
        }
    }
}

fn note(subject: &str, said: &str, findings: &mut Findings) -> Result<()> {
    let counted: Counted = serde_json::from_str(said).context("cannot read what it counted")?;
    let command = "python -I /processes.py";
    findings.fact("is process 1", subject, counted.pid == 1, command);
    findings.fact(AT_ONCE, subject, f64::from(counted.running), command);
    findings.fact(REAPED, subject, f64::from(counted.reaped), command);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;

    #[test]
    fn what_is_a_limit_is_not_called_a_custom() {
        let ledger = Ledger::own();
        let claim = ledger.find("one-process").unwrap();
        let because = |findings: &Findings| OneProcess.verdict(claim, findings).unwrap().because;
        assert!(!because(&OneProcess.cases().supports).contains("custom"));
        let mut several = Findings::default();
        several.fact(AT_ONCE, CONTAINER, 5.0, "c");
        assert!(because(&several).contains("custom"));
    }
}
