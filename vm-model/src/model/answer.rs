//! From parameters with intervals to an answer with one.
//!
//! The answer's interval is had by Monte Carlo: each parameter is drawn from its own interval, the
//! question is computed, and of many such outcomes the 5 % and 95 % quantiles are taken. Parameters
//! are drawn independently of each other, which is why calibrated ones are centred (see
//! [`parameters`](super::parameters)) and why what moves them together, the host's speed, is one of
//! its own. The seed is fixed: one question has one answer.
//!
//! Beside it stands what the answer hangs on: by how many percent it changes for one percent of a
//! parameter (its elasticity), and which share of the answer's uncertainty is that parameter's, if
//! each alone goes from one end of its interval to the other.

use std::cell::RefCell;

use serde::Serialize;

use super::parameters::{Parameter, Parameters, Unit, known};
use super::random::Random;
use crate::error::{Error, Result};

/// How many outcomes are drawn for an answer.
pub const DRAWS: usize = 4000;

/// How many for each point of a sweep.
pub const DRAWS_OF_SWEEP: usize = 800;

/// The seed of the draws.
const SEED: u64 = 0x15_01AB;

/// By how much a parameter is moved for its elasticity.
const NUDGE: f64 = 0.01;

/// Something that the parameters can answer.
pub trait Question {
    /// What is asked, in words.
    fn what(&self) -> String;

    /// The unit of the answer.
    fn unit(&self) -> Unit;

    /// The answer for one set of values.
    ///
    /// # Errors
    /// [`Error::Parameters`] if it needs a parameter that there is none of.
    fn outcome(&self, values: &Values<'_>) -> Result<Outcome>;
}

/// What a question comes to, for one set of values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The answer.
    pub value: f64,
    /// What it consists of, in the answer's unit. They need not add up to it: of what runs out
    /// first there is one.
    pub terms: Vec<(&'static str, f64)>,
    /// What is to be said of it.
    pub notes: Vec<String>,
    /// The answer before it was made whole, where it was: what its sensitivity is had of. A percent
    /// of a parameter moves no whole number, as a rule.
    pub unrounded: Option<f64>,
}

impl Outcome {
    /// The sum of terms. Those that are nothing stay: in another draw they may be something.
    #[must_use]
    pub fn sum(terms: Vec<(&'static str, f64)>) -> Self {
        Self {
            value: terms.iter().map(|(_, value)| value).sum(),
            terms,
            ..Self::default()
        }
    }
}

/// The values that a question is computed with.
#[derive(Debug)]
pub struct Values<'a> {
    parameters: &'a Parameters,
    /// Some in place of the parameters' own.
    drawn: &'a [(&'a str, f64)],
    used: RefCell<Vec<String>>,
}

impl<'a> Values<'a> {
    fn new(parameters: &'a Parameters, drawn: &'a [(&'a str, f64)]) -> Self {
        Self {
            parameters,
            drawn,
            used: RefCell::default(),
        }
    }

    /// The value of the parameter called `name`.
    ///
    /// # Errors
    /// [`Error::Parameters`] if there is none.
    pub fn get(&self, name: &str) -> Result<f64> {
        self.found(name).ok_or_else(|| {
            let meaning = known(name).map_or("unknown", |known| known.meaning);
            Error::Parameters {
                reason: format!("there is no `{name}` among them ({meaning})"),
                remedy: format!(
                    "`isolab model calibrate` measures what this machine can; or give it: --set {name}=VALUE"
                ),
            }
        })
    }

    /// The value of the parameter called `name`, or `otherwise` where there is none.
    #[must_use]
    pub fn or(&self, name: &str, otherwise: f64) -> f64 {
        self.found(name).unwrap_or(otherwise)
    }

    /// Whether there is one.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parameters.get(name).is_some()
    }

    fn found(&self, name: &str) -> Option<f64> {
        if let Some((_, value)) = self.drawn.iter().find(|(drawn, _)| *drawn == name) {
            return Some(*value);
        }
        let parameter = self.parameters.get(name)?;
        let mut used = self.used.borrow_mut();
        if !used.iter().any(|known| known == name) {
            used.push(name.to_owned());
        }
        Some(parameter.value)
    }
}

/// A part of an answer, with its interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Term {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// In 5 of 100 cases it is less.
    pub low: f64,
    /// In 5 of 100 cases it is more.
    pub high: f64,
}

