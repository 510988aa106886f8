//! How good the predictions of a quantity were, against what was aimed at.

use serde::Serialize;

use super::{Outcome, Quantity};
use crate::statistics::median;

/// What is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Target {
    /// The mean absolute error, at most, as a part of what was measured.
    pub error: f64,
    /// The part of the measurements that the intervals hold, at least.
    pub coverage: f64,
    /// Half of the width of the intervals in the median, at most, as a part of the prediction.
    pub half_width: Option<f64>,
}

/// How good they were.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Of what.
    pub quantity: Quantity,
    /// How many measurements there were to be.
    pub planned: usize,
    /// How many there were.
    pub measurements: usize,
    /// How good the predictions of those were; nothing where nothing could be measured.
    #[serde(flatten)]
    pub found: Option<Goodness>,
    /// What is aimed at.
    pub target: Target,
}

/// How good predictions were that something was measured of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goodness {
    /// The mean of how far predictions lay from measurements, as a part of the latter.
    pub error: f64,
    /// The part of the measurements that the intervals held.
    pub coverage: f64,
    /// Half of the width of the intervals, in the median, as a part of the prediction.
    pub half_width: f64,
}

impl Score {
    /// What could not be measured, in words; `None` where all was.
    #[must_use]
    pub fn unmeasured(&self) -> Option<String> {
        (self.measurements < self.planned).then(|| {
            format!(
                "{} of {} planned measurements were made: nothing is said of the others",
                self.measurements, self.planned
            )
        })
    }

    /// What is not met, in words; empty where all is that was measured.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        let percent = |part: f64| format!("{:.1} %", part * 100.0);
        let Some(found) = self.found else {
            return Vec::new();
        };
        let mut misses = Vec::new();
        if found.error > self.target.error {
            misses.push(format!(
                "the mean error is {}, and at most {} is aimed at",
                percent(found.error),
                percent(self.target.error)
            ));
        }
        if found.coverage < self.target.coverage {
            misses.push(format!(
                "the intervals hold {}, and at least {} is aimed at",
                percent(found.coverage),
                percent(self.target.coverage)
            ));
        }
        if let Some(most) = self
            .target
            .half_width
            .filter(|most| found.half_width > *most)
        {
            misses.push(format!(
                "half an interval is {} in the median, and at most {} is aimed at",
                percent(found.half_width),
                percent(most)
            ));
        }
        misses
    }
}

fn target(quantity: Quantity) -> Target {
    let (error, half_width) = match quantity {
        Quantity::Memory => (0.05, Some(0.10)),
        Quantity::Startup | Quantity::Restore => (0.15, Some(0.25)),
        Quantity::AtOnce => (0.25, None),
        Quantity::Disk => (0.05, None),
        Quantity::Published => (0.03, None),
    };
    Target {
        error,
        coverage: 0.9,
        half_width,
    }
}

/// The score of each quantity that something was to be measured of.
#[must_use]
pub fn scores(outcomes: &[Outcome]) -> Vec<Score> {
    let of = |quantity| {
        let own = || {
            outcomes
                .iter()
                .filter(move |one| one.prediction.quantity == quantity && !one.prediction.beyond)
        };
        let each: Vec<(f64, bool)> = own()
            .flat_map(|one| {
                let p = &one.prediction;
                one.compared().iter().map(move |measured| {
                    let off = (p.value - measured).abs() / measured;
                    (off, p.low <= *measured && *measured <= p.high)
                })
            })
            .collect();
        let widths: Vec<f64> = own()
            .filter(|one| !one.measured.is_empty())
            .map(|one| (one.prediction.high - one.prediction.low) / 2.0 / one.prediction.value)
            .collect();
        let count = each.len() as f64;
        let held = each.iter().filter(|(_, held)| *held).count() as f64;
        let planned: usize = own().map(|one| one.planned as usize).sum();
        (planned > 0).then(|| Score {
            quantity,
            planned,
            measurements: each.len(),
            found: (!each.is_empty()).then(|| Goodness {
                error: each.iter().map(|(off, _)| off).sum::<f64>() / count,
                coverage: held / count,
                half_width: median(&widths).unwrap_or(0.0),
            }),
            target: target(quantity),
        })
    };
    Quantity::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Prediction;
    use super::*;
    use vm_model::model::parameters::Unit;

    fn outcome(quantity: Quantity, reach: f64, measured: &[f64]) -> Outcome {
        Outcome {
            prediction: Prediction {
                name: "a guest".to_owned(),
                quantity,
                what: String::new(),
                unit: Unit::Seconds,
                value: 100.0,
                low: 100.0 - reach,
                high: 100.0 + reach,
                given: None,
                beyond: false,
            },
            planned: 2,
            measured: measured.to_vec(),
            undisturbed: Vec::new(),
            emulated_by: None,
            missing: None,
        }
    }

    #[test]
    fn errors_are_of_each_measurement_and_widths_of_each_prediction() {
        let outcomes = [
            outcome(Quantity::Memory, 4.0, &[100.0, 125.0]),
            outcome(Quantity::Memory, 8.0, &[80.0]),
            outcome(Quantity::Disk, 1.0, &[]),
        ];
        let scored = scores(&outcomes);
        let score = &scored[0];
        assert_eq!((score.measurements, score.planned), (3, 4));
        let found = score.found.unwrap();
        assert!((found.error - (0.0 + 0.2 + 0.25) / 3.0).abs() < 1e-12);
        assert!((found.coverage - 1.0 / 3.0).abs() < 1e-12);
        assert!((found.half_width - 0.06).abs() < 1e-12);
        assert_eq!(score.misses().len(), 2);
        assert!(score.misses()[0].contains("15.0 %"));
        assert!(score.unmeasured().unwrap().contains("3 of 4 planned"));
    }

    #[test]
    fn what_could_not_be_measured_has_a_score_that_says_so() {
        let scored = scores(&[outcome(Quantity::Disk, 1.0, &[])]);
        let [score] = scored.as_slice() else {
            panic!("{scored:?}")
        };
        assert_eq!(
            (score.measurements, score.planned, score.found),
            (0, 2, None)
        );
        assert!(score.unmeasured().unwrap().contains("0 of 2"));
        assert!(score.misses().is_empty());
        let json = serde_json::to_value(score).unwrap();
        assert_eq!(json["planned"], 2);
        assert!(json.get("error").is_none(), "{json}");
        let whole = &scores(&[outcome(Quantity::Disk, 1.0, &[100.0, 100.0])])[0];
        assert_eq!(whole.unmeasured(), None);
    }

    #[test]
    fn times_are_compared_without_what_others_took() {
        let disturbed = Outcome {
            undisturbed: vec![100.0, 100.0],
            ..outcome(Quantity::Startup, 1.0, &[150.0, 130.0])
        };
        let scored = scores(&[disturbed]);
        assert_eq!(scored[0].found.unwrap().error, 0.0);
    }

    #[test]
    fn good_predictions_with_wide_intervals_miss_as_well() {
        let scored = scores(&[outcome(Quantity::Startup, 30.0, &[101.0])]);
        let misses = scored[0].misses();
        assert_eq!(misses.len(), 1);
        assert!(misses[0].contains("half an interval"), "{misses:?}");
        let scored = scores(&[outcome(Quantity::Startup, 20.0, &[101.0])]);
        assert!(scored[0].misses().is_empty());
    }
}
