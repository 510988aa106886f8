//! `vm-whole-system`: who answers for the system, asked from inside.
//!
//! A container has a first process of its own as well, so that alone tells a guest
//! from nothing. What counts is what the guest answers otherwise than the host and
//! the container does not.

use anyhow::Result;

use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::inside::{Asked, Attempt, Canary, PlaceName, Site, place};

pub(super) struct VmWholeSystem;

/// The attempts behind the questions, and what is only told.
const ATTEMPTS: [Attempt; 4] = [
    Attempt::BootId,
    Attempt::KernelRelease,
    Attempt::FirstProcess,
    Attempt::Memory,
];

const KERNEL: &str = "identity of the kernel";
const RELEASE: &str = "release of the kernel";
const FIRST: &str = "name of the first process";
const MEMORY: &str = "memory of the system";
const CACHE: &str = "memory that caches files";

/// The questions, of which each can be the system's own.
const QUESTIONS: [&str; 3] = [KERNEL, FIRST, MEMORY];

const HOST: &str = "process";
const CONTAINER: &str = "container";
const GUEST: &str = "vm";

impl Experiment for VmWholeSystem {
    fn id(&self) -> &'static str {
        "vm-whole-system"
    }

    fn about(&self) -> &'static str {
        "boots a guest and asks from inside it which kernel serves it, what its first process is \
         called and how much memory there is, and asks the same in a container, in a virtual \
         environment and on the host"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let site = Site::prepare(context.scratch)?;
        let canary = Canary::start(context.scratch)?;
        let places = [
            PlaceName::Process,
            PlaceName::Venv,
            PlaceName::Container,
            PlaceName::Vm,
        ];
        for (index, name) in places.into_iter().enumerate() {
            context.doing(index as f64 / places.len() as f64)?;
            let ask = |place: Box<dyn place::Place + '_>| {
                place.ask(&ATTEMPTS, canary.traces(), context.interrupt)
            };
            match place::find(name, &site, context.interrupt).and_then(ask) {
                Ok(asked) => note(&mut findings, name, &asked),
                Err(error) => findings.lack(name.name(), &error),
            }
        }
        findings.step(
            "had the same program read /proc/sys/kernel/random/boot_id, /proc/1/comm and \
             /proc/meminfo and call uname() on the host, in a virtual environment, in a container \
             and in a guest with our own init",
        );
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let mut own = Vec::new();
        for question in QUESTIONS {
            let host = findings.text(question, HOST)?;
            let guest = findings.text(question, GUEST)?;
            let container = findings.text(question, CONTAINER)?;
            if guest != host && container == host {
                own.push(question);
            }
        }
        let release = |of| findings.text(RELEASE, of).unwrap_or("not known");
        let because = match own.as_slice() {
            [] => "the guest answers nothing otherwise than the host that a container answers \
                   as the host does"
                .to_owned(),
            own => format!(
                "of its own the guest has, and the container has not: {} ({} inside, {} on the \
                 host)",
                own.join(", "),
                release(GUEST),
                release(HOST)
            ),
        };
        let effect = Effect::counted(claim, "own", own.len() as f64)?;
        Ok(Ruling::of(vec![effect], because))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |guest: &str, container: &str| {
            let mut findings = Findings::default();
            for question in QUESTIONS {
                findings.fact(question, HOST, "the host's", "c");
                findings.fact(question, CONTAINER, container, "c");
                findings.fact(question, GUEST, guest, "c");
            }
            findings
        };
        let mut too_little = found("its own", "the host's");
        too_little.facts.retain(|fact| fact.subject != GUEST);
        crate::claims::experiment::Cases {
            supports: found("its own", "the host's"),
            refutes: found("the host's", "the host's"),
            too_little,
        }
    }
}

/// Notes what a place answered.
fn note(findings: &mut Findings, name: PlaceName, asked: &Asked) {
    let mut fact = |question: &str, learnt: Option<&str>| {
        if let Some(learnt) = learnt {
            findings.fact(question, name.name(), learnt, &*asked.command);
        }
    };
    let learnt = |attempt| asked.answer.learnt(attempt);
    fact(KERNEL, learnt(Attempt::BootId));
    // Of release and version the release: the version says when it was built.
    let release = learnt(Attempt::KernelRelease);
    fact(RELEASE, release.and_then(|text| text.split(' ').next()));
    fact(FIRST, learnt(Attempt::FirstProcess));
    // What there is of memory stays as it is; how much of it is cache does not.
    let memory = learnt(Attempt::Memory).and_then(|text| text.split_once(", "));
    fact(MEMORY, memory.map(|(total, _)| total));
    fact(CACHE, memory.map(|(_, cached)| cached));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    /// What a container has of its own as well does not tell a guest from it.
    #[test]
    fn what_the_container_answers_otherwise_too_does_not_count() {
        let ledger = Ledger::own();
        let claim = ledger.find("vm-whole-system").unwrap();
        let mut findings = VmWholeSystem.cases().supports;
        for fact in &mut findings.facts {
            if fact.subject == CONTAINER {
                fact.outcome = "its own".into();
            }
        }
        assert_eq!(
            rule(claim, &VmWholeSystem, &findings).verdict,
            Verdict::Refuted
        );
    }
}
