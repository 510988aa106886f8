//! Holding a few to find out what one more takes, and others, many, to see
//! whether that holds.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use vm_model::model::density::Cost;

use super::curve::{Host, Rest, given, note_curve, note_modelled};
use super::names::{COST, LOST, OBSERVED, PREDICTED, STARTED};
use crate::claims::experiment::Context;
use crate::claims::experiments::several::{Kind, isolation};
use crate::claims::findings::Findings;
use crate::claims::unit::Unit;
use crate::compare::Progress;
use crate::footprint::{available_bytes, kernel_bytes};
use crate::holders::{Holders, Memory, let_kernel_memory_return, there_is_room};
use crate::isolation::Provisioned;
use crate::observation::{Evidence, Metric, Subject, Workload};
use crate::statistics::{slope, summarize};

/// How many of a subject are held to find out what one more takes, and how many
/// to see whether that holds for many.
pub(super) struct Plan {
    pub(super) subject: Subject,
    pub(super) calibrate: &'static [usize],
    rounds: usize,
    check: usize,
    checks: usize,
}

impl Plan {
    pub(super) fn of(subject: Subject, quick: bool) -> Self {
        let calibrate: &[usize] = match subject {
            Subject::Vm => &[1, 2, 4],
            // The kernel keeps at hand some of what containers before these gave
            // back, and these get it first: thirty-two use that up.
            _ => &[32, 40, 48, 64],
        };
        let (rounds, check, checks) = match (subject, quick) {
            (Subject::Vm, true) => (3, 6, 1),
            (Subject::Vm, false) => (5, 8, 2),
            (_, true) => (10, 128, 3),
            (_, false) => (15, 128, 5),
        };
        Self {
            subject,
            calibrate,
            rounds,
            check,
            checks,
        }
    }

    /// How many are held before the first reading: what they find or make for all
    /// is not what one more takes.
    pub(super) fn apart(&self) -> usize {
        self.calibrate[0]
    }

    /// What several of them are called.
    pub(super) fn several(&self) -> &'static str {
        match self.subject {
            Subject::Process => "processes",
            Subject::Venv => "environments",
            Subject::Container => "containers",
            Subject::Vm => "guests",
        }
    }
}

/// Half of the experiment.
pub(super) struct Part<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) from: f64,
}

impl Part<'_> {
    pub(super) fn doing(&self, done: f64, doing: &str) -> Result<()> {
        let done = self.from + 0.5 * done;
        self.context.doing(done)?;
        self.context.show(done, doing);
        Ok(())
    }
}

/// Calibrates on a few, checks on many, and calculates how many fit.
pub(super) fn hold(
    plan: &Plan,
    place: &Path,
    part: &Part<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let isolation = isolation(plan.subject, part.context.scratch, part.context.interrupt)?;
    let kind = Kind::new(isolation, Workload::True, place)?;
    let home = place.join("standing");
    fs::create_dir(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let standing = kind.provision(&home)?;
    let host = Host::look(standing.as_ref(), place)?;
    let trial = Trial {
        plan,
        kind: &kind,
        standing: standing.as_ref(),
        part,
    };

    let (costs, tasks) = trial.calibrate()?;
    let calibrated = cost_of(&costs).context("nothing was held")?;
    let rest = Rest::of(&kind)?;
    note_costs(findings, plan, costs, calibrated, tasks);

    let held = trial.safe_number(calibrated.and(rest.cost))?;
    let checked = trial.check(held)?;
    let emulated_by = kind.emulated_by();
    note_check(findings, plan, held, checked, emulated_by, calibrated);
    note_curve(findings, plan, &host, (calibrated, rest), tasks, held)
}

/// What many held at once took, in each check.
#[derive(Default)]
struct Checked {
    /// By the count that the calculation rests on.
    took: Vec<f64>,
    /// By what the host had left, which all else on it moves too.
    host_lost: Vec<f64>,
}

/// Holders of one kind, started and read.
struct Trial<'a> {
    plan: &'a Plan,
    kind: &'a Kind,
    standing: &'a dyn Provisioned,
    part: &'a Part<'a>,
}

