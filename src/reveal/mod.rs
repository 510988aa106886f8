//! Predictions beside what was measured.
//!
//! What counts is the ratio, not the difference: who says 5 ms where it is 50
//! is as far off as who says 500. So the error is taken in powers of ten, and a
//! confidence is kept if it belongs to the right one. Only measured evidence is
//! scored; what an emulator or a model says is shown and called so.

mod progress;
mod score;
mod show;

pub use progress::{Attempt, attempts};
pub use score::{Direction, Rank, Score, rank};
pub use show::{json, render};

use serde::Serialize;

use crate::notebook::predictions::Predictions;
use crate::observation::{Evidence, Metric, Observation, Subject, Workload};
use crate::prediction::{Experiment, Prediction, Question};
use crate::report::Report;
use crate::report::comparison::compare_only;
use crate::statistics::{Range, Summary, median};

/// What a report says to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Seen {
    /// It was measured, and the prediction is scored by it.
    Measured {
        /// The median, or the difference of medians, in the question's unit.
        value: f64,
        /// The ends of its interval; of few samples, of all of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        range: Option<(f64, f64)>,
        /// Where it lies beyond doubt: its interval or, of few samples, all that
        /// they leave open.
        #[serde(skip)]
        spread: (f64, f64),
        /// How far off the prediction is; nothing is a factor off from nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        score: Option<Score>,
    },
    /// A guest under an emulator: the whole, since what is added to a measured
    /// process by an emulated guest is neither.
    Emulated {
        /// The median.
        value: f64,
        /// The emulator.
        by: String,
    },
    /// Nothing ran; a model's range.
    Modelled {
        /// The least that its sources support.
        low: f64,
        /// The most.
        high: f64,
    },
    /// The report has no answer.
    Missing {
        /// Why.
        why: String,
    },
    /// The prediction was made when the run had begun: it is none.
    Hindsight,
}

/// A prediction and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was expected.
    pub prediction: Prediction,
    /// What was seen.
    pub seen: Seen,
}

impl Outcome {
    /// How far off it was, if that was measured.
    #[must_use]
    pub fn score(&self) -> Option<Score> {
        match &self.seen {
            Seen::Measured { score, .. } => *score,
            _ => None,
        }
    }
}

/// The predictions that belong to `report`: those that it carries, else for each
/// question the newest in the notebook that was made before the run.
#[must_use]
pub fn predictions_for(report: &Report, notebook: &Predictions) -> Vec<Prediction> {
    if !report.predictions.is_empty() {
        return report.predictions.clone();
    }
    let of = |experiment: &Experiment| {
        let each = |workload: &Workload| Question::of(*experiment, &Subject::ALL, &[*workload]);
        Workload::ALL.iter().flat_map(each).collect::<Vec<_>>()
    };
    let questions = Experiment::ALL.iter().flat_map(of);
    questions
        .filter(|question| report.settings.workloads.contains(&question.workload))
        .filter_map(|question| notebook.newest(question, &report.created).cloned())
        .collect()
}

/// What came of each of `predictions`, in the order of the questions.
#[must_use]
pub fn outcomes(report: &Report, predictions: &[Prediction]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = predictions
        .iter()
        .map(|prediction| Outcome {
            prediction: prediction.clone(),
            seen: if prediction.was_made_by(&report.created) {
                seen(report, prediction)
            } else {
                Seen::Hindsight
            },
        })
        .collect();
    outcomes.sort_by_key(|outcome| outcome.prediction.question);
    outcomes
}

fn seen(report: &Report, prediction: &Prediction) -> Seen {
    let question = prediction.question;
    let (subject, workload) = (question.subject, question.workload);
    let (metric, state) = (question.metric(), question.state());
    let ran = report.ran(subject, workload, metric, state);
    match ran.map(|observation| &observation.evidence) {
        Some(Evidence::Measured { .. }) => measured(report, prediction),
        Some(Evidence::Emulated { samples, by }) => Seen::Emulated {
            value: median(samples).unwrap_or(f64::NAN),
            by: by.clone(),
        },
        _ => not_run(report, question),
    }
}

fn measured(report: &Report, prediction: &Prediction) -> Seen {
    let question = prediction.question;
    let sections = compare_only(report, |o| concerns(o, question));
    let rows = || sections.iter().flat_map(|section| &section.rows);
    let row = rows().find(|row| {
        row.observation.subject == question.subject && row.observation.evidence.measured().is_some()
    });
    let answer: Option<Summary> = row.and_then(|row| match question.asks_what_is_added() {
        true => row.added,
        false => row.summary,
    });
    let (Some(row), Some(answer)) = (row, answer) else {
        let why = "the bare process was not measured, so nothing can be said to be added to it";
        return Seen::Missing {
            why: why.to_owned(),
        };
    };
    let (low, high) = answer.range.ends();
    let range = (low < high).then_some((low, high));
    let baseline = rows().find(|row| row.observation.subject == Subject::Process);
    let spread = match (answer.range, row.summary, baseline.and_then(|b| b.summary)) {
        (Range::Extremes { .. }, Some(own), Some(below)) if question.asks_what_is_added() => {
            let ((low, high), (least, most)) = (own.range.ends(), below.range.ends());
            (low - most, high - least)
        }
        (range, ..) => range.ends(),
    };
    Seen::Measured {
        value: answer.median,
        range,
        spread,
        score: Score::of(prediction, answer.median, range),
    }
}

fn concerns(observation: &Observation, question: Question) -> bool {
    (observation.workload, observation.metric, observation.state)
        == (question.workload, question.metric(), question.state())
}

fn not_run(report: &Report, question: Question) -> Seen {
    let (subject, workload) = (question.subject, question.workload);
    let metric: Metric = question.metric();
    let modelled = report.modelled(subject, workload, metric, question.state());
    if let Some(Evidence::Modelled { low, high, .. }) = modelled.map(|o| &o.evidence) {
        let (low, high) = (*low, *high);
        return Seen::Modelled { low, high };
    }
    let missing = report
        .missing
        .iter()
        .find(|missing| (missing.subject, missing.workload) == (subject, workload));
    let usual = match report.settings.quick {
        true => "this run did not measure it; `--quick` has no time for all of a slow guest",
        false => "this run did not measure it",
    };
    let why = missing.map_or(usual, |missing| &missing.why);
    Seen::Missing {
        why: why.to_owned(),
    }
}
