//! `hello-world`: the first command that a container engine is proved with.
//!
//! Ours needs nothing: the program that greets is in this binary, and nothing
//! is downloaded. That the greeting came from a container and not from the host
//! is seen from outside, in the namespaces of the process that holds there.

use std::time::Instant;

use anyhow::{Result, ensure};
use isolab_engine::spec::{Settings, default_spec};

use super::{contained, engines};
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::claims::unit::Unit;
use crate::observation::Evidence;
use crate::program::Program;

pub(super) struct HelloWorld;

/// What the container says.
const GREETING: &str = "Hello from a container of Isolab";

impl Experiment for HelloWorld {
    fn id(&self) -> &'static str {
        "hello-world"
    }

    fn about(&self) -> &'static str {
        "starts a new container again and again, each of which has to say one line and end; \
         then docker and podman from the same files, where they run"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let root = context.scratch.join("rootfs");
        Program::make_true(context.scratch)?.lay_out_root(&root)?;
        let spec = |words: &[&str]| default_spec(&Settings::new(&root, words.iter().copied()));

        let runs = context.settings.runs;
        let (mut greeted, mut samples, mut failure) = (0, Vec::new(), None);
        for run in 0..runs {
            context.doing(f64::from(run) / f64::from(runs + 3))?;
            let began = Instant::now();
            let spec = spec(&["/true", "say", GREETING]);
            let ended = contained::run(&context.scratch.join("say"), spec, context.interrupt)?;
            samples.push(began.elapsed().as_secs_f64());
            if ended.status.success() && ended.stdout.trim_end() == GREETING {
                greeted += 1;
            } else {
                failure = Some(ended.told());
            }
        }
        findings.step(format!(
            "started {runs} containers, one after the other, each with `/true say` in a root file \
             system that holds nothing else; no network, nothing downloaded"
        ));
        let command = format!("isolab-oci: /true say '{GREETING}'");
        findings.fact("started", "container", f64::from(runs), &*command);
        findings.fact("greeted", "container", f64::from(greeted), &*command);
        if let Some(failure) = failure {
            findings.fact("last failure", "container", failure, &*command);
        }
        let evidence = Evidence::Measured { samples };
        findings.number(
            "time to the greeting's end",
            "container",
            Unit::Seconds,
            evidence,
        );

        let held = contained::start(&context.scratch.join("hold"), spec(&["/true", "hold"]))?;
        let apart = contained::namespaces_apart(held.pid())?;
        drop(held);
        findings.step("held one of them and compared its namespaces with the host's");
        let command = "readlink /proc/PID/ns/*, /proc/self/ns/*";
        findings.fact(
            "namespaces of its own",
            "container",
            apart.len() as f64,
            command,
        );
        findings.fact("which", "container", apart.join(" "), command);

        context.doing(0.9)?;
        engines::each(&root, &mut findings, |name, engine, findings| {
            let said = engine.run(&["/true", "say", GREETING])?;
            ensure!(!context.interrupt.raised(), "interrupted");
            let command = format!("{name} run … /true say '{GREETING}'");
            findings.fact("greets", name, said.trim_end() == GREETING, command);
            Ok(())
        });
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let started = findings.amount("started", "container")?;
        let greeted = findings.amount("greeted", "container")?;
        if started < 1.0 {
            return Err(Gap::new("no container was started"));
        }
        let apart = findings.amount("namespaces of its own", "container")?;
        let effects = vec![
            Effect::counted(claim, "greetings", greeted / started)?,
            Effect::counted(claim, "apart", apart)?,
        ];
        let mut ruling = Ruling::of(
            effects,
            format!("{greeted} of {started} starts greeted, from {apart} namespaces of their own"),
        );
        for engine in engines::NAMES {
            if findings.is("greets", engine) == Ok(false) {
                ruling = ruling.but(format!("{engine} did not greet"));
            }
        }
        Ok(ruling)
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |started: f64, greeted: f64, apart: f64| {
            let mut findings = Findings::default();
            findings.fact("started", "container", started, "c");
            findings.fact("greeted", "container", greeted, "c");
            findings.fact("namespaces of its own", "container", apart, "c");
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(10.0, 10.0, 7.0),
            refutes: found(10.0, 9.0, 7.0),
            too_little: found(0.0, 0.0, 7.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    #[test]
    fn a_greeting_from_the_host_refutes() {
        let ledger = Ledger::own();
        let claim = ledger.find("hello-world").unwrap();
        let mut findings = HelloWorld.cases().supports;
        findings
            .facts
            .retain(|fact| fact.name != "namespaces of its own");
        findings.fact("namespaces of its own", "container", 0.0, "c");
        assert_eq!(
            rule(claim, &HelloWorld, &findings).verdict,
            Verdict::Refuted
        );
    }

    #[test]
    fn with_ours_alone_docker_is_said_not_to_be_tested() {
        let ledger = Ledger::own();
        let claim = ledger.find("hello-world").unwrap();
        let mut findings = HelloWorld.cases().supports;
        let said = rule(claim, &HelloWorld, &findings).said();
        assert!(
            said.contains("shown with isolab, Docker not tested"),
            "{said}"
        );
        findings.fact("greets", "podman", true, "c");
        assert_eq!(rule(claim, &HelloWorld, &findings).said(), "supported");
    }
}
