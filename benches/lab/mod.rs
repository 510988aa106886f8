//! What the benches have in common: criterion drives, the lab's own code is what
//! is driven, and every sample that criterion keeps goes into a [`Report`] too.
//!
//! Criterion's own files are private to it, and it measures one subject after
//! the other. What is to be kept and compared is the report; criterion adds
//! `--save-baseline`, its plots, and its habits that many know.

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use std::{env, panic};

use anyhow::{Result, ensure};
use clap::Parser;
use criterion::measurement::Measurement;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use isolab::compare::subjects::Subjects;
use isolab::compare::{privacy, warnings};
use isolab::interrupt::Interrupt;
use isolab::observation::{Evidence, Metric, Observation, State, Subject, Workload};
use isolab::report::{Environment, Missing, Report, SCHEMA, Settings};
use isolab::scratch::Scratch;
use isolab::{cli, hint};

mod cell;
mod written;

pub(crate) use cell::Cell;

/// Criterion's fewest: a guest under an emulator takes seconds to boot.
const SAMPLES: usize = 10;
/// Long enough for one start of anything; criterion repeats until it is over.
const WARM_UP: Duration = Duration::from_millis(100);
/// How often criterion resamples: enough for two digits of an interval.
const RESAMPLES: usize = 10_000;

/// Runs the bench called `name`, which is all that `measure` does.
pub(crate) fn run<M: Measurement>(
    name: &str,
    criterion: Criterion<M>,
    measure: impl FnOnce(&Lab, &mut Criterion<M>),
) -> ExitCode {
    // A guest's guard is this executable again, under the lab's own command line.
    if env::args().nth(1).is_some_and(|word| word == "__guard") {
        return cli::run(cli::Cli::parse()).unwrap_or(ExitCode::FAILURE);
    }
    written::register_font();
    let mut criterion = criterion
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP)
        .nresamples(RESAMPLES);
    if env::var_os("CRITERION_HOME").is_none() {
        criterion = criterion.output_directory(&written::criterion());
    }
    let outcome = Lab::open().and_then(|lab| {
        let mut criterion = criterion.configure_from_args();
        measure(&lab, &mut criterion);
        criterion.final_summary();
        lab.close(name)
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if let Some(hint) = hint::of(&error) {
            eprintln!(" hint: {hint}");
        }
        ExitCode::FAILURE
    })
}

/// The subjects of this machine, and what was found out about them.
pub(crate) struct Lab {
    subjects: Subjects,
    interrupt: Interrupt,
    settings: Settings,
    created: String,
    found: RefCell<Found>,
    // Last, so that it is removed when nothing uses it any more.
    scratch: Scratch,
}

/// What grows while the bench runs.
struct Found {
    environment: Environment,
    observations: Vec<Observation>,
    missing: Vec<Missing>,
}

/// What unwinds through criterion, which has no other way to be stopped.
struct Stopped(anyhow::Error);

impl Lab {
    fn open() -> Result<Self> {
        let interrupt = Interrupt::listen()?;
        // What commands that were killed left of theirs; how much does not matter.
        let _ = isolab_oci::cgroup::sweep();
        let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let settings = Settings {
            runs: u32::try_from(SAMPLES)?,
            seed: 0,
            quick: false,
            subjects: Subject::ALL.to_vec(),
            workloads: Workload::ALL.to_vec(),
        };
        let scratch = Scratch::new()?;
        let environment = Environment::capture(scratch.path());
        let subjects = Subjects::find(&settings, &scratch, &interrupt)?;
        for missing in &subjects.missing {
            let Missing {
                subject,
                workload,
                why,
                ..
            } = missing;
            eprintln!("not here: {subject} with {workload}: {why}");
        }
        let found = Found {
            environment,
            observations: Vec::new(),
            missing: subjects.missing.clone(),
        };
        Ok(Self {
            subjects,
            interrupt,
            settings,
            created,
            found: RefCell::new(found),
            scratch,
        })
    }

