//! `vm-own-resources`: what one more idle guest takes, beside one more container
//! with the same program.
//!
//! The program is the smallest there is, so that what a guest takes is the
//! guest's and not the program's. A guest's RAM is measured under an emulator
//! too: its kernel touches the same pages, whoever executes it. What QEMU takes
//! besides, and its processor time, are then the emulator's and settle nothing.

mod watched;

use anyhow::Result;

use super::several::kinds;
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Met, Ruling};
use crate::claims::unit::Unit;
use crate::compare::Progress;
use crate::observation::{Subject, Workload};
use crate::statistics::median;
use names::{EACH, IDLE, MORE, RAM, RAM_FIRST, RAM_MORE};
use watched::{Watched, rounds};

pub(super) struct VmOwnResources;

/// The numbers that the verdict looks for.
mod names {
    pub(super) const EACH: &str = "memory of each of four";
    pub(super) const RAM: &str = "guest's RAM, of each of four";
    pub(super) const REST: &str = "QEMU besides its guest's RAM, of each of four";
    pub(super) const MORE: &str = "memory of one more";
    pub(super) const RAM_MORE: &str = "guest's RAM of one more";
    pub(super) const FIRST: &str = "memory of the first alone";
    pub(super) const RAM_FIRST: &str = "guest's RAM of the first alone";
    pub(super) const IDLE: &str = "processor time in a second of idling";
}

impl Experiment for VmOwnResources {
    fn id(&self) -> &'static str {
        "vm-own-resources"
    }

    fn about(&self) -> &'static str {
        "holds 1, 2 and 4 idle guests, and as many containers, environments and processes, round \
         after round; reads the memory of each, a guest's RAM apart from the rest of QEMU, and the \
         processor time that four use while they do nothing"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let place = context.scratch.join("kinds");
        let kinds = kinds(&place, context.interrupt, &mut findings)?;
        let mut watched: Vec<Watched<'_>> = kinds.iter().map(Watched::new).collect();
        let rounds = rounds(context.settings);
        let mut rng = fastrand::Rng::with_seed(context.settings.seed);
        for round in 0..rounds {
            rng.shuffle(&mut watched);
            for (turn, kind) in watched.iter_mut().enumerate() {
                let turns = (rounds * kinds.len()) as f64;
                let done = (round * kinds.len() + turn) as f64 / turns;
                context.doing(done)?;
                if round < kind.rounds(context.settings) {
                    context.show(done, &kind.kind.name());
                    let place = context.scratch.join("held");
                    kind.take_turn(&place, context)?;
                }
            }
        }
        watched.sort_by_key(|kind| (kind.kind.workload(), kind.kind.subject()));
        for kind in watched {
            kind.tell(&mut findings);
        }
        findings.step(format!(
            "held 1, 2 and 4 of each kind in shuffled order, {rounds} rounds (fewer with Python, \
             which only illustrates): read the proportional set size of every process while they \
             idled, and how much processor time four used"
        ));
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let (vm, container) = (name(Subject::Vm), name(Subject::Container));
        let ram = findings.bootstrap(RAM, &vm)?;
        let beside = findings.bootstrap(EACH, &container)?;
        let more = median_of(findings, RAM_MORE, &vm)?;
        let first = median_of(findings, RAM_FIRST, &vm)?;
        if first <= 0.0 {
            return Err(Gap::new("the first guest's RAM takes nothing"));
        }
        let effects = vec![
            Effect::estimated(claim, "memory", ram.added_over(&beside))?,
            Effect::counted(claim, "unshared", more / first)?,
        ];
        let because = format!(
            "one more guest takes {} of RAM, one more container {} of its own pages, with the same \
             program",
            Unit::Bytes.shown(more),
            Unit::Bytes.shown(median_of(findings, MORE, &container)?)
        );
        let ruling = Ruling::of(effects, because);
        Ok(with_processor(ruling, claim, findings))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        crate::claims::experiment::Cases {
            supports: tests::found(60e6, 60e6, 1e6),
            refutes: tests::found(2e6, 2e6, 1e6),
            too_little: {
                let mut findings = tests::found(60e6, 60e6, 1e6);
                findings.numbers.retain(|number| number.name != RAM);
                findings
            },
        }
    }
}

