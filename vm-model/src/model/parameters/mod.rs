//! What the equations are fed with: each parameter with its value, unit, interval and source.
//!
//! There are three kinds of source. What somebody published has a citation; what was calibrated on
//! this machine has samples, and says so where an emulator ran; what the caller gives is given.
//! The interval is one of 90 %, of what the parameter predicts: where that is a single further
//! boot, the interval is of a single boot and not of the mean.

mod calibration;
mod known;
mod memory;
mod published;
mod unit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use calibration::{Calibration, Machine, Missing, SCHEMA, SIZE_LIMIT, Was};
pub use known::{KNOWN, Known, known};
pub use memory::{Curve, MONITORS, PublishedGuest, Row, guest_of, rows};
pub use published::{Published, startup_of};
pub use unit::Unit;

use crate::error::{Error, Result};

/// Where a parameter comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// Somebody published it.
    Published {
        /// Who, and where.
        citation: String,
        /// Under which conditions.
        conditions: String,
    },
    /// It was measured by a calibration.
    Calibrated {
        /// How many samples it rests on.
        samples: usize,
        /// What was measured, and how the interval was had of it.
        how: String,
        /// The emulator, where the samples are of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emulated_by: Option<String>,
    },
    /// The caller gave it, or it was assumed for want of better.
    Given {
        /// By whom, or why.
        why: String,
    },
}

impl Origin {
    /// What is told of it.
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Published {
                citation,
                conditions,
            } => vec![citation, conditions],
            Self::Calibrated {
                how, emulated_by, ..
            } => [how]
                .into_iter()
                .chain(emulated_by)
                .map(String::as_str)
                .collect(),
            Self::Given { why } => vec![why],
        }
    }
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, one of [`KNOWN`].
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The unit of it and of its interval.
    pub unit: Unit,
    /// In 5 of 100 cases it is less.
    pub low: f64,
    /// In 5 of 100 cases it is more.
    pub high: f64,
    /// Where it comes from.
    pub origin: Origin,
}

/// The 95 % quantile of the normal distribution: how far the ends of an interval of 90 % lie.
const NORMAL_95: f64 = 1.644_853_626_951_472_2;

impl Parameter {
    /// A parameter with its interval, in the unit of that name.
    ///
    /// # Panics
    /// If the model knows no parameter of that name: a mistake in the code.
    #[must_use]
    pub fn new(name: &str, value: f64, [low, high]: [f64; 2], origin: Origin) -> Self {
        let known = known(name).unwrap_or_else(|| panic!("no parameter is called `{name}`"));
        let within = |x: f64| x.clamp(known.least, known.most);
        Self {
            name: name.to_owned(),
            value: within(value),
            unit: known.unit,
            low: within(low.min(value)),
            high: within(high.max(value)),
            origin,
        }
    }

    /// A parameter that is known exactly.
    #[must_use]
    pub fn exactly(name: &str, value: f64, origin: Origin) -> Self {
        Self::new(name, value, [value; 2], origin)
    }

    /// What it is where a normal deviate is `z`: 0 gives its value, and the 5 % and 95 % quantiles
    /// the ends of its interval. Below and above the value it is spread as each side has it.
    #[must_use]
    pub fn at(&self, z: f64) -> f64 {
        let side = match z < 0.0 {
            true => self.value - self.low,
            false => self.high - self.value,
        };
        let drawn = self.value + z / NORMAL_95 * side;
        known(&self.name).map_or(drawn, |known| drawn.clamp(known.least, known.most))
    }

    /// The emulator, where its samples are of one.
    #[must_use]
    pub fn emulated_by(&self) -> Option<&str> {
        match &self.origin {
            Origin::Calibrated { emulated_by, .. } => emulated_by.as_deref(),
            Origin::Published { .. } | Origin::Given { .. } => None,
        }
    }

    /// Refuses what no parameter can be.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with its name.
    pub fn check(&self) -> Result<(), String> {
        let Some(known) = known(&self.name) else {
            return Err("is no parameter of this model".to_owned());
        };
        if self.unit != known.unit {
            return Err(format!(
                "is in `{}`, and its unit is `{}`",
                self.unit, known.unit
            ));
        }
        for (what, number) in [
            ("value", self.value),
            ("low", self.low),
            ("high", self.high),
        ] {
            if !number.is_finite() || number < known.least || number > known.most {
                return Err(format!(
                    "has {number} as its {what}, and can only be {} to {}",
                    known.least, known.most
                ));
            }
        }
        if self.low > self.value || self.value > self.high {
            return Err(format!(
                "contradicts itself: {} does not lie between {} and {}",
                self.value, self.low, self.high
            ));
        }
        Ok(())
    }
}

/// A set of parameters by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    by_name: BTreeMap<String, Parameter>,
}

impl Parameters {
    /// The parameter called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.by_name.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Adds one, in place of what had its name.
    pub fn set(&mut self, parameter: Parameter) {
        self.by_name.insert(parameter.name.clone(), parameter);
    }

    /// The same with `parameter`.
    #[must_use]
    pub fn with(mut self, parameter: Parameter) -> Self {
        self.set(parameter);
        self
    }

