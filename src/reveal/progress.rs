//! Whether the predictions get better: one line for each attempt.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Score, outcomes, predictions_for};
use crate::notebook::predictions::Predictions;
use crate::report::Report;
use crate::statistics::median;

/// What became of the predictions that one run answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// When the run began.
    pub created: String,
    /// How many predictions it scored.
    pub scored: usize,
    /// The median of the factors by which they were off.
    pub typical_factor: f64,
    /// How many had the right order of magnitude.
    pub right_order: usize,
    /// The mean confidence, in percent, of those that stated one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_confidence: Option<f64>,
    /// The mean Brier score of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_brier: Option<f64>,
}

/// The attempts that `reports`, oldest first, scored. A prediction counts once:
/// in the first run after it.
#[must_use]
pub fn attempts(reports: &[Report], notebook: &Predictions) -> Vec<Attempt> {
    let mut counted: BTreeSet<String> = BTreeSet::new();
    let mut attempts = Vec::new();
    for report in reports {
        let mut new = predictions_for(report, notebook);
        new.retain(|prediction| !counted.contains(&prediction.id));
        let outcomes = outcomes(report, &new);
        let mut scores = Vec::new();
        let mut stated = Vec::new();
        for outcome in &outcomes {
            if let Some(score) = outcome.score() {
                counted.insert(outcome.prediction.id.clone());
                scores.push(score);
                stated.extend(outcome.prediction.confidence.map(f64::from));
            }
        }
        attempts.extend(attempt(&report.created, &scores, &stated));
    }
    attempts
}

fn attempt(created: &str, scores: &[Score], stated: &[f64]) -> Option<Attempt> {
    let factors: Vec<f64> = scores.iter().map(|score| score.factor).collect();
    let penalties: Vec<f64> = scores.iter().filter_map(|score| score.brier).collect();
    let mean = |all: &[f64]| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
    Some(Attempt {
        created: created.to_owned(),
        scored: scores.len(),
        typical_factor: median(&factors)?,
        right_order: scores.iter().filter(|score| score.same_order).count(),
        mean_confidence: mean(stated),
        mean_brier: mean(&penalties),
    })
}