/// The second half of the claim: an effect where it was measured, else a
/// reservation that says why it is not.
fn with_processor(mut ruling: Ruling, claim: &Claim, findings: &Findings) -> Ruling {
    let effect = || {
        let guest = findings.bootstrap(IDLE, &name(Subject::Vm))?;
        let container = findings.bootstrap(IDLE, &name(Subject::Container))?;
        Effect::estimated(claim, "processor", guest.added_over(&container))
    };
    match effect() {
        Err(gap) => ruling.but(format!("processor time is not settled here ({gap})")),
        Ok(effect) => {
            let met = effect.met();
            let used = effect.unit.shown(effect.value);
            ruling.effects.push(effect);
            match met {
                Met::Yes => ruling,
                Met::No | Met::Open => ruling.but(format!(
                    "an idle guest uses hardly any processor time more than a container: {used} \
                     in a second"
                )),
            }
        }
    }
}

/// How the kinds of the smallest program are called: by subject alone.
fn name(subject: Subject) -> String {
    super::several::name(subject, Workload::True)
}

fn median_of(findings: &Findings, number: &str, subject: &str) -> Result<f64, Gap> {
    let samples = findings.measured(number, subject)?;
    median(samples).ok_or_else(|| Gap::new(format!("no {number} of {subject}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;
    use crate::observation::Evidence;

    fn spread(around: f64) -> Evidence {
        let samples = (0..12).map(|i| around * (1.0 + 0.001 * f64::from(i)));
        Evidence::Measured {
            samples: samples.collect(),
        }
    }

    /// Guests whose RAM takes `each`, one more of which takes `more`, beside
    /// containers of `container` bytes.
    pub(super) fn found(each: f64, more: f64, container: f64) -> Findings {
        let mut findings = Findings::default();
        let (vm, beside) = (name(Subject::Vm), name(Subject::Container));
        findings.number(RAM, &vm, Unit::Bytes, spread(each));
        findings.number(RAM_FIRST, &vm, Unit::Bytes, spread(each));
        findings.number(RAM_MORE, &vm, Unit::Bytes, spread(more));
        findings.number(EACH, &beside, Unit::Bytes, spread(container));
        findings.number(MORE, &beside, Unit::Bytes, spread(container));
        findings.number(IDLE, &vm, Unit::Seconds, spread(0.004));
        findings.number(IDLE, &beside, Unit::Seconds, spread(0.0));
        findings
    }

    fn judged(findings: &Findings) -> Ruling {
        let ledger = Ledger::own();
        let claim = ledger.find("vm-own-resources").unwrap();
        rule(claim, &VmOwnResources, findings)
    }

    #[test]
    fn guests_that_share_their_memory_refute() {
        assert_eq!(judged(&found(60e6, 60e6, 1e6)).verdict, Verdict::Supported);
        assert_eq!(judged(&found(60e6, 6e6, 1e6)).verdict, Verdict::Refuted);
    }

    #[test]
    fn an_emulators_processor_time_leaves_that_half_open() {
        let mut findings = found(60e6, 60e6, 1e6);
        let vm = name(Subject::Vm);
        let of_vm = |number: &&mut crate::claims::findings::Number| {
            number.name == IDLE && number.subject == vm
        };
        let number = findings.numbers.iter_mut().find(of_vm).unwrap();
        number.evidence = Evidence::Emulated {
            samples: vec![1.0; 12],
            by: "an emulator".into(),
        };
        let ruling = judged(&findings);
        assert_eq!(ruling.verdict, Verdict::SupportedBut);
        assert!(ruling.said().contains("emulated"), "{}", ruling.said());
        assert_eq!(ruling.effects.len(), 2);
    }

    #[test]
    fn a_guest_that_idles_for_nothing_is_a_reservation() {
        let mut findings = found(60e6, 60e6, 1e6);
        for number in &mut findings.numbers {
            if number.name == IDLE {
                number.evidence = spread(1e-6);
            }
        }
        let ruling = judged(&findings);
        assert_eq!(ruling.verdict, Verdict::SupportedBut);
        assert!(ruling.said().contains("hardly any"), "{}", ruling.said());
    }
}