/// What an answer hangs on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The parameter.
    pub name: String,
    /// By how many percent the answer changes for one percent of the parameter; none where either
    /// is nothing.
    pub elasticity: Option<f64>,
    /// The share of the answer's uncertainty that is this parameter's, from 0 to 1; none where the
    /// answer has no end at an end of any parameter's interval.
    pub share: Option<f64>,
}

/// An answer. Whatever it is made of, it is modelled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// What was asked.
    pub what: String,
    /// Always `modelled`.
    pub evidence: &'static str,
    /// The emulators whose samples its parameters are of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emulated_by: Vec<String>,
    /// The unit of all its numbers.
    pub unit: Unit,
    /// The answer for the parameters' own values.
    pub value: f64,
    /// In 5 of 100 cases it is less.
    pub low: f64,
    /// In 5 of 100 cases it is more.
    pub high: f64,
    /// What it consists of.
    pub terms: Vec<Term>,
    /// The parameters that went in, with their sources.
    pub parameters: Vec<Parameter>,
    /// What it hangs on, most first.
    pub sensitivity: Vec<Sensitivity>,
    /// What is to be said of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many outcomes were drawn for the interval.
    pub draws: usize,
}

/// Answers `question` from `parameters`.
///
/// # Errors
/// [`Error::Parameters`] if one is missing that it needs.
pub fn answer(question: &dyn Question, parameters: &Parameters, draws: usize) -> Result<Answer> {
    let values = Values::new(parameters, &[]);
    let best = question.outcome(&values)?;
    if best.value.is_nan() {
        return Err(Error::Parameters {
            reason: format!(
                "they say nothing of {}: it comes to no number",
                question.what()
            ),
            remedy: "see which of what is given is nothing, or without end".to_owned(),
        });
    }
    let names = values.used.into_inner();
    let used: Vec<&Parameter> = names
        .iter()
        .filter_map(|name| parameters.get(name))
        .collect();
    let drawn = outcomes(question, parameters, &used, draws)?;
    let (low, high) = ends(drawn.iter().map(|one| one.value), best.value);
    let terms = best.terms.iter().map(|(name, value)| {
        let of = |one: &Outcome| {
            one.terms
                .iter()
                .find(|(known, _)| known == name)
                .map(|t| t.1)
        };
        let (low, high) = ends(drawn.iter().filter_map(of), *value);
        Term {
            name: (*name).to_owned(),
            value: *value,
            low,
            high,
        }
    });
    let mut emulated_by: Vec<String> = used
        .iter()
        .filter_map(|parameter| parameter.emulated_by().map(str::to_owned))
        .collect();
    emulated_by.sort();
    emulated_by.dedup();
    Ok(Answer {
        what: question.what(),
        evidence: "modelled",
        emulated_by,
        unit: question.unit(),
        value: best.value,
        low,
        high,
        // What is nothing in all cases is no part of it.
        terms: terms
            .filter(|term| [term.value, term.low, term.high] != [0.0; 3])
            .collect(),
        sensitivity: sensitivity(question, parameters, &used)?,
        parameters: used.into_iter().cloned().collect(),
        notes: best.notes,
        draws,
    })
}

/// As many outcomes, each for parameters that were drawn anew.
fn outcomes(
    question: &dyn Question,
    parameters: &Parameters,
    used: &[&Parameter],
    draws: usize,
) -> Result<Vec<Outcome>> {
    let mut random = Random::seeded(SEED);
    let mut drawn: Vec<(&str, f64)> = used.iter().map(|one| (one.name.as_str(), 0.0)).collect();
    (0..draws)
        .map(|_| {
            for (place, parameter) in drawn.iter_mut().zip(used) {
                place.1 = parameter.at(random.normal());
            }
            question.outcome(&Values::new(parameters, &drawn))
        })
        .collect()
}

