//! Reasons not to trust what was measured, said before anybody relies on it.

use crate::observation::{Metric, Unit};
use crate::program::Program;
use crate::report::Environment;
use crate::statistics::{median, summarize};

/// Below this a time is near what timers and scheduling alone do to it.
const SHORT_SECONDS: f64 = 0.001;
/// Modified z-score beyond which a sample is called an outlier.
///
/// Source: Iglewicz and Hoaglin, *How to Detect and Handle Outliers*, 1993,
/// take 3.5; four times that, since start-up times have a long tail by nature.
const OUTLIER_SCORE: f64 = 14.0;
/// Load for each CPU from which others are taken to have competed.
const CONTENDED_LOAD: f64 = 0.5;

/// Warnings about one metric's samples.
#[must_use]
pub fn of_samples(metric: Metric, samples: &[f64]) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(middle) = median(samples) else {
        return warnings;
    };
    if metric.unit() == Unit::Seconds {
        if middle < SHORT_SECONDS {
            // Without the number: the same words for several metrics become one line.
            let noise = "under a millisecond: timer and scheduler noise is a good part of it";
            warnings.push(noise.to_owned());
        }
        let far = outliers(samples, middle);
        if far > 0 {
            warnings.push("outliers: something else ran in between".to_owned());
        }
    }
    let lost = summarize(samples).is_some_and(|summary| summary.range.ends().0 <= 0.0);
    if metric == Metric::MemorySlope && lost {
        warnings.push("the slope is lost in what else this machine does with its memory".into());
    }
    warnings
}

/// How many samples lie absurdly far from the median.
fn outliers(samples: &[f64], middle: f64) -> usize {
    let distances: Vec<f64> = samples.iter().map(|s| (s - middle).abs()).collect();
    match median(&distances) {
        Some(spread) if spread > 0.0 => distances
            .iter()
            .filter(|d| 0.6745 * **d / spread > OUTLIER_SCORE)
            .count(),
        _ => 0,
    }
}

/// Warnings about the run as a whole.
#[must_use]
pub fn of_run(environment: &Environment) -> Vec<String> {
    let bound = CONTENDED_LOAD * environment.cpus as f64;
    (environment.load_before > bound)
        .then(|| {
            format!(
                "the machine was busy before the run began (load {:.2} on {} CPUs): \
                 close other programs and run again",
                environment.load_before, environment.cpus
            )
        })
        .into_iter()
        .collect()
}

/// A warning about a baseline that does more than the others.
#[must_use]
pub fn of_program(program: &Program) -> Option<String> {
    let (_, closure) = program.python()?;
    (!closure.start_up_code.is_empty()).then(|| {
        format!(
            "packages installed beside the interpreter run code at every start of the bare process \
             ({}); venv, container and guest do not have them, and start sooner for it",
            closure.start_up_code.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_far_from_all_others_is_named_an_outlier() {
        let mut samples: Vec<f64> = (0..20).map(|i| 0.010 + 0.0001 * f64::from(i)).collect();
        assert_eq!(of_samples(Metric::Startup, &samples), Vec::<String>::new());
        samples.push(1.0);
        assert!(of_samples(Metric::Startup, &samples)[0].contains("outliers"));
    }

    #[test]
    fn a_time_under_a_millisecond_is_not_shown_without_a_warning() {
        assert!(of_samples(Metric::Startup, &[0.0004; 12])[0].contains("millisecond"));
        assert!(of_samples(Metric::Disk, &[1.0; 12]).is_empty());
    }
}
