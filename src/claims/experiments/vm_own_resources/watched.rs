//! One kind, watched: held in growing numbers, round after round, and read.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::names::{EACH, FIRST, IDLE, MORE, RAM, RAM_FIRST, RAM_MORE, REST};
use crate::claims::experiment::{Context, Settings};
use crate::claims::experiments::several::Kind;
use crate::claims::findings::Findings;
use crate::claims::unit::Unit;
use crate::holders::{Holders, Memory};
use crate::observation::{Evidence, Subject, Workload};
use crate::statistics::slope;

/// How many are held at once when memory is read.
const HELD: [usize; 3] = [1, 2, 4];
/// As many as give a dozen processes, environments and containers with Python.
const PYTHON_ROUNDS: usize = 3;
/// How long four are watched while they do nothing.
const WINDOW: Duration = Duration::from_secs(1);
/// What has just started is not idle yet.
const SETTLE: Duration = Duration::from_millis(500);

/// How often four are held. `--quick` has time for as many as give a dozen
/// guests.
pub(super) fn rounds(settings: Settings) -> usize {
    if settings.quick { 3 } else { 10 }
}

/// A kind with what was read of it.
pub(super) struct Watched<'a> {
    pub(super) kind: &'a Kind,
    each: Vec<Memory>,
    first: Vec<Memory>,
    more: Vec<(f64, f64)>,
    idle: Vec<f64>,
    tasks: usize,
    untold: Option<anyhow::Error>,
    failure: Option<anyhow::Error>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(kind: &'a Kind) -> Self {
        Self {
            kind,
            each: Vec::new(),
            first: Vec::new(),
            more: Vec::new(),
            idle: Vec::new(),
            tasks: 0,
            untold: None,
            failure: None,
        }
    }

    /// In how many rounds it takes part: Python only illustrates, and to boot one
    /// under an emulator is slow.
    pub(super) fn rounds(&self, settings: Settings) -> usize {
        match self.kind.workload() {
            Workload::True => rounds(settings),
            _ if settings.quick || self.kind.is_slow() => 1,
            _ => PYTHON_ROUNDS,
        }
    }

    /// Whether the verdict is about it.
    fn decides(&self) -> bool {
        self.kind.workload() == Workload::True
    }

    /// One round. After a failure there are no further attempts.
    pub(super) fn take_turn(&mut self, place: &Path, context: &Context<'_>) -> Result<()> {
        if self.failure.is_none() {
            self.failure = self.hold(place, context).err();
        }
        ensure!(!context.interrupt.raised(), "interrupted");
        // The next kind's files go where these were.
        let _ = fs::remove_dir_all(place);
        Ok(())
    }

    /// Holds more and more, and reads what they take.
    fn hold(&mut self, place: &Path, context: &Context<'_>) -> Result<()> {
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
        let standing = self.kind.provision(place)?;
        let mut holders = Holders::of(standing.as_ref());
        let mut totals = Vec::new();
        for held in HELD {
            holders.grow_to(held, context.interrupt)?;
            let memory = holders.memory()?;
            totals.push((held as f64, memory.clone()));
            if held == 1 {
                self.first.extend(&memory);
            }
            if held == HELD[HELD.len() - 1] {
                self.each.extend(&memory);
            }
        }
        let over = |part: fn(Memory) -> u64| {
            let sum = |memory: &Vec<Memory>| memory.iter().map(|&one| part(one)).sum::<u64>();
            let points: Vec<_> = totals
                .iter()
                .map(|(n, each)| (*n, sum(each) as f64))
                .collect();
            slope(&points).unwrap_or_default()
        };
        self.more.push((over(|one| one.ram), over(Memory::total)));
        self.tasks = holders.tasks().first().copied().unwrap_or_default();
        if self.decides() {
            self.idle(&holders);
        }
        holders.end(context.interrupt)
    }

    /// Watches what is held while it does nothing.
    fn idle(&mut self, holders: &Holders<'_>) {
        thread::sleep(SETTLE);
        let watch = || -> Result<f64> {
            let (began, before) = (Instant::now(), holders.processor_time()?);
            thread::sleep(WINDOW);
            let used = holders.processor_time()?.saturating_sub(before);
            let seconds = began.elapsed().as_secs_f64() * holders.count() as f64;
            Ok(used.as_secs_f64() / seconds)
        };
        match watch() {
            Ok(share) => self.idle.push(share),
            Err(error) => self.untold = Some(error),
        }
    }

    /// Puts everything down.
    pub(super) fn tell(self, findings: &mut Findings) {
        let name = self.kind.name();
        if let Some(error) = self.failure.as_ref().or(self.untold.as_ref()) {
            findings.lack(&name, error);
        }
        let of = |memory: &[Memory], part: fn(Memory) -> u64| -> Vec<f64> {
            memory.iter().map(|&one| part(one) as f64).collect()
        };
        let guest = self.kind.subject() == Subject::Vm;
        if guest {
            let ram = |one: Memory| one.ram;
            let more = self.more.iter().map(|more| more.0).collect();
            for (number, samples) in [
                (RAM, of(&self.each, ram)),
                (RAM_FIRST, of(&self.first, ram)),
                (RAM_MORE, more),
            ] {
                self.note(findings, number, Unit::Bytes, samples, None);
                if number == RAM {
                    let huge: u64 = self.each.iter().map(|one| one.ram_in_huge_pages).sum();
                    let all: u64 = self.each.iter().map(|one| one.ram).sum();
                    let share = 100.0 * huge as f64 / all.max(1) as f64;
                    findings.condition(
                        "in huge pages",
                        format!("{share:.0} %, of which the first touch takes 2 MiB"),
                    );
                }
            }
        }
        let emulated = self.kind.emulated_by();
        let rest = of(&self.each, |one| one.rest);
        let more = self.more.iter().map(|more| more.1).collect();
        let each = if guest { REST } else { EACH };
        self.note(findings, each, Unit::Bytes, rest, emulated);
        if !guest && !self.each.is_empty() {
            let counted = "its own pages; what the kernel keeps for it is in `density`";
            findings.condition("counted", counted);
        }
        if self.decides() {
            let first = of(&self.first, Memory::total);
            self.note(findings, FIRST, Unit::Bytes, first, emulated);
        }
        self.note(findings, MORE, Unit::Bytes, more, emulated);
        self.note(findings, IDLE, Unit::Seconds, self.idle.clone(), emulated);
        if !self.each.is_empty() {
            let command = "ls /proc/PID/task";
            findings.fact("processes and threads", &name, self.tasks as f64, command);
        }
    }

    /// Puts one number down, if there is one.
    fn note(
        &self,
        findings: &mut Findings,
        number: &str,
        unit: Unit,
        samples: Vec<f64>,
        emulated_by: Option<&str>,
    ) {
        if samples.is_empty() {
            return;
        }
        let evidence = match emulated_by {
            Some(by) => Evidence::Emulated {
                samples,
                by: by.to_owned(),
            },
            None => Evidence::Measured { samples },
        };
        findings.number(number, &self.kind.name(), unit, evidence);
    }
}
