//! What the class comes to: how far its machines lie apart, and how far off its
//! predictions were.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Class, Row};
use crate::observation::{Metric, State, Subject, Unit, Workload};
use crate::prediction::Question;
use crate::statistics::median;

/// One quantity over the machines that have it. Kinds of evidence are not mixed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
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
    /// How many machines.
    pub machines: usize,
    /// The least of their medians.
    pub least: f64,
    /// The median of them.
    pub median: f64,
    /// The greatest.
    pub greatest: f64,
}

/// One question over the machines whose users answered it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guessed {
    /// What was asked.
    pub question: Question,
    /// How many answered.
    pub answers: usize,
    /// How many of those were measured, and so scored.
    pub scored: usize,
    /// The median of the factors by which they were off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_factor: Option<f64>,
    /// How many had the right order of magnitude.
    pub right_order: usize,
    /// How many said too little.
    pub too_low: usize,
    /// The mean confidence of the scored, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_confidence: Option<f64>,
}

/// Every quantity, in the order in which reports show them.
#[must_use]
pub fn spreads(class: &Class) -> Vec<Spread> {
    let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in class.machines.iter().flat_map(|machine| &machine.rows) {
        let key = (
            row.workload,
            row.metric,
            row.state,
            row.subject,
            row.evidence == "modelled",
            row.evidence,
        );
        groups.entry(key).or_default().push(row);
    }
    let spread = |rows: Vec<&Row>| {
        let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
        Some(Spread {
            workload: rows[0].workload,
            metric: rows[0].metric,
            state: rows[0].state,
            subject: rows[0].subject,
            evidence: rows[0].evidence,
            unit: rows[0].unit,
            machines: rows.len(),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            median: median(&values)?,
            greatest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    };
    groups.into_values().filter_map(spread).collect()
}

/// Every question that somebody answered.
#[must_use]
pub fn guesses(class: &Class) -> Vec<Guessed> {
    let all = || {
        class
            .machines
            .iter()
            .flat_map(|machine| &machine.predictions)
    };
    let mut questions: Vec<Question> = all().map(|guess| guess.question).collect();
    questions.sort_unstable();
    questions.dedup();
    let guessed = |question: Question| {
        let own = || all().filter(|guess| guess.question == question);
        let scores: Vec<_> = own().filter_map(|guess| guess.score).collect();
        let factors: Vec<f64> = scores.iter().map(|score| score.factor).collect();
        let stated: Vec<f64> = own()
            .filter(|guess| guess.score.is_some())
            .filter_map(|guess| guess.confidence.map(f64::from))
            .collect();
        Guessed {
            question,
            answers: own().count(),
            scored: scores.len(),
            typical_factor: median(&factors),
            right_order: scores.iter().filter(|score| score.same_order).count(),
            too_low: scores
                .iter()
                .filter(|score| score.log10_error < 0.0)
                .count(),
            mean_confidence: (!stated.is_empty())
                .then(|| stated.iter().sum::<f64>() / stated.len() as f64),
        }
    };
    questions.into_iter().map(guessed).collect()
}