    /// Refuses sets whose parameters contradict each other.
    ///
    /// # Errors
    /// [`Error::Parameters`] with the first contradiction.
    pub fn check(&self) -> Result<()> {
        for parameter in self.iter() {
            parameter
                .check()
                .map_err(|why| refused(format!("`{}` {why}", bounded(&parameter.name))))?;
        }
        let both = |a: &str, b: &str| self.get(a).is_some() && self.get(b).is_some();
        for phase in [
            "vm.vmm",
            "vm.firmware",
            "vm.decompression",
            "vm.kernel",
            "vm.init",
        ] {
            if both("vm.boot", phase) {
                return Err(refused(format!(
                    "`{phase}` is a part of `vm.boot`: together they would be counted twice"
                )));
            }
        }
        for (needs, needed) in [
            ("vm.boot", "vm.reference"),
            ("vm.boot.memory", "vm.reference"),
            ("vm.memory.accounts", "vm.reference"),
            ("vm.contention.few", "vm.contention.few-guests"),
            ("vm.contention.few", "vm.contention.guests"),
        ] {
            if self.get(needs).is_some() && self.get(needed).is_none() {
                return Err(refused(format!(
                    "`{needs}` means nothing without `{needed}`"
                )));
            }
        }
        let number = |name: &str| self.get(name).map(|one| one.value);
        let (few, more) = (
            number("vm.contention.few-guests"),
            number("vm.contention.guests"),
        );
        if few.is_some_and(|few| few < 1.0) || few >= more && few.is_some() {
            return Err(refused(
                "`vm.contention.few-guests` has to be at least 1, and less than `vm.contention.guests`"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl FromIterator<Parameter> for Parameters {
    fn from_iter<I: IntoIterator<Item = Parameter>>(all: I) -> Self {
        let mut parameters = Self::default();
        all.into_iter().for_each(|one| parameters.set(one));
        parameters
    }
}

/// A refusal of parameters, with what to do about it.
fn refused(reason: String) -> Error {
    Error::Parameters {
        reason,
        remedy: "`isolab model calibrate` makes a new one".to_owned(),
    }
}

/// Text of others, short enough to be told.
fn bounded(text: &str) -> String {
    let shown = text.chars().map(|c| match c.is_control() {
        true => '\u{fffd}',
        false => c,
    });
    shown.take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Origin {
        Origin::Given {
            why: "for a test".to_owned(),
        }
    }

    fn boot(low: f64, value: f64, high: f64) -> Parameter {
        Parameter {
            low,
            high,
            ..Parameter::exactly("vm.boot", value, given())
        }
    }

    #[test]
    fn its_interval_is_one_of_90_percent_and_may_be_lopsided() {
        let one = boot(1.0, 2.0, 5.0);
        assert_eq!(one.at(0.0), 2.0);
        assert!((one.at(-NORMAL_95) - 1.0).abs() < 1e-12);
        assert!((one.at(NORMAL_95) - 5.0).abs() < 1e-12);
        assert_eq!(one.at(-1e9), 0.0, "no boot takes less than nothing");
        assert_eq!(one.check(), Ok(()));
    }

    #[track_caller]
    fn check(parameter: &Parameter, expected: &str) {
        let said = parameter.check().unwrap_err();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn what_no_parameter_can_be_is_refused() {
        check(&boot(3.0, 2.0, 5.0), "contradicts itself");
        check(&boot(-1.0, 2.0, 5.0), "can only be 0");
        check(&boot(1.0, f64::NAN, 5.0), "NaN");
        check(&boot(1.0, 2.0, f64::INFINITY), "inf");
        let mut other = boot(1.0, 2.0, 3.0);
        other.unit = Unit::Bytes;
        check(&other, "its unit is `s`");
        other.name = "vm.boots".to_owned();
        check(&other, "no parameter");
    }

    #[test]
    fn a_trend_needs_two_numbers_of_guests() {
        let of = |few: f64, more: f64| {
            let set = [
                ("vm.contention", 0.2),
                ("vm.contention.guests", more),
                ("vm.contention.few", 0.1),
                ("vm.contention.few-guests", few),
            ];
            let one = |(name, value)| Parameter::exactly(name, value, given());
            Parameters::from_iter(set.map(one)).check()
        };
        assert!(of(2.0, 4.0).is_ok());
        for (few, more) in [(4.0, 4.0), (8.0, 4.0), (0.0, 4.0)] {
            let said = of(few, more).unwrap_err().to_string();
            assert!(said.contains("few-guests"), "{said}");
        }
    }

    #[test]
    fn a_part_and_its_whole_are_not_counted_twice() {
        let kernel = Parameter::exactly("vm.kernel", 1.0, given());
        let both = Parameters::from_iter([boot(1.0, 2.0, 3.0), kernel.clone()]);
        assert!(
            both.check()
                .unwrap_err()
                .to_string()
                .contains("counted twice")
        );
        let lonely = Parameters::from_iter([boot(1.0, 2.0, 3.0)]);
        assert!(
            lonely
                .check()
                .unwrap_err()
                .to_string()
                .contains("vm.reference")
        );
        assert!(Parameters::from_iter([kernel]).check().is_ok());
    }
}
