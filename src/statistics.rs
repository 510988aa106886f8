//! Medians, and how far they can be trusted.
//!
//! Start-up times have a long right tail, so the lab speaks of medians and asks
//! by bootstrap how much the median would move if the run were repeated: draw
//! as many samples as there were, with replacement, many times over, and look
//! at where the middle 95 % of the medians lie (Efron and Tibshirani, *An
//! Introduction to the Bootstrap*, 1993, chapter 13).

use serde::{Deserialize, Serialize};

/// Below this many samples no interval is given: the bootstrap of a median of a
/// handful of values says more about the handful than about the world.
pub const INTERVAL_NEEDS: usize = 10;

/// How often the bootstrap resamples.
const RESAMPLES: usize = 2_000;

/// A number with the range in which it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many samples it rests on.
    pub n: usize,
    /// The median.
    pub median: f64,
    /// The range around it.
    pub range: Range,
}

/// What the two numbers around a median mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Range {
    /// A bootstrap 95 % interval of the median.
    Interval {
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
    },
    /// The least and the greatest sample: too few for an interval.
    Extremes {
        /// The least sample.
        low: f64,
        /// The greatest sample.
        high: f64,
    },
}

impl Range {
    /// Both ends, whatever they mean.
    #[must_use]
    pub fn ends(self) -> (f64, f64) {
        match self {
            Self::Interval { low, high } | Self::Extremes { low, high } => (low, high),
        }
    }
}

/// The middle value of `samples`; the mean of the two middle ones if their
/// number is even. `None` for no samples.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The median of `samples` and its range; `None` for no samples.
#[must_use]
pub fn summarize(samples: &[f64]) -> Option<Summary> {
    Some(Bootstrap::of(samples)?.summary())
}

/// The middle 90 % of the medians of `samples` resampled, for what is told with intervals of that;
/// the extremes of too few. `None` for no samples.
#[must_use]
pub fn middle_90(samples: &[f64]) -> Option<(f64, f64)> {
    let Bootstrap {
        medians, extremes, ..
    } = Bootstrap::of(samples)?;
    Some(middle(medians, 50).unwrap_or(extremes))
}

/// What `subject` adds over `baseline`: the difference of the medians.
#[must_use]
pub fn added(subject: &[f64], baseline: &[f64]) -> Option<Summary> {
    Some(Bootstrap::of(subject)?.added_over(&Bootstrap::of(baseline)?))
}

/// How many times `baseline` the `subject` takes: the ratio of the medians.
/// `None` also where the baseline may be nothing, or the subject is less.
#[must_use]
pub fn ratio(subject: &[f64], baseline: &[f64]) -> Option<Summary> {
    Bootstrap::of(subject)?.ratio_to(&Bootstrap::of(baseline)?)
}

/// The ratio of the medians of two that took turns, `each` samples of either in every round, in
/// the order taken.
///
/// Whole rounds are drawn, for both at once: what slows both by the same factor from one round to
/// the next moves no ratio. A round that is not whole is left out. `None` without a whole round,
/// and where a sample is no time.
///
/// Source: Efron and Tibshirani, chapter 8: what is drawn is what the run drew independently.
#[must_use]
pub fn ratio_by_rounds(subject: &[f64], baseline: &[f64], each: usize) -> Option<Summary> {
    if subject.iter().chain(baseline).any(|sample| *sample <= 0.0) {
        return None;
    }
    let rounds = subject.len().min(baseline.len()).checked_div(each)?;
    let of_rounds = |drawn: &[usize]| {
        let of = |samples: &[f64]| {
            let of_round = |round: &usize| &samples[round * each..][..each];
            median(&drawn.iter().flat_map(of_round).copied().collect::<Vec<_>>())
        };
        Some(of(subject)? / of(baseline)?)
    };
    let mut drawn: Vec<usize> = (0..rounds).collect();
    let point = of_rounds(&drawn)?;
    let mut rng = seeded();
    let draws = if rounds < INTERVAL_NEEDS {
        0
    } else {
        RESAMPLES
    };
    let ratios = (0..draws).filter_map(|_| {
        drawn.fill_with(|| rng.usize(..rounds));
        of_rounds(&drawn)
    });
    Some(Summary {
        n: rounds * each,
        median: point,
        range: interval(ratios.collect()).unwrap_or(Range::Extremes {
            low: point,
            high: point,
        }),
    })
}

/// A group of samples with its resampled medians, drawn once and then used for
/// every comparison that the group enters.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    n: usize,
    median: f64,
    extremes: (f64, f64),
    /// In the order drawn; empty below [`INTERVAL_NEEDS`] samples.
    medians: Vec<f64>,
}

