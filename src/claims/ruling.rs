//! The verdict on a claim, and how far an effect lies from its threshold.
//!
//! An effect meets its threshold only if all of its range does. Where the
//! threshold lies within the range, the run could have come out either way, and
//! the verdict is that it did not come out.

use serde::{Deserialize, Serialize};

use super::ledger::{Bound, Claim};
use super::unit::Unit;
use crate::statistics::{Range, Summary};

/// What a run says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The effect is there.
    Supported,
    /// The effect is there, with a reservation.
    SupportedBut,
    /// The effect is surely not there.
    Refuted,
    /// The run could have come out either way.
    Inconclusive,
    /// This machine cannot run the experiment.
    NotTestedHere,
    /// Sources settle it, nothing was to be run.
    Sourced,
    /// A part that it needs is not built yet.
    WaitsFor,
}

impl Verdict {
    /// In words, without the reason.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::SupportedBut => "supported, but …",
            Self::Refuted => "refuted",
            Self::Inconclusive => "inconclusive",
            Self::NotTestedHere => "not tested here",
            Self::Sourced => "sourced",
            Self::WaitsFor => "waits",
        }
    }
}

/// A verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// The verdict.
    pub verdict: Verdict,
    /// The effects beside their thresholds, the decisive one first.
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// Why, in a sentence.
    pub because: String,
    /// What goes with 'but'.
    #[serde(default)]
    pub reservations: Vec<String>,
    /// How to have it tested here, where there is a way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// An effect beside the threshold that was fixed for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// What has this size.
    pub name: String,
    /// How much it is.
    pub value: f64,
    /// The range in which it can be trusted; `None` for what was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// How many samples it rests on.
    pub n: usize,
    /// The unit of all three.
    pub unit: Unit,
    /// On which side of the threshold the claim is right.
    pub bound: Bound,
    /// The threshold.
    pub threshold: f64,
}

/// Whether an effect is as large as was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Surely.
    Yes,
    /// Surely not.
    No,
    /// The threshold lies within the range.
    Open,
}

/// Something that a verdict needs and the findings do not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Gap {
    what: String,
    /// Nothing was tried, rather than something that did not come out.
    untried: bool,
}

impl Gap {
    /// What was tried does not tell, for the reason `what`.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            untried: false,
        }
    }

    /// Nothing was tried: `what` is not there. The reason is among what the
    /// findings miss, if anything is.
    #[must_use]
    pub fn untried(what: impl Into<String>) -> Self {
        Self {
            untried: true,
            ..Self::new(what)
        }
    }

    /// Whether nothing was tried.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.untried
    }
}

impl Effect {
    /// An effect that was counted, beside the threshold `name` of `claim`.
    ///
    /// # Errors
    /// A [`Gap`] if the ledger states no such threshold.
    pub fn counted(claim: &Claim, name: &str, value: f64) -> Result<Self, Gap> {
        Self::beside(claim, name, value, None, 1)
    }

    /// An effect that was estimated from samples.
    ///
    /// # Errors
    /// As [`Effect::counted`]. A [`Gap`] also if there are too few samples for an
    /// interval.
    pub fn estimated(claim: &Claim, name: &str, summary: Summary) -> Result<Self, Gap> {
        let Summary { n, median, range } = summary;
        if matches!(range, Range::Extremes { .. }) {
            return Err(Gap::new(format!(
                "{n} samples are too few for an interval of `{name}`"
            )));
        }
        Self::beside(claim, name, median, Some(range), n)
    }

    fn beside(
        claim: &Claim,
        name: &str,
        value: f64,
        range: Option<Range>,
        n: usize,
    ) -> Result<Self, Gap> {
        let threshold = claim.threshold(name)?;
        Ok(Self {
            name: threshold.effect.clone(),
            value,
            range,
            n,
            unit: threshold.unit,
            bound: threshold.bound,
            threshold: threshold.value,
        })
    }

    /// The same effect, said of one of several subjects.
    #[must_use]
    pub fn of(mut self, subject: &str) -> Self {
        self.name = format!("{}, {subject}", self.name);
        self
    }

    /// Whether it is as large as was asked.
    #[must_use]
    pub fn met(&self) -> Met {
        let (low, high) = self
            .range
            .map_or((self.value, self.value), crate::statistics::Range::ends);
        let all = |fits: &dyn Fn(f64) -> bool| match (fits(low), fits(high)) {
            (true, true) => Met::Yes,
            (false, false) => Met::No,
            _ => Met::Open,
        };
        match self.bound {
            Bound::AtLeast => all(&|end| end >= self.threshold),
            Bound::AtMost => all(&|end| end <= self.threshold),
        }
    }
}

