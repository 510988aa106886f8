//! One subject with one workload: where its samples are taken and kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::warnings;
use crate::cache;
use crate::footprint;
use crate::hint;
use crate::interrupt::Interrupt;
use crate::isolation::{Conditions, Isolation, Provisioned, Running};
use crate::observation::{Evidence, Metric, Observation, State, Subject};
use crate::program::Program;
use crate::report::Missing;
use crate::statistics;

/// The pause before a start in the state `after-idle`.
const IDLE: Duration = Duration::from_millis(150);
/// No start and no end may take longer.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often a guest that hangs is started before that counts as failure.
const TRIES: u32 = 3;
/// How many are held at once when memory is read.
const HELD: [usize; 4] = [1, 2, 4, 8];

/// One subject with one workload.
pub(super) struct Cell<'a> {
    isolation: &'a dyn Isolation,
    program: &'a Program,
    home: PathBuf,
    standing: Option<Box<dyn Provisioned + 'a>>,
    provisioned: usize,
    samples: BTreeMap<(Metric, Option<State>), Vec<f64>>,
    conditions: Conditions,
    caches: Option<cache::Dropped>,
    emulated_by: Option<String>,
    hangs: u32,
    short_of_memory: bool,
    failure: Option<anyhow::Error>,
}

impl<'a> Cell<'a> {
    /// A cell without samples, to work in the directory `home`.
    pub(super) fn new(isolation: &'a dyn Isolation, program: &'a Program, home: PathBuf) -> Self {
        Self {
            isolation,
            program,
            home,
            standing: None,
            provisioned: 0,
            samples: BTreeMap::new(),
            conditions: Conditions::new(),
            caches: None,
            emulated_by: None,
            hangs: 0,
            short_of_memory: false,
            failure: None,
        }
    }

    /// Subject and workload, for people.
    pub(super) fn name(&self) -> String {
        format!("{}, {}", self.isolation.subject(), self.program.workload())
    }

    /// Whether a start takes so long that a few have to do.
    pub(super) fn is_slow(&self) -> bool {
        self.isolation.is_slow()
    }

    /// Takes samples. After a failure there are no further attempts; what an
    /// interrupt cuts short is no failure.
    pub(super) fn attempt(
        &mut self,
        interrupt: &Interrupt,
        sample: impl FnOnce(&mut Self) -> Result<()>,
    ) {
        if self.failure.is_some() {
            return;
        }
        let result = sample(self);
        if !interrupt.raised() {
            self.failure = result.err();
        }
    }

    /// A fresh environment in place of the one that stands.
    pub(super) fn provision(&mut self) -> Result<()> {
        self.standing = None;
        let newest = self.provisioned;
        let dir = self.home.join(newest.to_string());
        self.provisioned += 1;
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let (isolation, program) = (self.isolation, self.program);

        let began = Instant::now();
        let provisioned = match isolation.provision(program, &dir) {
            Ok(provisioned) => provisioned,
            Err(error) => {
                // Half an environment helps nobody and may fill the disk.
                let _ = fs::remove_dir_all(&dir);
                return Err(error);
            }
        };
        if isolation.subject() != Subject::Process {
            self.keep(Metric::Provision, None, began.elapsed().as_secs_f64());
        }
        let footprint = provisioned.footprint()?;
        self.keep(Metric::Disk, None, footprint.full_bytes as f64);
        self.keep(Metric::DiskOneMore, None, footprint.one_more_bytes as f64);
        self.conditions = provisioned.conditions();
        self.emulated_by = provisioned.emulated_by();
        self.standing = Some(provisioned);
        self.discard_before(newest)
    }

    /// A fresh environment, caches dropped, and the first start in it.
    pub(super) fn start_fresh(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.provision()?;
        self.with_standing(|cell, standing| {
            cell.caches = Some(cache::drop_for(&standing.files()));
            cell.start(standing, State::First, interrupt)
        })
    }

    /// A start that fills the caches and does not count.
    pub(super) fn warm_up(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.with_standing(|_, standing| {
            let mut running = standing.start()?;
            running.wait_ready(DEADLINE, interrupt)?;
            running.release()?;
            running.wait_gone(DEADLINE, interrupt)
        })
    }

    /// A start after a pause.
    pub(super) fn start_after_idle(&mut self, interrupt: &Interrupt) -> Result<()> {
        thread::sleep(IDLE);
        self.with_standing(|cell, standing| cell.start(standing, State::AfterIdle, interrupt))
    }

    /// A start right behind another.
    pub(super) fn start_back_to_back(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.with_standing(|cell, standing| cell.start(standing, State::BackToBack, interrupt))
    }

    /// Lends the environment that stands, if one does.
    fn with_standing(
        &mut self,
        take: impl FnOnce(&mut Self, &dyn Provisioned) -> Result<()>,
    ) -> Result<()> {
        let Some(standing) = self.standing.take() else {
            return Ok(());
        };
        let result = take(self, standing.as_ref());
        self.standing = Some(standing);
        result
    }