impl Bootstrap {
    /// Resamples `samples`; `None` for no samples.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let medians = if samples.len() < INTERVAL_NEEDS {
            Vec::new()
        } else {
            resampled_medians(samples)
        };
        Some(Self {
            n: sorted.len(),
            median: median_of_sorted(&sorted)?,
            extremes: (*sorted.first()?, *sorted.last()?),
            medians,
        })
    }

    /// The median and its range.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (low, high) = self.extremes;
        Summary {
            n: self.n,
            median: self.median,
            range: interval(self.medians.clone()).unwrap_or(Range::Extremes { low, high }),
        }
    }

    /// What this group adds over `baseline`: the difference of the medians.
    #[must_use]
    pub fn added_over(&self, baseline: &Self) -> Summary {
        self.beside(baseline, self.median - baseline.median, |own, below| {
            Some(own - below)
        })
    }

    /// The ratio of the medians. `None` unless the baseline is surely more than
    /// nothing and this group not less: a slope through noise has no multiple.
    #[must_use]
    pub fn ratio_to(&self, baseline: &Self) -> Option<Summary> {
        let (surely, _) = baseline.summary().range.ends();
        if surely <= 0.0 || self.median < 0.0 {
            return None;
        }
        let quotient = |own: f64, below: f64| (below > 0.0).then(|| own / below);
        let point = quotient(self.median, baseline.median)?;
        Some(self.beside(baseline, point, quotient))
    }

    /// `point` with the interval of `statistic` over pairs of resampled medians.
    /// Of too few samples nothing better than the point itself can be said.
    fn beside(
        &self,
        baseline: &Self,
        point: f64,
        statistic: impl Fn(f64, f64) -> Option<f64>,
    ) -> Summary {
        // Both groups were drawn from one seed: pairing each draw with one drawn
        // elsewhere in the stream keeps the two independent.
        let elsewhere = baseline.medians.iter().cycle().skip(RESAMPLES / 2);
        let pairs = self.medians.iter().zip(elsewhere);
        let statistics = pairs.filter_map(|(own, below)| statistic(*own, *below));
        Summary {
            n: self.n.min(baseline.n),
            median: point,
            range: interval(statistics.collect()).unwrap_or(Range::Extremes {
                low: point,
                high: point,
            }),
        }
    }
}

/// The medians of [`RESAMPLES`] groups drawn from `samples` with replacement.
fn resampled_medians(samples: &[f64]) -> Vec<f64> {
    let mut rng = seeded();
    let mut draw = samples.to_vec();
    let middle = draw.len() / 2;
    (0..RESAMPLES)
        .map(|_| {
            draw.fill_with(|| samples[rng.usize(..samples.len())]);
            let (below, upper, _) = draw.select_nth_unstable_by(middle, f64::total_cmp);
            if samples.len() % 2 == 1 {
                return *upper;
            }
            let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            f64::midpoint(lower, *upper)
        })
        .collect()
}

/// What resamples. The seed is fixed so that a report redrawn is the report that was drawn.
fn seeded() -> fastrand::Rng {
    fastrand::Rng::with_seed(0x15_01AB)
}

/// The middle 95 % of `statistics`; `None` if there are none.
fn interval(statistics: Vec<f64>) -> Option<Range> {
    middle(statistics, 25).map(|(low, high)| Range::Interval { low, high })
}

/// The middle of `statistics`, beyond which so many of a thousand lie at each end; `None` if there
/// are none.
fn middle(mut statistics: Vec<f64>, beyond: usize) -> Option<(f64, f64)> {
    statistics.sort_unstable_by(f64::total_cmp);
    let last = statistics.len().checked_sub(1)?;
    let at = |of_thousand: usize| statistics[last * of_thousand / 1000];
    Some((at(beyond), at(1000 - beyond)))
}

