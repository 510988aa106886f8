//! A logarithmic axis with ticks that people read: 1 ms, 10 ms, 100 ms, 1 s.

use crate::observation::Unit;
use crate::report::quantity::human;

/// A logarithmic axis over positive numbers.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    unit: Unit,
}

/// Factors within a decade, from the finest series to the coarsest.
const SERIES: [&[f64]; 4] = [
    &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
    &[1.0, 2.0, 5.0],
    &[1.0, 3.0],
    &[1.0],
];

impl Axis {
    /// An axis that holds all of `values` that are positive, rounded outwards;
    /// `None` if none is.
    pub(super) fn over(values: impl Iterator<Item = f64>, unit: Unit) -> Option<Self> {
        let positive = values.filter(|v| *v > 0.0 && v.is_finite());
        let (least, greatest) = positive.fold((f64::INFINITY, 0.0_f64), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        if greatest == 0.0 {
            return None;
        }
        let low = least / 1.12;
        let high = greatest * 1.12;
        let round = |factors: &[f64]| {
            let below = steps(low / 10.0, low, factors).last().unwrap_or(low);
            let above = steps(high, high * 10.0, factors).next().unwrap_or(high);
            (below, above)
        };
        let (low, high) = round(if high / low > 30.0 {
            SERIES[1]
        } else {
            SERIES[0]
        });
        Some(Self { low, high, unit })
    }

    /// Where `value` lies: 0 at the lower end, 1 at the upper.
    pub(super) fn place(&self, value: f64) -> f64 {
        ((value / self.low).ln() / (self.high / self.low).ln()).clamp(0.0, 1.0)
    }

    /// Ticks with labels: as many as keep `gap` apart on an axis of `length`,
    /// where `width` says how wide a label is.
    pub(super) fn ticks(
        &self,
        length: f64,
        gap: f64,
        width: impl Fn(&str) -> f64,
    ) -> Vec<(f64, String)> {
        let fits = |ticks: &[(f64, String)]| {
            let each = ticks.windows(2).all(|pair| {
                let apart = (self.place(pair[1].0) - self.place(pair[0].0)) * length;
                apart >= (width(&pair[0].1) + width(&pair[1].1)) / 2.0 + gap
            });
            each && ticks.len() <= 9
        };
        let labelled = |v: f64| (v, label(v, self.unit));
        let of_series = SERIES.iter().map(|factors| {
            steps(self.low, self.high, factors)
                .map(labelled)
                .collect::<Vec<_>>()
        });
        // Then every second decade, every third, and so on.
        let sparse = (2..24).map(|every| {
            let decades = steps(self.low, self.high, SERIES[3]);
            decades.step_by(every).map(labelled).collect::<Vec<_>>()
        });
        // Over three decades and more, decades say all.
        let coarsest = SERIES.len() - 1;
        let finest = if self.high / self.low < 999.0 {
            0
        } else {
            coarsest
        };
        of_series
            .skip(finest)
            .chain(sparse)
            .find(|ticks| fits(ticks))
            .unwrap_or_default()
    }

    /// Small ticks without labels, so that the axis looks as logarithmic as it
    /// is; none where they would be a smear.
    pub(super) fn minor(&self) -> Vec<f64> {
        if self.high / self.low > 1e6 {
            return Vec::new();
        }
        steps(self.low, self.high, SERIES[0]).collect()
    }
}

/// The steps of a series from `low` to `high`, both included.
fn steps(low: f64, high: f64, factors: &[f64]) -> impl Iterator<Item = f64> + Clone {
    let decade = |v: f64| v.log10().floor() as i32;
    let slack = 1.0 + 1e-9;
    (decade(low) - 1..=decade(high) + 1)
        .flat_map(move |exponent| factors.iter().map(move |f| scientific(*f, exponent)))
        .filter(move |v| *v >= low / slack && *v <= high * slack)
}

/// `factor` times ten to `exponent`, as the nearest number to its decimal form.
fn scientific(factor: f64, exponent: i32) -> f64 {
    format!("{factor}e{exponent}").parse().unwrap_or(0.0)
}

/// A tick's label: its quantity without idle zeros.
fn label(value: f64, unit: Unit) -> String {
    let text = human(value, unit);
    let (number, symbol) = text.split_once(' ').unwrap_or((&text, ""));
    let number = match number.contains('.') && !number.contains('e') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {symbol}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], unit: Unit) -> Vec<String> {
        let axis = Axis::over(values.iter().copied(), unit).unwrap();
        let ticks = axis.ticks(450.0, 14.0, |text| 7.0 * text.len() as f64);
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_wide_range_is_labelled_by_decades_and_a_narrow_one_finer() {
        assert_eq!(
            labels(&[0.0012, 1.7], Unit::Seconds),
            ["1 ms", "10 ms", "100 ms", "1 s"]
        );
        assert_eq!(
            labels(&[21.5e6, 44e6], Unit::Bytes)[..2],
            ["10 MB", "20 MB"]
        );
        assert!(labels(&[0.048, 0.0485], Unit::Seconds).len() >= 2);
    }

    #[test]
    fn every_axis_has_ticks_and_holds_its_values() {
        for exponent in -9..18 {
            for spread in [1.0, 1.01, 3.0, 1e3, 1e9, 1e25] {
                let low = 1.7 * 10f64.powi(exponent);
                let high = low * spread;
                let axis = Axis::over([low, high].into_iter(), Unit::Bytes).unwrap();
                assert!(axis.low < low && axis.high > high);
                let count = labels(&[low, high], Unit::Bytes).len();
                assert!((2..=9).contains(&count), "{low} to {high}: {count} ticks");
            }
        }
    }

    #[test]
    fn nothing_positive_has_no_logarithm() {
        assert!(Axis::over([0.0, -1.0, f64::NAN].into_iter(), Unit::Bytes).is_none());
    }
}
