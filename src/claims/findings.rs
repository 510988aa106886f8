//! What an experiment found out: numbers with their evidence, the outcomes of
//! attempts, and what was done.
//!
//! A verdict sees nothing else. Whatever it rests on can so be printed, saved,
//! read again and swapped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ruling::Gap;
use super::unit::Unit;
use crate::observation::Evidence;
use crate::statistics::{Bootstrap, Summary};

/// Everything that an experiment found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// What was measured.
    #[serde(default)]
    pub numbers: Vec<Number>,
    /// What came of attempts.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// What was done, a sentence each, in order.
    #[serde(default)]
    pub steps: Vec<String>,
    /// What could not be tried here.
    #[serde(default)]
    pub missing: Vec<Missing>,
}

/// A number with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// What was measured.
    pub name: String,
    /// Of whom: `container`, `vm`, `podman`.
    pub subject: String,
    /// The unit of the samples.
    pub unit: Unit,
    /// Why it should be believed.
    pub evidence: Evidence,
    /// What held while it was taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What was asked.
    pub name: String,
    /// Of whom.
    pub subject: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The command that shows it, as one would type it.
    pub command: String,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It did or it did not.
    Bool(bool),
    /// How much or how many.
    Number(f64),
    /// What was answered.
    Text(String),
}

/// A part that could not be tried on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Which part: `vm`, `docker`, `a second interpreter`.
    pub part: String,
    /// Why.
    pub why: String,
    /// How to get it, where there is a way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl From<bool> for Outcome {
    fn from(outcome: bool) -> Self {
        Self::Bool(outcome)
    }
}

impl From<f64> for Outcome {
    fn from(outcome: f64) -> Self {
        Self::Number(outcome)
    }
}

impl From<&str> for Outcome {
    fn from(outcome: &str) -> Self {
        Self::Text(outcome.to_owned())
    }
}

impl From<String> for Outcome {
    fn from(outcome: String) -> Self {
        Self::Text(outcome)
    }
}

/// Programs by which a claim about Docker is settled.
const PEERS: [&str; 2] = ["docker", "podman"];

impl Findings {
    /// Says what was done.
    pub fn step(&mut self, said: impl Into<String>) {
        self.steps.push(said.into());
    }

    /// Notes a number.
    pub fn number(&mut self, name: &str, subject: &str, unit: Unit, evidence: Evidence) {
        self.numbers.push(Number {
            name: name.to_owned(),
            subject: subject.to_owned(),
            unit,
            evidence,
            conditions: BTreeMap::new(),
        });
    }

    /// Notes what held while the last number was taken.
    pub fn condition(&mut self, name: &str, held: impl Into<String>) {
        if let Some(last) = self.numbers.last_mut() {
            last.conditions.insert(name.to_owned(), held.into());
        }
    }

    /// Notes the outcome of an attempt and the command that shows it.
    pub fn fact(
        &mut self,
        name: &str,
        subject: &str,
        outcome: impl Into<Outcome>,
        command: impl Into<String>,
    ) {
        self.facts.push(Fact {
            name: name.to_owned(),
            subject: subject.to_owned(),
            outcome: outcome.into(),
            command: command.into(),
        });
    }

    /// Notes what could not be tried, and why.
    pub fn lack(&mut self, part: &str, error: &anyhow::Error) {
        self.missing.push(Missing {
            part: part.to_owned(),
            why: format!("{error:#}"),
            remedy: crate::hint::of(error),
        });
    }

    /// The outcome of the attempt called `name` of `subject`.
    ///
    /// # Errors
    /// A [`Gap`] if there was none.
    pub fn outcome(&self, name: &str, subject: &str) -> Result<&Outcome, Gap> {
        let mut facts = self.facts.iter();
        facts
            .find(|fact| fact.name == name && fact.subject == subject)
            .map(|fact| &fact.outcome)
            .ok_or_else(|| Gap::untried(format!("nobody tried `{name}` of {subject}")))
    }

