//! The units of a claim's numbers: those of a report, and counts,
//! ratios and shares, which only claims need.

use serde::{Deserialize, Serialize};

use crate::observation;
use crate::report::quantity::{digits, human};

/// The unit of a number or a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// How many of something.
    Count,
    /// How many times something else.
    Ratio,
    /// A part of a whole, from 0 to 1.
    Share,
}

impl Unit {
    /// `value` for people: `48.2 ms`, `4.10 kB`, `3`, `2.40×`, `95.0 %`.
    #[must_use]
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::Seconds => human(value, observation::Unit::Seconds),
            Self::Bytes => human(value, observation::Unit::Bytes),
            Self::Count if value.fract() == 0.0 => digits_of_count(value),
            Self::Count => digits(value),
            Self::Ratio => format!("{}×", digits(value)),
            Self::Share => format!("{} %", digits(100.0 * value)),
        }
    }
}

impl From<observation::Unit> for Unit {
    fn from(unit: observation::Unit) -> Self {
        match unit {
            observation::Unit::Seconds => Self::Seconds,
            observation::Unit::Bytes => Self::Bytes,
        }
    }
}

/// Whole numbers are shown whole, as far as that is readable.
fn digits_of_count(value: f64) -> String {
    if value.abs() < 1e9 {
        format!("{value:.0}")
    } else {
        digits(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_in_their_unit() {
        assert_eq!(Unit::Count.shown(3.0), "3");
        assert_eq!(Unit::Count.shown(12_345.0), "12345");
        assert_eq!(Unit::Ratio.shown(2.4), "2.40×");
        assert_eq!(Unit::Share.shown(0.95), "95.0 %");
        assert_eq!(Unit::Seconds.shown(0.0482), "48.2 ms");
        assert_eq!(Unit::Bytes.shown(7e8), "700 MB");
    }
}
