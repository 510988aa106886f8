//! The record of a run: what leaves the lab, as JSON under
//! `docs/claims.schema.json`.
//!
//! A record that is read again is somebody else's text: bounded, strict, and
//! its verdicts are not believed but computed again from its findings.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::experiment::Settings;
use super::findings::Findings;
use super::ledger::Ledger;
use super::ruling::Ruling;
use super::{experiments, rule, waiting};
use crate::compare::privacy::Redactor;
use crate::report::json::laid_out;
use crate::report::text::{acts, shown};
use crate::report::{Environment, input};

/// The schema that this version writes and reads.
pub const SCHEMA: &str = "isolab.claims/1";

/// No record is larger, in bytes.
pub const SIZE_LIMIT: u64 = 16_000_000;
/// The longest string, in bytes.
const TEXT: usize = 4_096;
/// The most entries of a list or an object.
const ENTRIES: usize = 10_000;
/// The greatest number.
const GREATEST: f64 = 1e18;

/// Everything that a run of `isolab claims run` found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// When the run began, in UTC, by RFC 3339.
    pub created: String,
    /// The user interrupted the run: what had been settled by then is here.
    #[serde(default)]
    pub interrupted: bool,
    /// Where it was found out.
    pub environment: Environment,
    /// What was asked for.
    pub settings: Settings,
    /// The claims, in the order in which they were asked for.
    pub claims: Vec<Settled>,
    /// The ids of those that an interrupt came before.
    #[serde(default)]
    pub unreached: Vec<String>,
}

/// A claim with its verdict and what that rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// The claim's id.
    pub id: String,
    /// What it says.
    pub statement: String,
    /// The verdict.
    pub ruling: Ruling,
    /// What it rests on.
    pub findings: Findings,
    /// How long it took to find out.
    pub seconds: f64,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no record of ours.
    #[error("cannot accept {} as a record of claims: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl Record {
    /// The record as JSON text that ends in a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        laid_out(self)
    }

    /// Reads the record in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, or is no record that a run can have written.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = input::read(path, SIZE_LIMIT).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads a record from `text`; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Record::load`].
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, Error> {
        let refused = |why: String| Error::Content {
            path: path.to_owned(),
            why: shown(&why).chars().take(300).collect(),
        };
        if text.len() as u64 > SIZE_LIMIT {
            let limit = SIZE_LIMIT / 1_000_000;
            return Err(refused(format!("it is larger than {limit} MB")));
        }
        let value: Value = serde_json::from_slice(text).map_err(|e| refused(e.to_string()))?;
        match value.get("schema") {
            Some(Value::String(schema)) if schema == SCHEMA => {}
            Some(other) => {
                return Err(refused(format!("its schema is {other}, not `{SCHEMA}`")));
            }
            None => return Err(refused(format!("it names no schema, such as `{SCHEMA}`"))),
        }
        bounded(&value).map_err(|why| refused(why.to_owned()))?;
        // From the text again, for the line in the error.
        serde_json::from_slice(text).map_err(|e| refused(e.to_string()))
    }

    /// Computes every verdict again from the findings, and gives the ids of
    /// those that come out otherwise than the record says.
    pub fn judge_again(&mut self, ledger: &Ledger) -> Vec<String> {
        let mut changed = Vec::new();
        for settled in &mut self.claims {
            let Some(claim) = ledger.find(&settled.id) else {
                continue;
            };
            let ruling = match experiments::find(&settled.id) {
                Some(experiment) => rule(claim, experiment, &settled.findings),
                None => waiting(claim),
            };
            if ruling.verdict != settled.ruling.verdict {
                changed.push(settled.id.clone());
            }
            settled.ruling = ruling;
            settled.statement.clone_from(&claim.statement);
        }
        changed
    }

    /// Takes the user's home out of every text, and whatever would act on a
    /// reader.
    pub(super) fn redact(&mut self) {
        let redactor = Redactor::of_process();
        for settled in &mut self.claims {
            let texts = settled.findings.texts().chain(settled.ruling.texts());
            for text in texts {
                *text = redactor.told(text);
            }
        }
    }
}

/// Holds every part of `value` to what a run can have written.
fn bounded(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.abs() <= GREATEST => Ok(()),
            _ => Err("a number in it is absurdly large"),
        },
        Value::String(text) => readable(text),
        Value::Array(entries) if entries.len() > ENTRIES => Err("a list in it is too long"),
        Value::Array(entries) => entries.iter().try_for_each(bounded),
        Value::Object(entries) if entries.len() > ENTRIES => Err("an object in it is too large"),
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            readable(key)?;
            bounded(value)
        }),
    }
}

fn readable(text: &str) -> Result<(), &'static str> {
    match text {
        text if text.len() > TEXT => Err("a text in it is too long"),
        text if text.contains(acts) => Err("a text in it holds a control character"),
        _ => Ok(()),
    }
}