impl Trial<'_> {
    /// What one more takes, and how many tasks it is: of guests the memory of
    /// each, of containers the slope of what all take over growing numbers.
    fn calibrate(&self) -> Result<(Vec<f64>, usize)> {
        let (mut costs, mut tasks) = (Vec::new(), 0);
        for round in 0..self.plan.rounds {
            let done = 0.7 * round as f64 / self.plan.rounds as f64;
            let subject = self.plan.subject;
            self.part
                .doing(done, &format!("what one more {subject} takes"))?;
            let mut holders = Holders::of(self.standing);
            let mut points = Vec::new();
            for &held in self.plan.calibrate {
                holders.grow_to(held, self.part.context.interrupt)?;
                points.push((held as f64, self.taken(&holders)?));
            }
            match subject {
                Subject::Vm => costs.extend(self.own(&holders)?),
                _ => costs.extend(slope(&points)),
            }
            tasks = holders.tasks().into_iter().max().unwrap_or_default();
            holders.end(self.part.context.interrupt)?;
            let_kernel_memory_return()?;
        }
        Ok((costs, tasks))
    }

    /// What `count` held at once really take, time and again, the first apart.
    fn check(&self, count: usize) -> Result<Checked> {
        let mut checked = Checked::default();
        for check in 0..self.plan.checks {
            let done = 0.7 + 0.3 * check as f64 / self.plan.checks as f64;
            self.part
                .doing(done, &format!("{count} of {} at once", self.plan.subject))?;
            let mut holders = Holders::of(self.standing);
            holders.grow_to(self.plan.apart(), self.part.context.interrupt)?;
            let (first, available) = (self.taken(&holders)?, available_bytes()?);
            holders.grow_to(count, self.part.context.interrupt)?;
            checked.took.push(self.taken(&holders)? - first);
            let lost = available as f64 - available_bytes()? as f64;
            checked.host_lost.push(lost);
            holders.end(self.part.context.interrupt)?;
            let_kernel_memory_return()?;
        }
        Ok(checked)
    }

    /// What is taken by all that are held, from a level that does not matter. Of
    /// a container most lies in the kernel, where nobody is charged with it.
    fn taken(&self, holders: &Holders<'_>) -> Result<f64> {
        let own: f64 = self.own(holders)?.iter().sum();
        Ok(match self.plan.subject {
            Subject::Vm => own,
            _ => own + kernel_bytes()? as f64,
        })
    }

    /// What is each one's own: of a guest under an emulator only its RAM.
    fn own(&self, holders: &Holders<'_>) -> Result<Vec<f64>> {
        let own = |memory: Memory| match self.kind.emulated_by() {
            Some(_) => memory.ram,
            None => memory.total(),
        };
        let each = holders.memory()?.into_iter();
        Ok(each.map(|memory| own(memory) as f64).collect())
    }

    /// As many as are to be held, or as many as leave the memory to others.
    fn safe_number(&self, each: Cost) -> Result<usize> {
        let mut count = self.plan.check;
        while count > 1 && !there_is_room(count, bytes(each.high))? {
            count /= 2;
        }
        Ok(count)
    }
}

/// The samples as a cost: their median, within their range.
fn cost_of(samples: &[f64]) -> Option<Cost> {
    let summary = summarize(samples)?;
    let (low, high) = summary.range.ends();
    Some(Cost {
        low,
        likely: summary.median,
        high,
    })
}

fn note_costs(findings: &mut Findings, plan: &Plan, samples: Vec<f64>, cost: Cost, tasks: usize) {
    let subject = plan.subject.name();
    findings.number(COST, subject, Unit::Bytes, Evidence::Measured { samples });
    findings.condition(
        "counted",
        match plan.subject {
            Subject::Vm => {
                "each one's own pages: the guest's RAM, and the rest of QEMU unless it emulates"
            }
            _ => "the proportional set size of each and what the kernel keeps for it",
        },
    );
    findings.fact(
        "processes and threads of one",
        subject,
        tasks as f64,
        "ls /proc/PID/task",
    );
    let numbers: Vec<String> = plan.calibrate.iter().map(usize::to_string).collect();
    findings.step(format!(
        "held {} {} at once, {} times over: one more takes {}",
        numbers.join(", "),
        plan.several(),
        plan.rounds,
        Unit::Bytes.shown(cost.likely)
    ));
}

fn note_check(
    findings: &mut Findings,
    plan: &Plan,
    count: usize,
    checked: Checked,
    emulated_by: Option<&str>,
    cost: Cost,
) {
    let subject = plan.subject.name();
    let checks = checked.took.len();
    let samples = checked.took;
    let evidence = Evidence::Measured { samples };
    findings.number(OBSERVED, subject, Unit::Bytes, evidence);
    let further = cost.of(count.saturating_sub(plan.apart()) as u64);
    let sources = given(cost, plan);
    note_modelled(findings, PREDICTED, subject, Unit::Bytes, further, sources);
    let lost = Evidence::of_run(Metric::MemorySlope, checked.host_lost, emulated_by);
    findings.number(LOST, subject, Unit::Bytes, lost);
    findings.condition("moved", "by all else that runs on the host as well");
    findings.fact(STARTED, subject, count as f64, "isolab claims run density");
    findings.step(format!(
        "held {count} other {} at once, {checks} times, to see whether the calculation holds{}",
        plan.several(),
        match plan.apart() {
            1 => String::new(),
            apart => format!(" for all but the first {apart}"),
        }
    ));
}

/// A cost in whole bytes.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // not negative
fn bytes(cost: f64) -> u64 {
    cost.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_to_check_is_not_what_was_held_to_calibrate() {
        for subject in [Subject::Container, Subject::Vm] {
            for quick in [true, false] {
                let plan = Plan::of(subject, quick);
                assert!(plan.check > *plan.calibrate.last().unwrap());
                assert!(plan.calibrate.is_sorted() && plan.apart() >= 1);
            }
        }
    }

    #[test]
    fn a_cost_spans_what_was_seen() {
        let few = cost_of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((few.low, few.likely, few.high), (1.0, 2.0, 3.0));
        assert_eq!(cost_of(&[]), None);
        assert_eq!(bytes(-3.0), 0);
    }
}
