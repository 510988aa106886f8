//! One report, reduced to what a class compares.

use serde::Serialize;

use crate::observation::{Metric, State, Subject, Unit, Workload};
use crate::prediction::Question;
use crate::report::Report;
use crate::report::comparison::{Compared, Section, compare_only};
use crate::reveal::{self, Outcome, Score, Seen};

/// A machine of the class. It has no host name and no date, and a name only if
/// one was given for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Drawn at random when the class was merged.
    pub id: String,
    /// As it is to be called, where that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version of Isolab.
    pub isolab: String,
    /// The distribution.
    pub os: String,
    /// The processor.
    pub cpu: String,
    /// Processors that could be used.
    pub cpus: usize,
    /// Physical memory, in bytes.
    pub memory_bytes: u64,
    /// What the machine itself runs in.
    pub virtualization: String,
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// What was found.
    pub rows: Vec<Row>,
    /// What was expected, and what came of it.
    pub predictions: Vec<Guess>,
    /// When it ran: tells one run from another, and is not shown.
    #[serde(skip)]
    created: String,
}

/// A row of a machine's report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was run.
    pub workload: Workload,
    /// What was measured.
    pub metric: Metric,
    /// In what state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Of what.
    pub subject: Subject,
    /// `measured`, `emulated` or `modelled`.
    pub evidence: &'static str,
    /// The unit of the numbers.
    pub unit: Unit,
    /// How many samples; none of a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// The median, or a model's likely value.
    pub value: f64,
    /// The ends of its range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// What it adds over the bare process; only of measured evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<f64>,
    /// How many times the process; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// What was expected of a row, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// What was asked.
    pub question: Question,
    /// The unit of the answer.
    pub unit: Unit,
    /// The answer.
    pub predicted: f64,
    /// In percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was measured, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// How far off, if that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
}

impl Machine {
    /// What `report` says of `workloads`. It has no id yet.
    pub(super) fn of(report: &Report, workloads: &[Workload]) -> Self {
        let e = &report.environment;
        let sections = compare_only(report, |o| workloads.contains(&o.workload));
        let rows = sections.iter().flat_map(|section| {
            let each = section.rows.iter();
            each.map(move |compared| row(section, compared))
        });
        let mut predictions = report.predictions.clone();
        predictions.retain(|made| workloads.contains(&made.question.workload));
        let outcomes = reveal::outcomes(report, &predictions);
        Self {
            id: String::new(),
            name: None,
            isolab: e.isolab.clone(),
            os: e.os.clone(),
            cpu: e.cpu.clone(),
            cpus: e.cpus,
            memory_bytes: e.memory_bytes,
            virtualization: e.virtualization.clone(),
            interrupted: report.interrupted,
            rows: rows.collect(),
            predictions: outcomes.into_iter().map(guess).collect(),
            created: report.created.clone(),
        }
    }

    /// Whether both are of one and the same run.
    pub(super) fn is_same_run(&self, other: &Self) -> bool {
        self.created == other.created
            && self.cpu == other.cpu
            && self.memory_bytes == other.memory_bytes
            && self.rows == other.rows
    }

    /// Its name, else its id.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

fn row(section: &Section<'_>, compared: &Compared<'_>) -> Row {
    let o = compared.observation;
    Row {
        workload: section.workload,
        metric: section.metric,
        state: section.state,
        subject: o.subject,
        evidence: o.evidence.kind(),
        unit: o.unit,
        n: compared.summary.map(|summary| summary.n),
        value: compared.centre(),
        range: compared.ends(),
        added: compared.added.map(|added| added.median),
        ratio: compared.ratio.map(|ratio| ratio.median),
    }
}

fn guess(outcome: Outcome) -> Guess {
    let score = outcome.score();
    let made = outcome.prediction;
    Guess {
        question: made.question,
        unit: made.question.unit(),
        predicted: made.value,
        confidence: made.confidence,
        reason: made.reason,
        measured: match outcome.seen {
            Seen::Measured { value, .. } => Some(value),
            _ => None,
        },
        score,
    }
}
