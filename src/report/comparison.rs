//! What each observation comes to, and what it adds over the bare process.
//!
//! Table, plots, page and the JSON's `summary` all read it from here, so that
//! none can say another thing than the others, or let anything that is not
//! measured into a ratio.

use serde::Serialize;

use super::Report;
use crate::observation::{Evidence, Metric, Observation, State, Subject, Unit, Workload};
use crate::statistics::{Bootstrap, Range, Summary};

/// An observation beside the bare process.
#[derive(Clone, Debug)]
pub struct Compared<'a> {
    /// What was observed.
    pub observation: &'a Observation,
    /// The median of what ran, with its range; `None` of a model.
    pub summary: Option<Summary>,
    /// What it adds over the process, in the observation's unit. Only of
    /// measured evidence beside a measured process.
    pub added: Option<Summary>,
    /// How many times the process; as `added`.
    pub ratio: Option<Summary>,
    /// Whether `added` surely has the sign that it shows: its interval leaves
    /// out zero or, of few samples, all of them lie beyond all of the process's.
    pub settled: bool,
}

impl Compared<'_> {
    /// The median, or the model's likely value.
    #[must_use]
    pub fn centre(&self) -> f64 {
        match (&self.observation.evidence, self.summary) {
            (Evidence::Modelled { likely, .. }, _) => *likely,
            (_, Some(summary)) => summary.median,
            (_, None) => f64::NAN,
        }
    }

    /// The ends of the interval, of the samples or of the model's range; `None`
    /// for a single sample, which has neither.
    #[must_use]
    pub fn ends(&self) -> Option<(f64, f64)> {
        match (&self.observation.evidence, self.summary) {
            (Evidence::Modelled { low, high, .. }, _) => Some((*low, *high)),
            (_, Some(summary)) if summary.n > 1 => Some(summary.range.ends()),
            _ => None,
        }
    }

    /// The subject's name, marked if a model speaks for it.
    #[must_use]
    pub fn label(&self) -> String {
        let subject = self.observation.subject;
        match self.observation.evidence {
            Evidence::Modelled { .. } => format!("{subject} (model)"),
            _ => subject.name().to_owned(),
        }
    }
}

/// The observations of one metric in one state, of one workload.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// What was run.
    pub workload: Workload,
    /// What was measured.
    pub metric: Metric,
    /// In what state.
    pub state: Option<State>,
    /// By subject, what ran ahead of what was modelled.
    pub rows: Vec<Compared<'a>>,
}

impl Section<'_> {
    /// A heading for people, without the unit.
    #[must_use]
    pub fn title(&self) -> String {
        match self.state {
            Some(state) => format!("{}, {state}", self.metric.title()),
            None => self.metric.title().to_owned(),
        }
    }
}

/// Every observation of `report` beside its baseline, in the order in which
/// reports show them.
#[must_use]
pub fn compare(report: &Report) -> Vec<Section<'_>> {
    compare_only(report, |_| true)
}

/// Likewise, of the observations to `keep`; the baseline is among them if it is
/// of the same metric.
#[must_use]
pub fn compare_only(report: &Report, keep: impl Fn(&Observation) -> bool) -> Vec<Section<'_>> {
    let mut observations: Vec<&Observation> =
        report.observations.iter().filter(|o| keep(o)).collect();
    observations.sort_by_key(|o| {
        let modelled = o.evidence.samples().is_none();
        (o.workload, o.metric, o.state, o.subject, modelled)
    });
    observations
        .chunk_by(|a, b| (a.workload, a.metric, a.state) == (b.workload, b.metric, b.state))
        .map(section)
        .collect()
}

fn section<'a>(observations: &[&'a Observation]) -> Section<'a> {
    let first = observations[0];
    let bootstraps: Vec<_> = observations
        .iter()
        .map(|o| o.evidence.samples().and_then(Bootstrap::of))
        .collect();
    let measured = |o: &Observation| o.evidence.measured().is_some();
    let baseline = observations
        .iter()
        .zip(&bootstraps)
        .find(|(o, _)| o.subject == Subject::Process && measured(o))
        .and_then(|(_, bootstrap)| bootstrap.as_ref());
    let rows = observations.iter().zip(&bootstraps).map(|(o, bootstrap)| {
        let own = bootstrap.as_ref();
        let comparable = own.filter(|_| measured(o) && o.subject != Subject::Process);
        let pair = comparable.zip(baseline);
        let added = pair.map(|(own, below)| own.added_over(below));
        Compared {
            observation: o,
            summary: own.map(Bootstrap::summary),
            added,
            ratio: pair.and_then(|(own, below)| own.ratio_to(below)),
            settled: pair
                .zip(added)
                .is_some_and(|(pair, added)| settled(pair, added)),
        }
    });
    Section {
        workload: first.workload,
        metric: first.metric,
        state: first.state,
        rows: rows.collect(),
    }
}

fn settled((own, baseline): (&Bootstrap, &Bootstrap), added: Summary) -> bool {
    if let Range::Interval { low, high } = added.range {
        return low > 0.0 || high < 0.0;
    }
    let (own, below) = (own.summary().range.ends(), baseline.summary().range.ends());
    own.0 > below.1 || own.1 < below.0
}

/// Every row with the number that the table shows beside it, from 1: what
/// `isolab explain` is asked about.
pub fn numbered<'a, 'b>(
    sections: &'a [Section<'b>],
) -> impl Iterator<Item = (usize, &'a Section<'b>, &'a Compared<'b>)> {
    let rows = sections.iter().flat_map(|section| {
        let own = section.rows.iter();
        own.map(move |row| (section, row))
    });
    (1..)
        .zip(rows)
        .map(|(number, (section, row))| (number, section, row))
}

/// A row of the JSON's `summary`: for readers, never read back.
#[derive(Clone, Debug, Serialize)]
pub struct Derived {
    subject: Subject,
    workload: Workload,
    metric: Metric,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    unit: Unit,
    evidence: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Summary>,
}

/// The `summary` of `report`. What is modelled has no row: its range stands in
/// its observation.
#[must_use]
pub fn derive(report: &Report) -> Vec<Derived> {
    let sections = compare(report);
    let rows = sections.iter().flat_map(|section| &section.rows);
    rows.filter(|row| row.summary.is_some())
        .map(|row| Derived {
            subject: row.observation.subject,
            workload: row.observation.workload,
            metric: row.observation.metric,
            state: row.observation.state,
            unit: row.observation.unit,
            evidence: row.observation.evidence.kind(),
            value: row.summary,
            added: row.added,
            ratio: row.ratio,
        })
        .collect()
}