    /// Takes one sample. A guest that hangs is started again, and counted.
    fn start(&mut self, of: &dyn Provisioned, state: State, interrupt: &Interrupt) -> Result<()> {
        for _ in 1..TRIES {
            match self.sample(of, state, interrupt) {
                Err(error) if hung(&error) && !interrupt.raised() => self.hangs += 1,
                result => return result,
            }
        }
        self.sample(of, state, interrupt)
    }

    /// Starts once, reads the memory while it holds, and ends it.
    fn sample(&mut self, of: &dyn Provisioned, state: State, interrupt: &Interrupt) -> Result<()> {
        let began = Instant::now();
        let mut running = of.start()?;
        let ready = running.wait_ready(DEADLINE, interrupt)?;
        let startup = ready.duration_since(began);
        self.keep(Metric::Startup, Some(state), startup.as_secs_f64());
        // One state is enough for these two, and a mixture of states would be a
        // distribution of none.
        let also = state == State::AfterIdle;
        if also {
            let bytes = memory_of(running.as_ref())?;
            self.keep(Metric::Memory, None, bytes as f64);
        }
        let told = Instant::now();
        running.release()?;
        running.wait_gone(DEADLINE, interrupt)?;
        if also {
            self.keep(Metric::Teardown, None, told.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Holds more and more at once, and asks the host what is left.
    pub(super) fn grow(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.with_standing(|cell, standing| {
            let mut holders: Vec<Box<dyn Running>> = Vec::new();
            let mut points = Vec::new();
            let mut one_bytes = 0;
            // One is held before the first reading: what all of them share is
            // not what one more costs.
            for held in HELD {
                let further_bytes = one_bytes * (held - holders.len()) as u64;
                if footprint::available_bytes()? < 2 * further_bytes {
                    cell.short_of_memory = true;
                    break;
                }
                let starting = (holders.len()..held).map(|_| standing.start());
                let mut starting = starting.collect::<Result<Vec<_>>>()?;
                for holder in &mut starting {
                    holder.wait_ready(DEADLINE, interrupt)?;
                }
                holders.append(&mut starting);
                one_bytes = memory_of(holders[0].as_ref())?;
                points.push((held as f64, -(footprint::available_bytes()? as f64)));
            }
            for holder in &mut holders {
                holder.release()?;
            }
            for holder in &mut holders {
                holder.wait_gone(DEADLINE, interrupt)?;
            }
            if let Some(slope) = statistics::slope(&points) {
                cell.keep(Metric::MemorySlope, None, slope);
            }
            Ok(())
        })
    }

    fn keep(&mut self, metric: Metric, state: Option<State>, sample: f64) {
        self.samples
            .entry((metric, state))
            .or_default()
            .push(sample);
    }

    /// Removes the environments before the one numbered `newest`.
    fn discard_before(&self, newest: usize) -> Result<()> {
        let Some(old) = newest.checked_sub(1) else {
            return Ok(());
        };
        let old: &Path = &self.home.join(old.to_string());
        fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))
    }

    /// Everything that was observed here.
    pub(super) fn observations(&self) -> Vec<Observation> {
        self.samples
            .iter()
            .map(|(&(metric, state), samples)| self.observe(metric, state, samples))
            .collect()
    }

    fn observe(&self, metric: Metric, state: Option<State>, samples: &[f64]) -> Observation {
        let samples = samples.to_vec();
        let timed = matches!(metric, Metric::Startup | Metric::Teardown);
        let mut conditions = Conditions::new();
        if timed {
            conditions.clone_from(&self.conditions);
        }
        if let (Some(State::First), Some(caches)) = (state, self.caches) {
            conditions.insert("caches".into(), caches.to_string());
        }
        let mut warnings = warnings::of_samples(metric, &samples);
        if metric == Metric::MemorySlope && self.short_of_memory {
            warnings.push("memory ran short: fewer than 8 were held at once".to_owned());
        }
        if timed && self.hangs > 0 {
            warnings.push(format!("{} starts hung and were made again", self.hangs));
        }
        if let Some(failure) = &self.failure {
            warnings.push(format!("later attempts failed: {failure:#}"));
        }
        Observation {
            subject: self.isolation.subject(),
            workload: self.program.workload(),
            metric,
            state,
            unit: metric.unit(),
            evidence: Evidence::of_run(metric, samples, self.emulated_by.as_deref()),
            conditions,
            warnings,
        }
    }

    /// This cell as a missing part, if not even one start succeeded.
    pub(super) fn missing(&self) -> Option<Missing> {
        let started = self
            .samples
            .keys()
            .any(|(metric, _)| *metric == Metric::Startup);
        let failure = self.failure.as_ref().filter(|_| !started)?;
        Some(Missing {
            subject: self.isolation.subject(),
            workload: self.program.workload(),
            why: format!("{failure:#}"),
            remedy: hint::of(failure).or_else(|| Some("isolab doctor".to_owned())),
        })
    }
}

/// Whether a guest stayed silent until its watchdog, as emulated ones may.
fn hung(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(vm_model::Error::Watchdog { .. }))
}

/// The proportional set size of every process of a subject, in bytes.
fn memory_of(running: &dyn Running) -> Result<u64> {
    running
        .processes()
        .into_iter()
        .map(footprint::proportional_set_bytes)
        .sum()
}