    /// Whether the attempt came out true.
    ///
    /// # Errors
    /// A [`Gap`] if there was none, or it has no such outcome.
    pub fn is(&self, name: &str, subject: &str) -> Result<bool, Gap> {
        match self.outcome(name, subject)? {
            Outcome::Bool(outcome) => Ok(*outcome),
            _ => Err(Gap::new(format!("`{name}` of {subject} is no yes or no"))),
        }
    }

    /// What was answered.
    ///
    /// # Errors
    /// A [`Gap`] if there was no attempt, or it has no such outcome.
    pub fn text(&self, name: &str, subject: &str) -> Result<&str, Gap> {
        match self.outcome(name, subject)? {
            Outcome::Text(text) => Ok(text),
            _ => Err(Gap::new(format!("`{name}` of {subject} is no text"))),
        }
    }

    /// How much or how many.
    ///
    /// # Errors
    /// A [`Gap`] if there was no attempt, or it has no such outcome.
    pub fn amount(&self, name: &str, subject: &str) -> Result<f64, Gap> {
        match self.outcome(name, subject)? {
            Outcome::Number(amount) => Ok(*amount),
            _ => Err(Gap::new(format!("`{name}` of {subject} is no number"))),
        }
    }

    /// The samples of a number that was measured.
    ///
    /// # Errors
    /// A [`Gap`] if there are none, or they were emulated or modelled, which
    /// settles nothing about speed.
    pub fn measured(&self, name: &str, subject: &str) -> Result<&[f64], Gap> {
        let mut numbers = self.numbers.iter();
        let found = numbers.find(|number| number.name == name && number.subject == subject);
        let found = found
            .ok_or_else(|| Gap::untried(format!("the {name} of {subject} was not measured")))?;
        found
            .evidence
            .measured()
            .filter(|samples| !samples.is_empty())
            .ok_or_else(|| {
                Gap::new(format!(
                    "the {name} of {subject} is {}, which settles nothing",
                    found.evidence.kind()
                ))
            })
    }

    /// The samples of a number, resampled.
    ///
    /// # Errors
    /// As [`measured`](Self::measured).
    pub fn bootstrap(&self, name: &str, subject: &str) -> Result<Bootstrap, Gap> {
        let samples = self.measured(name, subject)?;
        Bootstrap::of(samples).ok_or_else(|| Gap::new(format!("no {name} of {subject}")))
    }

    /// The median of a measured number, with its range.
    ///
    /// # Errors
    /// As [`measured`](Self::measured).
    pub fn summary(&self, name: &str, subject: &str) -> Result<Summary, Gap> {
        Ok(self.bootstrap(name, subject)?.summary())
    }

    /// Whether docker or podman took part. What merely was not there stands in
    /// `missing`.
    #[must_use]
    pub fn has_a_peer(&self) -> bool {
        let of_facts = self.facts.iter().map(|fact| &fact.subject);
        let of_numbers = self.numbers.iter().map(|number| &number.subject);
        of_facts
            .chain(of_numbers)
            .any(|subject| PEERS.contains(&subject.as_str()))
    }

    /// Every text in it, to be made safe before it leaves the lab.
    pub(super) fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let numbers = self.numbers.iter_mut().flat_map(|number| {
            let by = match &mut number.evidence {
                Evidence::Emulated { by, .. } => Some(by),
                Evidence::Measured { .. } | Evidence::Modelled { .. } => None,
            };
            let held = number.conditions.values_mut();
            [&mut number.name, &mut number.subject]
                .into_iter()
                .chain(held)
                .chain(by)
        });
        let facts = self.facts.iter_mut().flat_map(|fact| {
            let answered = match &mut fact.outcome {
                Outcome::Text(text) => Some(text),
                Outcome::Bool(_) | Outcome::Number(_) => None,
            };
            [&mut fact.name, &mut fact.subject, &mut fact.command]
                .into_iter()
                .chain(answered)
        });
        let missing = self.missing.iter_mut().flat_map(|missing| {
            [&mut missing.part, &mut missing.why]
                .into_iter()
                .chain(&mut missing.remedy)
        });
        numbers.chain(facts).chain(&mut self.steps).chain(missing)
    }
}