impl Ruling {
    /// The verdict that follows from effects of which each must be met.
    #[must_use]
    pub fn of(effects: Vec<Effect>, because: impl Into<String>) -> Self {
        let mets = effects.iter().map(Effect::met);
        let verdict = mets.fold(Verdict::Supported, |so_far, met| match (so_far, met) {
            (Verdict::Refuted, _) | (_, Met::No) => Verdict::Refuted,
            (Verdict::Inconclusive, _) | (_, Met::Open) => Verdict::Inconclusive,
            (so_far, Met::Yes) => so_far,
        });
        Self {
            effects,
            ..Self::bare(verdict, because)
        }
    }

    /// A verdict without effects.
    #[must_use]
    pub fn bare(verdict: Verdict, because: impl Into<String>) -> Self {
        Self {
            verdict,
            effects: Vec::new(),
            because: because.into(),
            reservations: Vec::new(),
            remedy: None,
        }
    }

    /// With a reservation: what was supported is so no longer without a 'but'.
    #[must_use]
    pub fn but(mut self, reservation: impl Into<String>) -> Self {
        if self.verdict == Verdict::Supported {
            self.verdict = Verdict::SupportedBut;
        }
        self.reservations.push(reservation.into());
        self
    }

    /// The verdict as a sentence: `supported, but shown with isolab …`.
    #[must_use]
    pub fn said(&self) -> String {
        match self.verdict {
            Verdict::SupportedBut => format!("supported, but {}", self.reservations.join("; ")),
            Verdict::NotTestedHere => format!("not tested here: {}", self.because),
            Verdict::WaitsFor => format!("waits for {}", self.because),
            other => {
                let mut said = other.words().to_owned();
                for reservation in &self.reservations {
                    said.push_str("; ");
                    said.push_str(reservation);
                }
                said
            }
        }
    }

    /// Every text in it.
    pub(super) fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let own = [&mut self.because].into_iter();
        own.chain(&mut self.reservations).chain(&mut self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(bound: Bound, low: f64, high: f64) -> Effect {
        Effect {
            name: "e".into(),
            value: f64::midpoint(low, high),
            range: Some(Range::Interval { low, high }),
            n: 10,
            unit: Unit::Ratio,
            bound,
            threshold: 2.0,
        }
    }

    #[test]
    fn an_effect_meets_its_threshold_with_all_of_its_range() {
        for (bound, low, high, met) in [
            (Bound::AtLeast, 2.0, 3.0, Met::Yes),
            (Bound::AtLeast, 1.9, 3.0, Met::Open),
            (Bound::AtLeast, 1.0, 1.9, Met::No),
            (Bound::AtMost, 1.0, 2.0, Met::Yes),
            (Bound::AtMost, 1.0, 2.1, Met::Open),
            (Bound::AtMost, 2.1, 3.0, Met::No),
        ] {
            assert_eq!(
                effect(bound, low, high).met(),
                met,
                "{bound:?} {low} {high}"
            );
        }
    }

    #[test]
    fn one_effect_that_is_not_there_refutes_and_one_in_doubt_leaves_open() {
        let yes = || effect(Bound::AtLeast, 3.0, 4.0);
        let open = || effect(Bound::AtLeast, 1.0, 4.0);
        let no = || effect(Bound::AtLeast, 0.5, 1.0);
        let of = |effects: Vec<Effect>| Ruling::of(effects, "x").verdict;
        assert_eq!(of(vec![yes(), yes()]), Verdict::Supported);
        assert_eq!(of(vec![yes(), open()]), Verdict::Inconclusive);
        assert_eq!(of(vec![no(), open()]), Verdict::Refuted);
        assert_eq!(of(vec![open(), no()]), Verdict::Refuted);
    }

    #[test]
    fn a_reservation_turns_supported_into_supported_but_and_nothing_else() {
        let but = |verdict| Ruling::bare(verdict, "x").but("y");
        assert_eq!(but(Verdict::Supported).verdict, Verdict::SupportedBut);
        assert_eq!(but(Verdict::Supported).said(), "supported, but y");
        assert_eq!(but(Verdict::Refuted).said(), "refuted; y");
    }
}
