//! `predates-docker`: only publications can settle what happened when.
//!
//! The ledger cites them. What the lab adds is which of the kernel's steps this
//! very kernel has, since the same isolation is made of them today.

use std::path::Path;

use anyhow::Result;

use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling, Verdict};

pub(super) struct PredatesDocker;

/// What the timeline calls a kind of namespace, and its file below
/// `/proc/self/ns`.
const KINDS: [(&str, &str); 6] = [
    ("mount", "mnt"),
    ("uts", "uts"),
    ("pid", "pid"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

impl Experiment for PredatesDocker {
    fn id(&self) -> &'static str {
        "predates-docker"
    }

    fn about(&self) -> &'static str {
        "runs nothing: counts the years between cited events, and looks which of the kernel's \
         steps on the way are in this kernel"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        for event in &context.claim.timeline {
            let year = f64::from(event.year);
            findings.fact("year", &event.name, year, &*event.citation);
        }
        findings.step("took the years of the events from the publications that the ledger cites");
        for (name, file) in KINDS {
            let path = Path::new("/proc/self/ns").join(file);
            let command = format!("ls /proc/self/ns/{file}");
            findings.fact("in this kernel", name, path.exists(), command);
        }
        findings.step("looked which kinds of namespace this kernel has");
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let docker = findings.amount("year", "docker")?;
        let lxc = findings.amount("year", "lxc")?;
        let years = findings.facts.iter().filter(|fact| fact.name == "year");
        let years = years.filter_map(|fact| findings.amount("year", &fact.subject).ok());
        let earliest = years.fold(docker, f64::min);
        let effects = vec![
            Effect::counted(claim, "lxc", docker - lxc)?,
            Effect::counted(claim, "earlier", docker - earliest)?,
        ];
        let because =
            format!("Docker came in {docker}, LXC in {lxc}, the first form in {earliest}");
        let ruling = Ruling::of(effects, because);
        Ok(match ruling.verdict {
            Verdict::Supported => Ruling {
                verdict: Verdict::Sourced,
                ..ruling
            },
            _ => ruling,
        })
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |years: &[(&str, f64)]| {
            let mut findings = Findings::default();
            for (name, year) in years {
                findings.fact("year", name, *year, "c");
            }
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(&[("chroot", 1979.0), ("lxc", 2008.0), ("docker", 2013.0)]),
            refutes: found(&[("chroot", 1979.0), ("lxc", 2013.0), ("docker", 2008.0)]),
            too_little: found(&[("docker", 2013.0)]),
        }
    }
}