    /// A group of criterion's for `workload`, and the subjects that can run it.
    pub(crate) fn group<'c, M: Measurement>(
        &self,
        criterion: &'c mut Criterion<M>,
        name: &str,
        workload: Workload,
    ) -> (BenchmarkGroup<'c, M>, Vec<Cell<'_>>) {
        let mut group = criterion.benchmark_group(format!("{name} ({workload})"));
        group.sampling_mode(SamplingMode::Flat);
        let pairs = self.subjects.pairs();
        let cells = pairs
            .filter(|(_, program)| program.workload() == workload)
            .map(|(isolation, program)| Cell::new(isolation, program, self.scratch.path()));
        (group, cells.collect())
    }

    /// Lets criterion measure a cell by calling `sample`, and keeps what it gave.
    /// `value` makes a sum of samples into what the group measures.
    pub(crate) fn bench<'a, M: Measurement>(
        &self,
        group: &mut BenchmarkGroup<'_, M>,
        cell: &mut Cell<'a>,
        (metric, state): (Metric, Option<State>),
        mut sample: impl FnMut(&mut Cell<'a>, &Interrupt) -> Result<f64>,
        value: impl Fn(f64) -> M::Value,
    ) {
        if self.interrupt.raised() {
            return;
        }
        let mut calls: Vec<Vec<f64>> = Vec::new();
        let name = cell.isolation.subject().name();
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let each = (0..iterations).map(|_| {
                        ensure!(!self.interrupt.raised(), "interrupted");
                        sample(cell, &self.interrupt)
                    });
                    let samples = each.collect::<Result<Vec<f64>>>();
                    let samples =
                        samples.unwrap_or_else(|e| panic::resume_unwind(Box::new(Stopped(e))));
                    let sum = samples.iter().sum();
                    calls.push(samples);
                    value(sum)
                });
            });
        }));
        if let Err(payload) = outcome {
            match payload.downcast::<Stopped>() {
                Ok(stopped) => self.miss(cell, &stopped.0),
                Err(other) => panic::resume_unwind(other),
            }
        }
        // The calls before the last ten were criterion's warm-up; if it was
        // stopped on the way, at least the first one was.
        let warm_up = calls.len().saturating_sub(SAMPLES).max(1);
        let samples = calls.split_off(warm_up.min(calls.len()));
        self.keep(cell, metric, state, samples.concat());
    }

    /// Notes a cell that failed, unless it was the user who stopped it.
    fn miss(&self, cell: &Cell<'_>, error: &anyhow::Error) {
        if self.interrupt.raised() {
            return;
        }
        let (subject, workload) = (cell.isolation.subject(), cell.program.workload());
        eprintln!("{subject} with {workload} failed: {error:#}");
        self.found.borrow_mut().missing.push(Missing {
            subject,
            workload,
            why: format!("{error:#}"),
            remedy: hint::of(error).or_else(|| Some("isolab doctor".to_owned())),
        });
    }

    /// Adds samples to the report.
    pub(crate) fn keep(
        &self,
        cell: &Cell<'_>,
        metric: Metric,
        state: Option<State>,
        samples: Vec<f64>,
    ) {
        if samples.is_empty() {
            return;
        }
        let warnings = warnings::of_samples(metric, &samples);
        self.found.borrow_mut().observations.push(Observation {
            subject: cell.isolation.subject(),
            workload: cell.program.workload(),
            metric,
            state,
            unit: metric.unit(),
            evidence: Evidence::of_run(metric, samples, cell.emulated_by.as_deref()),
            conditions: cell.conditions.clone(),
            warnings,
        });
    }

    /// Writes the report and says where everything lies.
    fn close(self, name: &str) -> Result<ExitCode> {
        let interrupted = self.interrupt.raised();
        let mut found = self.found.into_inner();
        // With `--list`, `--test` or a filter that nothing matches, there is
        // nothing that should replace an earlier report.
        let asked = env::args().any(|word| word == "--bench")
            && !env::args().any(|word| word == "--test" || word == "--list");
        if asked && !found.observations.is_empty() {
            found.environment.finish();
            let mut warnings = warnings::of_run(&found.environment);
            warnings.extend(
                self.subjects
                    .programs
                    .iter()
                    .filter_map(warnings::of_program),
            );
            warnings.push(
                "criterion measures one subject after the other: what drifted meanwhile shows as a \
                 difference; `isolab compare` takes turns"
                    .to_owned(),
            );
            let mut report = Report {
                schema: SCHEMA.to_owned(),
                created: self.created,
                environment: found.environment,
                settings: self.settings,
                observations: found.observations,
                missing: found.missing,
                warnings,
                interrupted,
                predictions: Vec::new(),
            };
            privacy::redact(&mut report);
            written::say_where(&written::write(name, &report)?);
        }
        Ok(self
            .interrupt
            .exit_status()
            .map_or(ExitCode::SUCCESS, ExitCode::from))
    }
}
