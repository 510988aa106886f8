//! The main job: the same workloads in every subject, interleaved in a seeded
//! order, with every sample kept.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::report::{Environment, Report, SCHEMA, Settings};
use crate::scratch::Scratch;

mod cell;
mod model;
pub mod privacy;
pub mod subjects;
pub mod warnings;

use cell::Cell;
use subjects::Subjects;

/// `--quick`: no phase begins another round this long after its first one.
const QUICK_PHASE: Duration = Duration::from_secs(4);
/// How many fresh environments `--quick` makes of each subject.
const QUICK_FIRST_ROUNDS: u32 = 3;
/// The share of the rounds that a subject gets whose start takes seconds.
const SLOW_SHARE: u32 = 4;
/// The least of them: a median of fewer says nothing.
const SLOW_ROUNDS: u32 = 3;
/// How often memory is read over a growing number of holders.
const MEMORY_ROUNDS: u32 = 10;
/// The same for `--quick`.
const QUICK_MEMORY_ROUNDS: u32 = 3;

/// Tells whoever waits how far a run has come.
pub trait Progress {
    /// The share that is done, from 0 to 1, and what is being done.
    fn show(&self, done: f64, doing: &str);
}

/// Runs the comparison.
///
/// What this machine cannot do is named in the report and the rest is measured;
/// after an interrupt the report holds what had been measured by then.
///
/// # Errors
/// If there is nowhere to write to.
pub fn run(settings: &Settings, interrupt: &Interrupt, progress: &dyn Progress) -> Result<Report> {
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    progress.show(0.0, "looking around");
    // What commands that were killed left of theirs; how much does not matter.
    let _ = isolab_oci::cgroup::sweep();
    let scratch = Scratch::new()?;
    let mut environment = Environment::capture(scratch.path());

    let subjects = Subjects::find(settings, &scratch, interrupt)?;
    let mut cells = subjects.cells(&scratch);
    let schedule = Schedule {
        settings,
        interrupt,
        progress,
    };
    let mut rng = fastrand::Rng::with_seed(settings.seed);
    schedule.first_starts(&mut cells, &mut rng);
    schedule.further_starts(&mut cells, &mut rng);
    schedule.memory(&mut cells, &mut rng);
    progress.show(1.0, "done");

    environment.finish();
    let mut observations: Vec<_> = cells.iter().flat_map(Cell::observations).collect();
    let estimates = model::estimates(settings, &subjects, &observations);
    observations.extend(estimates);
    observations.sort_by_key(|o| (o.workload, o.metric, o.state, o.subject, o.evidence.kind()));
    let mut missing = subjects.missing.clone();
    missing.extend(cells.iter().filter_map(Cell::missing));
    let mut warnings = warnings::of_run(&environment);
    warnings.extend(subjects.programs.iter().filter_map(warnings::of_program));
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        created,
        environment,
        settings: settings.clone(),
        observations,
        missing,
        warnings,
        interrupted: interrupt.raised(),
        predictions: Vec::new(),
    };
    privacy::redact(&mut report);
    Ok(report)
}

/// The order of things: three phases, each in rounds in which every cell has its
/// turn, shuffled, so that whatever drifts hits every subject alike.
struct Schedule<'a> {
    settings: &'a Settings,
    interrupt: &'a Interrupt,
    progress: &'a dyn Progress,
}

impl Schedule<'_> {
    /// Fresh environments with caches dropped come before everything else:
    /// dropping caches between the other starts would make those cold too.
    fn first_starts(&self, cells: &mut [Cell<'_>], rng: &mut fastrand::Rng) {
        let most = if self.settings.quick {
            QUICK_FIRST_ROUNDS
        } else {
            u32::MAX
        };
        self.phase(
            cells,
            rng,
            0.0..0.3,
            self.settings.runs.min(most),
            |cell, round| match (cell.is_slow(), self.settings.quick) {
                (true, true) if round > 0 => Ok(()),
                (true, true) => cell.provision(),
                (true, false) if round >= self.slow_rounds() => Ok(()),
                _ => cell.start_fresh(self.interrupt),
            },
        );
    }

    /// After a pause, and again at once. Round 0 only warms up, but for a slow
    /// subject in a hurry it is the one sample that there is time for.
    fn further_starts(&self, cells: &mut [Cell<'_>], rng: &mut fastrand::Rng) {
        self.phase(
            cells,
            rng,
            0.3..0.8,
            self.settings.runs + 1,
            |cell, round| match (cell.is_slow(), self.settings.quick, round) {
                (true, true, 0) => cell.start_after_idle(self.interrupt),
                (true, true, _) => Ok(()),
                (true, false, round) if round > self.slow_rounds() => Ok(()),
                (_, _, 0) => cell.warm_up(self.interrupt),
                _ => cell
                    .start_after_idle(self.interrupt)
                    .and_then(|()| cell.start_back_to_back(self.interrupt)),
            },
        );
    }

    /// Memory over a growing number of holders.
    fn memory(&self, cells: &mut [Cell<'_>], rng: &mut fastrand::Rng) {
        let most = if self.settings.quick {
            QUICK_MEMORY_ROUNDS
        } else {
            MEMORY_ROUNDS
        };
        self.phase(
            cells,
            rng,
            0.8..1.0,
            self.settings.runs.min(most),
            |cell, round| {
                if cell.is_slow() && (self.settings.quick || round > 0) {
                    return Ok(());
                }
                cell.grow(self.interrupt)
            },
        );
    }

    fn slow_rounds(&self) -> u32 {
        (self.settings.runs / SLOW_SHARE).max(SLOW_ROUNDS)
    }

    /// Gives every cell its turn in each of `rounds` rounds; `share` is the part
    /// of the progress bar that this takes.
    fn phase(
        &self,
        cells: &mut [Cell<'_>],
        rng: &mut fastrand::Rng,
        share: std::ops::Range<f64>,
        rounds: u32,
        take: impl Fn(&mut Cell<'_>, u32) -> Result<()>,
    ) {
        let mut began = Instant::now();
        for round in 0..rounds {
            let mut turns: Vec<usize> = (0..cells.len()).collect();
            rng.shuffle(&mut turns);
            for (turn, index) in turns.iter().enumerate() {
                if self.interrupt.raised() {
                    return;
                }
                let cell = &mut cells[*index];
                let done = f64::from(round) + turn as f64 / turns.len() as f64;
                let done = share.start + (share.end - share.start) * done / f64::from(rounds);
                self.progress.show(done, &cell.name());
                cell.attempt(self.interrupt, |cell| take(cell, round));
            }
            if round == 0 {
                // Guests and warming up have theirs: that is not the others' time.
                began = Instant::now();
            } else if self.settings.quick && began.elapsed() > QUICK_PHASE {
                return;
            }
        }
    }
}
