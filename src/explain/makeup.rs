//! What a number is made of and what changes it, as far as the report itself
//! tells.

use super::name;
use super::words::bears_on;
use crate::observation::{Evidence, Metric, Observation, Subject, Unit};
use crate::report::Report;
use crate::report::comparison::{Compared, Section};
use crate::report::quantity::human;
use crate::statistics::{Range, Summary, median};

/// The terms of a row.
pub(super) fn of(report: &Report, section: &Section<'_>, row: &Compared<'_>) -> Vec<String> {
    let o = row.observation;
    let mut lines = Vec::new();
    if let Evidence::Modelled { .. } = o.evidence {
        lines.extend(modelled(o));
        return lines;
    }
    lines.extend(over_the_process(section, row));
    match o.metric {
        Metric::Disk => lines.extend(shared(report, o, o.metric, Metric::DiskOneMore)),
        Metric::DiskOneMore => lines.extend(shared(report, o, Metric::Disk, o.metric)),
        Metric::Memory => lines.extend(beside(
            report,
            o,
            Metric::MemorySlope,
            "each further one takes from the host",
        )),
        Metric::MemorySlope => lines.extend(beside(
            report,
            o,
            Metric::Memory,
            "the processes of one have, pages shared with others divided",
        )),
        Metric::Startup | Metric::Teardown | Metric::Provision => {}
    }
    let model = report.modelled(o.subject, o.workload, o.metric, o.state);
    if let Some(model) = model {
        lines.push("the model, which knows no emulator, adds it up like this:".to_owned());
        lines.extend(terms(model));
    }
    if lines.is_empty() {
        lines.push("it was taken as a whole: this report has no smaller parts of it".to_owned());
    }
    lines
}

/// What is added to the bare process, by measured medians only.
fn over_the_process(section: &Section<'_>, row: &Compared<'_>) -> Vec<String> {
    let unit = row.observation.unit;
    let baseline = section.rows.iter().find(|row| {
        row.observation.subject == Subject::Process && row.observation.evidence.measured().is_some()
    });
    let (Some(baseline), Some(added)) = (baseline, row.added) else {
        return Vec::new();
    };
    let subject = row.observation.subject;
    let mut lines = vec![
        format!(
            "{} of the program itself: the bare process",
            human(baseline.centre(), unit)
        ),
        format!(
            "{} added by the {subject}{}",
            human(added.median, unit),
            interval(added, unit)
        ),
    ];
    if !row.settled {
        lines.push("whether anything is added at all the samples do not settle".to_owned());
    }
    lines
}

fn interval(summary: Summary, unit: Unit) -> String {
    match summary.range {
        Range::Interval { low, high } => {
            format!(
                " (95 % interval {} to {})",
                human(low, unit),
                human(high, unit)
            )
        }
        Range::Extremes { .. } => String::new(),
    }
}

/// How much of a full copy one more would share.
fn shared(report: &Report, o: &Observation, full: Metric, one_more: Metric) -> Vec<String> {
    let bytes = |metric| {
        let seen = report.ran(o.subject, o.workload, metric, None)?;
        median(seen.evidence.samples()?)
    };
    let (Some(full), Some(one_more)) = (bytes(full), bytes(one_more)) else {
        return Vec::new();
    };
    vec![
        format!("{} takes a full copy", human(full, o.unit)),
        format!("{} of it one more takes again", human(one_more, o.unit)),
        format!(
            "{} of it one more can share",
            human(full - one_more, o.unit)
        ),
    ]
}

/// The same thing counted in another way.
fn beside(report: &Report, o: &Observation, other: Metric, says: &str) -> Option<String> {
    let seen = report.ran(o.subject, o.workload, other, None)?;
    let value = median(seen.evidence.samples()?)?;
    let kind = seen.evidence.kind();
    Some(format!(
        "for comparison, {} {says} ({}, {kind})",
        human(value, o.unit),
        name(seen)
    ))
}

fn modelled(o: &Observation) -> Vec<String> {
    let mut lines = terms(o);
    if let Evidence::Modelled { sources, .. } = &o.evidence {
        lines.extend(sources.iter().map(|source| {
            format!(
                "figure {}: {}; {}; {}",
                source.name, source.value, source.conditions, source.citation
            )
        }));
    }
    lines
}

/// The terms that the model wrote into the report.
fn terms(o: &Observation) -> Vec<String> {
    let terms = o.conditions.get("terms").map(String::as_str);
    let each = terms.unwrap_or_default().split("; ");
    each.filter(|term| !term.is_empty())
        .map(|term| format!("term: {term}"))
        .collect()
}

/// What changes the number: in this report, and by the way it is made.
pub(super) fn changes(report: &Report, row: &Compared<'_>) -> Vec<String> {
    let o = row.observation;
    let same_kind = |other: &&Observation| {
        other.metric == o.metric
            && other.subject == o.subject
            && other.evidence.kind() == o.evidence.kind()
            && (other.workload, other.state) != (o.workload, o.state)
    };
    let ran = report.observations.iter().filter(same_kind);
    let mut lines: Vec<String> = ran
        .filter_map(|other| {
            let value = median(other.evidence.samples()?)?;
            Some(format!(
                "in this report, {}: {}",
                name(other),
                human(value, other.unit)
            ))
        })
        .collect();
    lines.extend(
        bears_on(o.metric, o.subject)
            .iter()
            .map(|line| (*line).to_owned()),
    );
    lines
}
