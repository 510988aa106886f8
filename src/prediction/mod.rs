//! What somebody expects of an experiment before it is made.
//!
//! A guess that is written down first cannot be bent afterwards, and only then
//! can one be surprised. A prediction is a value, how sure one is of its order
//! of magnitude, and why; it names no user and no host.

pub mod amount;
pub mod question;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use question::{Experiment, Question};

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 300;
/// The values that can be predicted, in seconds or bytes: from far less than
/// anything here takes to far more.
pub const VALUES: std::ops::RangeInclusive<f64> = 1e-12..=1e18;

/// An answer to a question, written down before the measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// 16 hexadecimal digits, drawn at random.
    pub id: String,
    /// When it was made, in UTC, by RFC 3339.
    pub made: String,
    /// The version of Isolab that asked.
    pub isolab: String,
    /// What was asked.
    pub question: Question,
    /// The answer, in the question's unit.
    pub value: f64,
    /// How sure the answer's order of magnitude is, in percent; `None` if
    /// answering ended before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// Why, in a line; `None` if answering ended before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Prediction {
    /// A prediction made now.
    #[must_use]
    pub fn now(
        question: Question,
        value: f64,
        confidence: Option<u8>,
        reason: Option<String>,
    ) -> Self {
        Self {
            id: format!("{:016x}", fastrand::u64(..)),
            made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            isolab: env!("CARGO_PKG_VERSION").to_owned(),
            question,
            value,
            confidence,
            reason,
        }
    }

    /// Whether it was made before `moment`, or in the same second; both by RFC
    /// 3339. What is no time is after everything.
    #[must_use]
    pub fn was_made_by(&self, moment: &str) -> bool {
        let time = |text: &str| humantime::parse_rfc3339(text).ok();
        match (time(&self.made), time(moment)) {
            (Some(made), Some(moment)) => made <= moment,
            _ => false,
        }
    }
}
