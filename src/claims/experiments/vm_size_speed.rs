//! `vm-size-speed`: the comparison itself, judged.
//!
//! Size is what lies on the disk and can be counted under any accelerator.
//! Speed is a guest's own only where it is virtualized: an emulator's start-up
//! says nothing about virtual machines, and the verdict then says just that.

use anyhow::{Result, ensure};

use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::{Findings, Missing, Number};
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::compare;
use crate::isolation::Isolation as _;
use crate::isolation::guest::VirtualMachine;
use crate::observation::{Metric, Observation, State, Subject, Workload};
use crate::report;

pub(super) struct VmSizeSpeed;

const VM: &str = "vm";
const CONTAINER: &str = "container";

impl Experiment for VmSizeSpeed {
    fn id(&self) -> &'static str {
        "vm-size-speed"
    }

    fn about(&self) -> &'static str {
        "`isolab compare` over a process, an environment, a container and a guest, all with the \
         Python workload: what each takes on disk, and how long it takes to start after a pause"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        // Times of an emulator settle nothing: one boot shows that it boots.
        let emulated = VirtualMachine::find(context.scratch, context.interrupt)
            .is_ok_and(|machine| machine.is_slow());
        let settings = report::Settings {
            runs: context.settings.runs,
            seed: context.settings.seed,
            quick: context.settings.quick || emulated,
            subjects: Subject::ALL.to_vec(),
            workloads: vec![Workload::Python],
        };
        let report = compare::run(&settings, context.interrupt, context)?;
        ensure!(!report.interrupted, "interrupted");
        let mut findings = Findings::default();
        let (runs, seed) = (settings.runs, settings.seed);
        findings.step(format!(
            "ran the comparison of Python in a process, an environment, a container and a guest: \
             at most {runs} starts of each, shuffled by seed {seed}"
        ));
        let wanted = report.observations.into_iter().filter(is_wanted);
        findings.numbers.extend(wanted.map(number));
        for missing in report.missing {
            findings.missing.push(Missing {
                part: missing.subject.to_string(),
                why: missing.why,
                remedy: missing.remedy,
            });
        }
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let disk = |subject| findings.summary(Metric::Disk.name(), subject);
        let (guest, container) = (disk(VM)?.median, disk(CONTAINER)?.median);
        if container <= 0.0 {
            return Err(Gap::new(
                "the container takes nothing, so there is no ratio",
            ));
        }
        let size = Effect::counted(claim, "size", guest / container)?;
        let (mut effects, mut open) = (vec![size], Vec::new());
        for (name, metric) in [("memory", Metric::Memory), ("speed", Metric::Startup)] {
            match ratio(claim, findings, name, metric) {
                Ok(effect) => effects.push(effect),
                Err(gap) => open.push(format!("{name} is not settled here ({gap})")),
            }
        }
        let because = "the same program with the same files in both; a guest that holds a \
                       distribution besides is another claim, vm-700mb";
        let ruling = Ruling::of(effects, because);
        Ok(open.into_iter().fold(ruling, Ruling::but))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        use crate::claims::unit::Unit;
        use crate::observation::Evidence;
        let found = |vm: (f64, f64), container: (f64, f64)| {
            let mut findings = Findings::default();
            for (subject, (bytes, seconds)) in [(VM, vm), (CONTAINER, container)] {
                let disk = Evidence::Measured {
                    samples: vec![bytes],
                };
                let start = (0..12).map(|i| seconds * (1.0 + 0.01 * f64::from(i)));
                let start = Evidence::Measured {
                    samples: start.collect(),
                };
                findings.number(Metric::Disk.name(), subject, Unit::Bytes, disk);
                findings.number(Metric::Startup.name(), subject, Unit::Seconds, start);
            }
            findings
        };
        let (large, small) = ((900e6, 4.0), (30e6, 0.02));
        let mut too_little = found(large, small);
        too_little.numbers.retain(|number| number.subject == VM);
        crate::claims::experiment::Cases {
            supports: found(large, small),
            refutes: found(small, large),
            too_little,
        }
    }
}

/// How many times the container's the guest's metric is.
fn ratio(claim: &Claim, findings: &Findings, name: &str, metric: Metric) -> Result<Effect, Gap> {
    let guest = findings.bootstrap(metric.name(), VM)?;
    let container = findings.bootstrap(metric.name(), CONTAINER)?;
    let ratio = guest.ratio_to(&container);
    let ratio = ratio.ok_or_else(|| Gap::new("the container's may be nothing"))?;
    Effect::estimated(claim, name, ratio)
}

/// What the verdict rests on, and what explains it.
fn is_wanted(observed: &Observation) -> bool {
    let wanted = match observed.metric {
        Metric::Startup => observed.state == Some(State::AfterIdle),
        Metric::Disk | Metric::DiskOneMore | Metric::Memory => true,
        Metric::Teardown | Metric::Provision | Metric::MemorySlope => false,
    };
    // What the model adds to what ran would stand here twice.
    wanted && observed.evidence.samples().is_some()
}

fn number(observed: Observation) -> Number {
    Number {
        name: observed.metric.name().to_owned(),
        subject: observed.subject.name().to_owned(),
        unit: observed.unit.into(),
        evidence: observed.evidence,
        conditions: observed.conditions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;
    use crate::observation::Evidence;

    /// An emulator that takes a thousand times as long proves nothing.
    #[test]
    fn an_emulated_guest_is_judged_by_its_size_alone() {
        let ledger = Ledger::own();
        let claim = ledger.find("vm-size-speed").unwrap();
        let mut findings = VmSizeSpeed.cases().supports;
        for number in &mut findings.numbers {
            if number.subject == VM && number.name != Metric::Disk.name() {
                number.evidence = Evidence::Emulated {
                    samples: vec![1000.0; 20],
                    by: "QEMU TCG".into(),
                };
            }
        }
        let ruling = rule(claim, &VmSizeSpeed, &findings);
        assert_eq!(ruling.verdict, Verdict::SupportedBut);
        assert!(ruling.said().contains("emulated"), "{}", ruling.said());
        assert_eq!(ruling.effects.len(), 1);
    }
}
