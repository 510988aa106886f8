//! How far off a prediction was, and whether several are in the right order.

use serde::Serialize;

use super::{Outcome, Seen};
use crate::observation::Workload;
use crate::prediction::{Experiment, Prediction};

/// Half an order of magnitude: nearer than this in powers of ten, a value rounds
/// to the same one. As a factor, the square root of ten.
const SAME_ORDER: f64 = 0.5;

/// Which way a prediction missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Less was expected than was measured.
    TooLow,
    /// More was.
    TooHigh,
    /// It lies within the measurement's own interval.
    Within,
}

/// How far off a prediction was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The decimal logarithm of expected over measured: 1 is ten times too much.
    pub log10_error: f64,
    /// How many times off, whichever way; 1 is right.
    pub factor: f64,
    /// Which way.
    pub direction: Direction,
    /// Whether the order of magnitude was right, of which the confidence speaks.
    pub same_order: bool,
    /// The confidence's penalty (Brier score): the square of its distance from
    /// what came, between 0 and 1. Who always says 50 % gets 0.25.
    ///
    /// Source: Brier, "Verification of Forecasts Expressed in Terms of
    /// Probability", Monthly Weather Review, 1950.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brier: Option<f64>,
}

impl Score {
    /// The score of `prediction` where `measured` was seen, with its `range`;
    /// `None` where nothing or less was measured.
    #[must_use]
    pub fn of(prediction: &Prediction, measured: f64, range: Option<(f64, f64)>) -> Option<Self> {
        if !(measured > 0.0 && prediction.value > 0.0) {
            return None;
        }
        let log10_error = prediction.value.log10() - measured.log10();
        let same_order = log10_error.abs() < SAME_ORDER;
        let inside = range.is_some_and(|(low, high)| (low..=high).contains(&prediction.value));
        let came = if same_order { 1.0 } else { 0.0 };
        Some(Self {
            log10_error,
            factor: 10f64.powf(log10_error.abs()),
            direction: match log10_error {
                _ if inside => Direction::Within,
                error if error < 0.0 => Direction::TooLow,
                error if error > 0.0 => Direction::TooHigh,
                _ => Direction::Within,
            },
            same_order,
            brier: prediction
                .confidence
                .map(|percent| (f64::from(percent) / 100.0 - came).powi(2)),
        })
    }
}

/// Whether the subjects of an experiment were put in the right order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rank {
    /// Kendall's tau: 1 for the measured order, −1 for its reverse.
    ///
    /// Source: Kendall, "A New Measure of Rank Correlation", Biometrika, 1938.
    pub tau: f64,
    /// How many pairs it rests on: those whose measured order is beyond doubt.
    pub pairs: usize,
}

/// The agreement of expected and measured order among the outcomes of
/// `experiment` with `workload`; `None` where no two were measured apart.
#[must_use]
pub fn rank(outcomes: &[Outcome], experiment: Experiment, workload: Workload) -> Option<Rank> {
    let own: Vec<(f64, f64, (f64, f64))> = outcomes
        .iter()
        .filter(|o| {
            let question = o.prediction.question;
            (question.experiment, question.workload) == (experiment, workload)
        })
        .filter_map(|o| match &o.seen {
            Seen::Measured { value, spread, .. } => Some((o.prediction.value, *value, *spread)),
            _ => None,
        })
        .collect();
    let mut agreement = 0.0;
    let mut pairs = 0;
    for (i, a) in own.iter().enumerate() {
        for b in &own[i + 1..] {
            // Intervals that overlap leave the order open.
            if a.2.1 < b.2.0 || b.2.1 < a.2.0 {
                pairs += 1;
                // A tie in what was expected agrees with neither order.
                let expected = a.0.partial_cmp(&b.0).map_or(0, |order| order as i32);
                let measured = a.1.partial_cmp(&b.1).map_or(0, |order| order as i32);
                agreement += f64::from(expected * measured);
            }
        }
    }
    (pairs > 0).then(|| Rank {
        tau: agreement / pairs as f64,
        pairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prediction::Question;

    fn prediction(question: &str, value: f64, confidence: Option<u8>) -> Prediction {
        Prediction::now(
            question.parse::<Question>().unwrap(),
            value,
            confidence,
            None,
        )
    }

    fn score(value: f64, measured: f64, range: Option<(f64, f64)>) -> Option<Score> {
        Score::of(
            &prediction("startup/vm/python", value, Some(80)),
            measured,
            range,
        )
    }

    #[test]
    fn ten_times_too_much_and_ten_times_too_little_are_equally_far_off() {
        let (high, low) = (
            score(0.5, 0.05, None).unwrap(),
            score(0.005, 0.05, None).unwrap(),
        );
        assert!((high.log10_error - 1.0).abs() < 1e-12 && (low.log10_error + 1.0).abs() < 1e-12);
        assert!((high.factor - 10.0).abs() < 1e-9 && (low.factor - 10.0).abs() < 1e-9);
        assert_eq!(
            (high.direction, low.direction),
            (Direction::TooHigh, Direction::TooLow)
        );
        assert!(!high.same_order && !low.same_order);
    }

    #[test]
    fn a_confidence_is_kept_by_the_right_order_of_magnitude() {
        let near = score(0.15, 0.05, None).unwrap();
        assert!(near.same_order && (near.brier.unwrap() - 0.04).abs() < 1e-12);
        let far = score(0.16, 0.05, None).unwrap();
        assert!(!far.same_order && (far.brier.unwrap() - 0.64).abs() < 1e-12);
    }

    #[test]
    fn inside_the_measurements_interval_is_right() {
        let inside = score(0.051, 0.05, Some((0.048, 0.052))).unwrap();
        assert_eq!(inside.direction, Direction::Within);
        let outside = score(0.053, 0.05, Some((0.048, 0.052))).unwrap();
        assert_eq!(outside.direction, Direction::TooHigh);
    }

    #[test]
    fn nothing_is_a_factor_off_from_nothing() {
        assert_eq!(score(0.05, 0.0, None), None);
        assert_eq!(score(0.05, -0.001, None), None);
    }

    /// Expected values and measured ones, each with an interval of ±`wide`.
    fn tau(expected: [f64; 3], measured: [f64; 3], wide: f64) -> Option<Rank> {
        let questions = [
            "memory/process/python",
            "memory/container/python",
            "memory/vm/python",
        ];
        let outcomes: Vec<Outcome> = questions
            .iter()
            .zip(expected.iter().zip(measured))
            .map(|(question, (expected, value))| Outcome {
                prediction: prediction(question, *expected, None),
                seen: Seen::Measured {
                    value,
                    range: None,
                    spread: (value - wide, value + wide),
                    score: None,
                },
            })
            .collect();
        rank(&outcomes, Experiment::Memory, Workload::Python)
    }

    #[test]
    fn the_measured_order_is_one_and_its_reverse_minus_one() {
        let of = |expected| tau(expected, [1.0, 2.0, 3.0], 0.1).unwrap().tau;
        assert!((of([10.0, 20.0, 30.0]) - 1.0).abs() < 1e-12);
        assert!((of([30.0, 20.0, 10.0]) + 1.0).abs() < 1e-12);
        assert!((of([10.0, 30.0, 20.0]) - 1.0 / 3.0).abs() < 1e-12);
        assert!((of([10.0, 10.0, 20.0]) - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn an_order_that_the_measurement_leaves_open_does_not_count() {
        assert_eq!(tau([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.6).unwrap().pairs, 1);
        assert_eq!(tau([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 5.0), None);
    }
}