/// The 5 % and 95 % quantiles, which never leave out the answer itself.
fn ends(values: impl Iterator<Item = f64>, best: f64) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return (best, best);
    };
    (
        sorted[last * 5 / 100].min(best),
        sorted[last * 95 / 100].max(best),
    )
}

fn sensitivity(
    question: &dyn Question,
    parameters: &Parameters,
    used: &[&Parameter],
) -> Result<Vec<Sensitivity>> {
    let with = |name: &str, value: f64| {
        let drawn = [(name, value)];
        let outcome = question.outcome(&Values::new(parameters, &drawn))?;
        Ok::<_, Error>(outcome.unrounded.unwrap_or(outcome.value))
    };
    let mut all = Vec::new();
    for parameter in used {
        let name = parameter.name.as_str();
        let more = with(name, parameter.value * (1.0 + NUDGE))?;
        let less = with(name, parameter.value * (1.0 - NUDGE))?;
        let steps = ((1.0 + NUDGE) / (1.0 - NUDGE)).ln();
        let elasticity = (more / less).ln() / steps;
        let width = with(name, parameter.high)? - with(name, parameter.low)?;
        all.push(Sensitivity {
            name: name.to_owned(),
            elasticity: elasticity.is_finite().then_some(elasticity),
            share: Some(width * width),
        });
    }
    let total: f64 = all.iter().filter_map(|one| one.share).sum();
    for one in &mut all {
        // Of an uncertainty without end nothing is a part.
        one.share = one.share.filter(|_| total.is_finite());
        if total > 0.0 {
            one.share = one.share.map(|share| share / total);
        }
    }
    let weight = |one: &Sensitivity| {
        let elasticity = one.elasticity.map_or(0.0, f64::abs);
        (one.share.unwrap_or(0.0), elasticity)
    };
    all.sort_by(|a, b| {
        let (a, b) = (weight(a), weight(b));
        b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parameters::Origin;

    /// A rectangle, of which `vm.boot` is one side and `host.speed` the other; and a rim.
    struct Area;

    impl Question for Area {
        fn what(&self) -> String {
            "an area".to_owned()
        }

        fn unit(&self) -> Unit {
            Unit::Seconds
        }

        fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
            let area = values.get("vm.boot")? * values.get("host.speed")?;
            Ok(Outcome::sum(vec![
                ("area", area),
                ("rim", values.or("vm.init", 1.0)),
            ]))
        }
    }

    fn parameter(name: &str, value: f64, interval: [f64; 2]) -> Parameter {
        let why = "for a test".to_owned();
        Parameter::new(name, value, interval, Origin::Given { why })
    }

    fn sides() -> Parameters {
        Parameters::from_iter([
            parameter("vm.boot", 100.0, [90.0, 110.0]),
            parameter("host.speed", 2.0, [1.98, 2.02]),
        ])
    }

    #[test]
    fn the_interval_is_that_of_the_sum_of_independent_parts() {
        let found = answer(&Area, &sides(), DRAWS).unwrap();
        assert_eq!(found.value, 201.0);
        assert_eq!(found.evidence, "modelled");
        // 10 % and 1 %, independent: the root of the sum of squares.
        let reach = 200.0 * (0.1f64.powi(2) + 0.01f64.powi(2)).sqrt();
        assert!(
            (found.low - (201.0 - reach)).abs() < 0.05 * reach,
            "{found:?}"
        );
        assert!(
            (found.high - (201.0 + reach)).abs() < 0.05 * reach,
            "{found:?}"
        );
        assert_eq!(found.terms.len(), 2);
        assert_eq!((found.terms[1].low, found.terms[1].high), (1.0, 1.0));
        assert_eq!(
            answer(&Area, &sides(), DRAWS).unwrap(),
            found,
            "the seed is fixed"
        );
    }

    #[test]
    fn the_sensitivity_tells_what_matters() {
        let found = answer(&Area, &sides(), 10).unwrap();
        let [first, second] = found.sensitivity.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(first.name, "vm.boot");
        assert!(
            (first.share.unwrap() - 1.0 / 1.01).abs() < 0.001,
            "{first:?}"
        );
        // One percent more of a side is one percent more of the area, which is 200 of 201.
        for one in [first, second] {
            assert!(
                (one.elasticity.unwrap() - 200.0 / 201.0).abs() < 1e-3,
                "{one:?}"
            );
        }
    }

    /// What a boot takes beyond a second, and the second.
    struct Over;

    impl Question for Over {
        fn what(&self) -> String {
            "what is over".to_owned()
        }

        fn unit(&self) -> Unit {
            Unit::Seconds
        }

        fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
            let over = (values.get("vm.boot")? - 1.0).max(0.0);
            Ok(Outcome::sum(vec![
                ("a second", 1.0),
                ("over", over),
                ("never", 0.0),
            ]))
        }
    }

    #[test]
    fn a_terms_interval_is_of_all_draws_also_of_those_where_it_is_nothing() {
        // The ends of the boot's interval are 5 % and 95 % quantiles, so the term's are those less 1.
        for (boot, value, high) in [(1.01, 0.01, 0.11), (0.99, 0.0, 0.09)] {
            let parameters =
                Parameters::from_iter([parameter("vm.boot", boot, [boot - 0.1, boot + 0.1])]);
            let found = answer(&Over, &parameters, DRAWS).unwrap();
            let [_, over] = found.terms.as_slice() else {
                panic!("{found:?}")
            };
            assert!(
                (over.value - value).abs() < 1e-12 && over.low == 0.0,
                "{over:?}"
            );
            assert!((over.high - high).abs() < 0.01, "{over:?}");
        }
    }

    /// A second by a part of it, which may be nothing.
    struct Endless;

    impl Question for Endless {
        fn what(&self) -> String {
            "what may have no end".to_owned()
        }

        fn unit(&self) -> Unit {
            Unit::Seconds
        }

        fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
            let value = values.get("host.speed")? / values.get("vm.work")?;
            Ok(Outcome::sum(vec![("all", value)]))
        }
    }

    #[test]
    fn of_an_uncertainty_without_end_no_parameter_has_a_share() {
        let of = |least| {
            let parameters = sides().with(parameter("vm.work", 0.5, [least, 1.0]));
            answer(&Endless, &parameters, 10).unwrap().sensitivity
        };
        assert!(of(0.0).iter().all(|one| one.share.is_none()));
        let shares: f64 = of(0.4).iter().filter_map(|one| one.share).sum();
        assert!((shares - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_comes_to_no_number_is_no_answer() {
        let endless = Parameters::from_iter([
            parameter("vm.boot", 0.0, [0.0; 2]),
            Parameter {
                value: f64::INFINITY,
                ..parameter("host.speed", 1.0, [1.0; 2])
            },
        ]);
        let error = answer(&Area, &endless, 10).unwrap_err();
        assert!(error.to_string().contains("no number"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        let error = answer(&Area, &Parameters::default(), 10).unwrap_err();
        assert!(error.to_string().contains("vm.boot"), "{error}");
        assert!(error.hint().unwrap().contains("--set vm.boot="));
    }

    #[test]
    fn what_an_emulator_gave_is_said() {
        let mut parameters = sides();
        let mut boot = parameter("vm.boot", 1.0, [0.9, 1.1]);
        boot.origin = Origin::Calibrated {
            samples: 5,
            how: "boots".to_owned(),
            emulated_by: Some("QEMU TCG 7.2".to_owned()),
        };
        parameters.set(boot);
        let found = answer(&Area, &parameters, 10).unwrap();
        assert_eq!(found.emulated_by, ["QEMU TCG 7.2"]);
    }
}
