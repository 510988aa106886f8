//! `hello-world`: the first command that a container engine is proved with.
//!
//! Ours needs nothing: the program that greets is in this binary, and nothing
//! is downloaded. That the greeting came from a container and not from the host
//! is seen from outside, in the namespaces of the process that holds there.

use std::time::Instant;

use anyhow::Result;
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
/// The program and its arguments.
const SAY: [&str; 3] = ["/true", "say", GREETING];

const CONTAINER: &str = "container";
const STARTED: &str = "started";
const GREETED: &str = "greeted";
const APART: &str = "namespaces of its own";

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
        let place = context.scratch.join("say");
        let ours = Greeter {
            context,
            subject: CONTAINER,
            command: "isolab-oci: /true say …",
            how: "by our library, within this process",
            share: (0.0, 0.4),
        };
        ours.greet(&mut findings, || {
            let ended = contained::run(&place, spec(&SAY), context.interrupt)?;
            Ok(match ended.status.success() {
                true => ended.stdout,
                false => ended.told(),
            })
        })?;
        let runs = context.settings.runs;
        findings.step(format!(
            "started {runs} containers, one after the other, each with `/true say` in a root file \
             system that holds nothing else; no network, nothing downloaded"
        ));

        let held = contained::start(&context.scratch.join("hold"), spec(&["/true", "hold"]))?;
        let apart = contained::namespaces_apart(held.pid())?;
        drop(held);
        findings.step("held one of them and compared its namespaces with the host's");
        let command = "readlink /proc/PID/ns/*, /proc/self/ns/*";
        findings.fact(APART, CONTAINER, apart.len() as f64, command);
        findings.fact("which", CONTAINER, apart.join(" "), command);

        engines::each(&root, &mut findings, |name, engine, findings| {
            let theirs = Greeter {
                context,
                subject: name,
                command: &format!("{name} run … /true say …"),
                how: "by its command, which starts a monitor and keeps books besides",
                share: (0.4, 1.0),
            };
            // Once beforehand: an engine that cannot start anything is missing.
            engine.run(&SAY)?;
            theirs.greet(findings, || engine.run(&SAY))
        });
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let share = |subject: &str| -> Result<(f64, f64), Gap> {
            match findings.amount(STARTED, subject)? {
                started if started < 1.0 => Err(Gap::new(format!("{subject} was not started"))),
                started => Ok((findings.amount(GREETED, subject)?, started)),
            }
        };
        let (greeted, started) = share(CONTAINER)?;
        let apart = findings.amount(APART, CONTAINER)?;
        let mut effects = vec![
            Effect::counted(claim, "greetings", greeted / started)?.of(CONTAINER),
            Effect::counted(claim, "apart", apart)?,
        ];
        let mut said = vec![format!("{greeted} of {started} in ours")];
        for engine in engines::NAMES {
            if let Ok((greeted, started)) = share(engine) {
                let effect = Effect::counted(claim, "greetings", greeted / started)?;
                effects.push(effect.of(engine));
                said.push(format!("{greeted} of {started} in {engine}"));
            }
        }
        let because = format!(
            "{} greeted, ours from {apart} namespaces that the host is not in",
            said.join(", ")
        );
        Ok(Ruling::of(effects, because))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |started: f64, greeted: f64, apart: f64| {
            let mut findings = Findings::default();
            findings.fact(STARTED, CONTAINER, started, "c");
            findings.fact(GREETED, CONTAINER, greeted, "c");
            findings.fact(APART, CONTAINER, apart, "c");
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(10.0, 10.0, 7.0),
            refutes: found(10.0, 9.0, 7.0),
            too_little: found(0.0, 0.0, 7.0),
        }
    }
}

/// One who is asked for greetings, again and again.
struct Greeter<'a> {
    context: &'a Context<'a>,
    subject: &'a str,
    command: &'a str,
    /// How it is started, where times are compared.
    how: &'a str,
    /// The part of the experiment that this takes.
    share: (f64, f64),
}

impl Greeter<'_> {
    /// Counts and times the greetings.
    fn greet(&self, findings: &mut Findings, ask: impl Fn() -> Result<String>) -> Result<()> {
        let (subject, runs) = (self.subject, self.context.settings.runs);
        let (mut greeted, mut samples, mut other) = (0, Vec::new(), None);
        for run in 0..runs {
            let (from, to) = self.share;
            self.context
                .doing(from + (to - from) * f64::from(run) / f64::from(runs))?;
            let began = Instant::now();
            let said = ask()?;
            samples.push(began.elapsed().as_secs_f64());
            if said.trim_end() == GREETING {
                greeted += 1;
            } else {
                other = Some(said);
            }
        }
        findings.fact(STARTED, subject, f64::from(runs), self.command);
        findings.fact(GREETED, subject, f64::from(greeted), self.command);
        if let Some(other) = other {
            findings.fact("said instead", subject, other, self.command);
        }
        let evidence = Evidence::Measured { samples };
        findings.number(
            "time to the greeting's end",
            subject,
            Unit::Seconds,
            evidence,
        );
        findings.condition("started", self.how);
        Ok(())
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
        findings.fact(APART, CONTAINER, 0.0, "c");
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
        for name in [STARTED, GREETED] {
            findings.fact(name, "podman", 10.0, "c");
        }
        assert_eq!(rule(claim, &HelloWorld, &findings).said(), "supported");
    }

    #[test]
    fn an_engine_that_greets_only_now_and_then_refutes() {
        let ledger = Ledger::own();
        let claim = ledger.find("hello-world").unwrap();
        let mut findings = HelloWorld.cases().supports;
        findings.fact(STARTED, "docker", 10.0, "c");
        findings.fact(GREETED, "docker", 9.0, "c");
        let ruling = rule(claim, &HelloWorld, &findings);
        assert_eq!(ruling.verdict, Verdict::Refuted);
    }
}
