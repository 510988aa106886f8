//! The report as a file: JSON under `docs/report.schema.json`.
//!
//! A file from elsewhere is read as strictly as if an enemy had written it:
//! bounded, whole, of this schema, with no field that the schema does not name
//! and no value that a run cannot have produced.

mod check;
mod layout;

pub(crate) use layout::laid_out;

use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::comparison::{self, Derived};
use super::text::shown;
use super::{Environment, Error, Missing, Report, SCHEMA, Settings, input};
use crate::observation::Observation;
use crate::prediction::Prediction;

/// No report is larger than this, in bytes.
pub const SIZE_LIMIT: u64 = 16_000_000;

/// A report as it stands in a file: with what was derived from it, for readers
/// that do not want to resample medians themselves.
#[derive(Serialize)]
struct Written<'a> {
    schema: &'a str,
    created: &'a str,
    interrupted: bool,
    environment: &'a Environment,
    settings: &'a Settings,
    summary: Vec<Derived>,
    missing: &'a [Missing],
    warnings: &'a [String],
    observations: &'a [Observation],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    predictions: &'a [Prediction],
}

/// The same when it is read: whatever `summary` says is not believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    schema: String,
    created: String,
    #[serde(default)]
    interrupted: bool,
    environment: Environment,
    settings: Settings,
    #[serde(default, rename = "summary")]
    _summary: IgnoredAny,
    observations: Vec<Observation>,
    #[serde(default)]
    missing: Vec<Missing>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    predictions: Vec<Prediction>,
}

/// Only as much as tells whose file it is.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: Option<serde_json::Value>,
}

/// The report as JSON text that ends in a newline. One report has one text.
#[must_use]
pub fn to_json(report: &Report) -> String {
    let written = Written {
        schema: &report.schema,
        created: &report.created,
        interrupted: report.interrupted,
        environment: &report.environment,
        settings: &report.settings,
        summary: comparison::derive(report),
        missing: &report.missing,
        warnings: &report.warnings,
        observations: &report.observations,
        predictions: &report.predictions,
    };
    laid_out(&written)
}

/// Reads the report in the file at `path`.
///
/// # Errors
/// If the file cannot be read, is no report of this schema, or holds what no run
/// can have produced; each with a [hint](Error::hint).
pub fn load(path: &Path) -> Result<Report, Error> {
    let text = input::read(path, SIZE_LIMIT).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&text, path)
}

/// Reads a report from `text`; `path` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &[u8], path: &Path) -> Result<Report, Error> {
    if text.len() as u64 > SIZE_LIMIT {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit: SIZE_LIMIT,
        });
    }
    // Whose file it is comes first: a newer schema's fields are no mistake.
    let head: Head = serde_json::from_slice(text).map_err(|e| refusal(&e, text, path))?;
    match head.schema {
        Some(serde_json::Value::String(schema)) if schema == SCHEMA => {}
        found => {
            return Err(Error::Schema {
                path: path.to_owned(),
                found: found.map(|f| f.as_str().map_or_else(|| f.to_string(), str::to_owned)),
            });
        }
    }
    let read: Accepted = serde_json::from_slice(text).map_err(|e| refusal(&e, text, path))?;
    let report = Report {
        schema: read.schema,
        created: read.created,
        environment: read.environment,
        settings: read.settings,
        observations: read.observations,
        missing: read.missing,
        warnings: read.warnings,
        interrupted: read.interrupted,
        predictions: read.predictions,
    };
    check(&report, path)?;
    Ok(report)
}

/// Refuses a report that holds what no run can have produced, and so would not
/// [load] again; `path` is what errors call it.
///
/// # Errors
/// [`Error::Value`] names the first such value.
pub fn check(report: &Report, path: &Path) -> Result<(), Error> {
    check::report(report).map_err(|fault| Error::Value {
        path: path.to_owned(),
        at: shown(&fault.at).into_owned(),
        why: fault.why,
    })
}

/// Refuses a prediction that nobody can have made here.
///
/// # Errors
/// The field, and what is wrong with it.
pub fn check_prediction(prediction: &Prediction) -> Result<(), String> {
    let checked = check::prediction("prediction", prediction);
    checked.map_err(|fault| format!("{} {}", shown(&fault.at), fault.why))
}

fn refusal(error: &serde_json::Error, text: &[u8], path: &Path) -> Error {
    let path = path.to_owned();
    // serde quotes unknown fields and values as they stand.
    let mut why = shown(&error.to_string()).into_owned();
    if why.chars().count() > 300 {
        why = why.chars().take(300).chain("...".chars()).collect();
    }
    match error.classify() {
        Category::Eof => Error::Truncated {
            path,
            line: error.line(),
        },
        // Cut within a number or a character, which is no end to serde.
        Category::Syntax if text.starts_with(b"{") && is_at_end(error, text) => Error::Truncated {
            path,
            line: error.line(),
        },
        Category::Data => Error::Shape { path, why },
        Category::Syntax | Category::Io => Error::NotJson { path, why },
    }
}

fn is_at_end(error: &serde_json::Error, text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n');
    let last = lines.nth(error.line().saturating_sub(1));
    last.is_some_and(|line| error.column() >= line.len()) && lines.next().is_none()
}