/// The least-squares slope of `y` over `x`. `None` if `x` does not vary.
///
/// Source: any textbook; the closed form of simple linear regression.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let together: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    (spread > 0.0).then_some(together / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        let mut samples = vec![1.0; 20];
        samples.push(1e9);
        assert_eq!(summarize(&samples).unwrap().median, 1.0);
    }

    #[test]
    fn nine_samples_get_extremes_and_ten_an_interval() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(
            summarize(&ten[..9]).unwrap().range,
            Range::Extremes {
                low: 1.0,
                high: 9.0
            }
        );
        assert!(matches!(
            summarize(&ten).unwrap().range,
            Range::Interval { .. }
        ));
    }

    /// The bootstrap is held to the truth that it claims: of many runs drawn
    /// from a known distribution, about 95 % of the intervals hold its median.
    #[test]
    fn intervals_hold_the_true_median_about_95_times_in_100() {
        let mut rng = fastrand::Rng::with_seed(7);
        let held = (0..300)
            .filter(|_| {
                // Exponential with rate 1: median ln 2, a long right tail.
                let run: Vec<f64> = (0..25).map(|_| -rng.f64().ln()).collect();
                let (low, high) = summarize(&run).unwrap().range.ends();
                (low..=high).contains(&std::f64::consts::LN_2)
            })
            .count();
        assert!(
            (270..=297).contains(&held),
            "{held} of 300 intervals hold the median"
        );
    }

    #[test]
    fn what_is_added_is_a_difference_and_the_ratio_a_quotient() {
        let baseline = [2.0; 12];
        let subject = [6.0; 12];
        assert_eq!(added(&subject, &baseline).unwrap().median, 4.0);
        assert_eq!(ratio(&subject, &baseline).unwrap().median, 3.0);
        assert_eq!(ratio(&subject, &[0.0; 12]), None);
        assert_eq!(
            ratio(&subject, &[-1.0, 2.0, 3.0]),
            None,
            "it may be nothing"
        );
        assert_eq!(ratio(&[-6.0; 12], &baseline), None, "less than nothing");
    }

    /// Of many runs whose rounds scatter by a sixth, and in which each contestant scatters by
    /// itself, 95 % of the intervals at least hold the true ratio, one trial a round or three
    /// (a median of few moves in steps, which makes them rather too wide than too narrow); and
    /// most are narrower than those of two that did not take turns.
    #[test]
    fn what_drifts_from_round_to_round_moves_no_ratio() {
        let mut rng = fastrand::Rng::with_seed(11);
        for each in [1, 3] {
            let (mut held, mut narrower) = (0, 0);
            for _ in 0..60 {
                let (mut subject, mut baseline) = (Vec::new(), Vec::new());
                for _ in 0..25 {
                    let drift = 0.85 + 0.3 * rng.f64();
                    for _ in 0..each {
                        subject.push(1.1 * drift * (0.9 + 0.2 * rng.f64()));
                        baseline.push(drift * (0.9 + 0.2 * rng.f64()));
                    }
                }
                let by_rounds = ratio_by_rounds(&subject, &baseline, each).unwrap();
                let (low, high) = by_rounds.range.ends();
                let (least, most) = ratio(&subject, &baseline).unwrap().range.ends();
                held += usize::from((low..=high).contains(&1.1));
                narrower += usize::from(high - low < most - least);
            }
            // Fewer come of 95 % by chance three times in a thousand.
            assert!(held >= 52, "{held} of 60, {each} each");
            assert!(narrower >= 40, "{narrower} of 60, {each} each");
        }
    }

    #[test]
    fn rounds_are_taken_whole_or_not_at_all() {
        // Ten rounds of three, and the beginning of an eleventh, which would move the median.
        let mut subject: Vec<f64> = [2.0, 4.0, 6.0].repeat(10);
        let mut baseline: Vec<f64> = [4.0, 3.0, 2.0].repeat(10);
        subject.extend([1.0; 2]);
        baseline.extend([9.0; 2]);
        let of = |samples: usize, each| ratio_by_rounds(&subject[..samples], &baseline, each);
        let whole = of(32, 3).unwrap();
        assert_eq!((whole.n, whole.median), (30, 4.0 / 3.0));
        // One round is as the other: only what draws less than a round scatters.
        assert_eq!(whole.range.ends(), (4.0 / 3.0, 4.0 / 3.0));
        assert_ne!(of(30, 1).unwrap().range.ends(), (4.0 / 3.0, 4.0 / 3.0));
        assert!(matches!(of(29, 3).unwrap().range, Range::Extremes { .. }));
        assert_eq!(of(2, 3), None);
        assert_eq!(of(30, 0), None);
        assert_eq!(ratio_by_rounds(&subject, &[0.0; 32], 1), None);
    }

    /// One seed draws every group, so pairing like with like would make a group
    /// and its double differ by exactly nothing.
    #[test]
    fn two_groups_are_drawn_independently() {
        let group: Vec<f64> = (1..=40).map(f64::from).collect();
        let (low, high) = added(&group, &group).unwrap().range.ends();
        assert!(low < -2.0 && high > 2.0, "{low} to {high}");
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let line: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 8.0].map(|x| (x, 10.0 - 3.0 * x)).into();
        assert!((slope(&line).unwrap() + 3.0).abs() < 1e-12);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }
}
