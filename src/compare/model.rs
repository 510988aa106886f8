//! What the cost model says of a virtual machine, beside what was measured of
//! one, or in its place where there is none.

use std::time::Duration;

use vm_model::model::{self, Estimate, GuestKernel, HostFacts, Vmm, WorkloadFacts};

use super::subjects::Subjects;
use crate::footprint::allocated_bytes;
use crate::isolation::Conditions;
use crate::observation::{Evidence, Metric, Observation, Source, State, Subject, Unit, Workload};
use crate::program::Program;
use crate::report::Settings;
use crate::statistics::median;

/// The memory that a modelled guest is given, in MiB: what the sources used.
const MEMORY_MIB: u32 = 256;

/// The model's metric for each of ours that it has figures for. Its sources know
/// no states; its start-up stands in the headline's.
const ASKED: [(Metric, Option<State>, model::Metric); 3] = [
    (
        Metric::Startup,
        Some(State::AfterIdle),
        model::Metric::Startup,
    ),
    (Metric::Memory, None, model::Metric::Memory),
    (Metric::Disk, None, model::Metric::Disk),
];

/// Estimates for every workload asked for. What the model has no sourced figure
/// for it does not answer, and nothing stands in the report.
pub(super) fn estimates(
    settings: &Settings,
    subjects: &Subjects,
    observed: &[Observation],
) -> Vec<Observation> {
    if !settings.subjects.contains(&Subject::Vm) {
        return Vec::new();
    }
    let mut estimates = Vec::new();
    for program in &subjects.programs {
        // The model adds a guest to the workload: without the bare process
        // there is nothing to add it to.
        let Some(facts) = facts(program, observed) else {
            continue;
        };
        let workload = program.workload();
        let host = HostFacts {
            vmm: Vmm::Qemu,
            kernel: GuestKernel::Distribution,
            kernel_bytes: subjects.guest_kernel_bytes,
            memory_mib: MEMORY_MIB,
        };
        for (metric, state, asked) in ASKED {
            if let Ok(estimate) = model::estimate(asked, &facts, &host) {
                estimates.push(observation(workload, metric, state, &facts, estimate));
            }
        }
    }
    estimates
}

/// What the bare process says of the workload; `None` where it was not measured.
fn facts(program: &Program, observed: &[Observation]) -> Option<WorkloadFacts> {
    let of_process = |metric, state| {
        let seen = observed.iter().find(|o| {
            (o.subject, o.workload) == (Subject::Process, program.workload())
                && (o.metric, o.state) == (metric, state)
        })?;
        Some(median(seen.evidence.measured()?)?.max(0.0))
    };
    let own_time = of_process(Metric::Startup, Some(State::AfterIdle))?;
    // A median of byte counts is a whole number, or half of one.
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    let resident_bytes = of_process(Metric::Memory, None)? as u64;
    Some(WorkloadFacts {
        own_time: Duration::from_secs_f64(own_time),
        resident_bytes,
        root_bytes: allocated_bytes(&program.host_files()).ok()?,
    })
}

fn observation(
    workload: Workload,
    metric: Metric,
    state: Option<State>,
    facts: &WorkloadFacts,
    estimate: Estimate,
) -> Observation {
    // The model speaks of milliseconds, the report of seconds.
    let scale = match metric.unit() {
        Unit::Seconds => 1e-3,
        Unit::Bytes => 1.0,
    };
    let sources = estimate.sources.into_iter().map(|source| Source {
        name: source.name,
        value: format!("{} {}", source.value, source.unit),
        conditions: source.conditions,
        citation: source.citation,
    });
    let terms: Vec<String> = estimate
        .terms
        .iter()
        .map(|term| {
            format!(
                "{} {} to {} {}",
                term.name, term.low, term.high, estimate.unit
            )
        })
        .collect();
    Observation {
        subject: Subject::Vm,
        workload,
        metric,
        state,
        unit: metric.unit(),
        evidence: Evidence::Modelled {
            low: estimate.low * scale,
            likely: estimate.likely * scale,
            high: estimate.high * scale,
            sources: sources.collect(),
        },
        conditions: Conditions::from([
            ("terms".to_owned(), terms.join("; ")),
            (
                "given".to_owned(),
                format!(
                    "of the workload as a bare process, measured in this run: ready in {:.3} ms, \
                     {} bytes of memory, {} bytes of files",
                    facts.own_time.as_secs_f64() * 1e3,
                    facts.resident_bytes,
                    facts.root_bytes
                ),
            ),
            (
                "virtualization".to_owned(),
                "hardware (the model knows no emulator)".to_owned(),
            ),
        ]),
        warnings: Vec::new(),
    }
}
