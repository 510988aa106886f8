//! What table and page both say below their numbers: warnings, conditions and
//! the machine.

use std::collections::BTreeMap;

use super::{Environment, Report};
use crate::observation::Observation;

/// The run's warnings, and those of its observations: each text once, with the
/// observations that it concerns.
pub(super) fn warnings_of(report: &Report) -> Vec<String> {
    let of_observations = grouped(report, |o| o.warnings.clone());
    let of_observations = of_observations
        .into_iter()
        .map(|(warning, concerned)| format!("{concerned}: {warning}"));
    report
        .warnings
        .iter()
        .cloned()
        .chain(of_observations)
        .collect()
}

/// The conditions that observations were taken under, with those they concern.
pub(super) fn conditions_of(report: &Report) -> Vec<(String, String)> {
    grouped(report, |o| {
        let said = o.conditions.iter();
        said.map(|(what, how)| format!("{what}: {how}")).collect()
    })
}

/// What observations say, each thing once, and which of them say it.
fn grouped(report: &Report, says: impl Fn(&Observation) -> Vec<String>) -> Vec<(String, String)> {
    let mut concerned: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for o in &report.observations {
        let state = o.state.map(|s| format!(" {s}")).unwrap_or_default();
        let what = format!("{} {} {}{state}", o.subject, o.workload, o.metric);
        for said in says(o) {
            concerned.entry(said).or_default().push(what.clone());
        }
    }
    let named = |of: Vec<String>| match of.as_slice() {
        [a, b, rest @ ..] if rest.len() > 1 => format!("{a}, {b} and {} more", rest.len()),
        few => few.join(", "),
    };
    concerned
        .into_iter()
        .map(|(said, of)| (said, named(of)))
        .collect()
}

/// The machine and the run, a line each.
pub(super) fn machine(report: &Report) -> [String; 2] {
    let e = &report.environment;
    [
        machine_of(e),
        format!(
            "run: isolab {}, {}, {} runs, seed {}, as {}, load {:.2} before and {:.2} after",
            e.isolab,
            report.created,
            report.settings.runs,
            report.settings.seed,
            user(e),
            e.load_before,
            e.load_after
        ),
    ]
}

/// Whose run it was, without a name.
#[must_use]
pub fn user(e: &Environment) -> &'static str {
    if e.root { "root" } else { "an ordinary user" }
}

/// The machine in a line.
#[must_use]
pub fn machine_of(e: &Environment) -> String {
    let cpus = if e.cpus == 1 { "CPU" } else { "CPUs" };
    let memory = e.memory_bytes as f64 / f64::from(1u32 << 30);
    let inside = match e.virtualization.as_str() {
        "none" | "" => "on bare metal".to_owned(),
        other => format!("inside {other}"),
    };
    format!(
        "machine: {}, {} {cpus}, {memory:.1} GiB, {}, Linux {} {}, {inside}, cgroup {}, {}",
        e.cpu, e.cpus, e.os, e.kernel, e.arch, e.cgroup, e.filesystem
    )
}
