//! `{{#number FILE SUBJECT WORKLOAD METRIC [STATE] [what=…]}}`: one number with
//! its unit and the mark of its evidence.

use std::cmp::Ordering;

use isolab::observation::{Evidence, Unit};
use isolab::report::Report;
use isolab::report::comparison::{Compared, compare};
use isolab::report::quantity::{digits, human};
use isolab::statistics::{Range, Summary};

use crate::Reports;
use crate::directive::Directive;
use crate::error::Problem;
use crate::mark;
use crate::words::{Cell, one_of};

/// What is said of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The median of what ran.
    Median,
    /// Its 95 % interval; below ten samples, the least and the greatest.
    Interval,
    /// The least sample.
    Least,
    /// The greatest sample.
    Greatest,
    /// How many samples there are.
    Samples,
    /// What it adds over the process.
    Added,
    /// The interval of that.
    AddedInterval,
    /// How many times the process.
    Ratio,
    /// The interval of that.
    RatioInterval,
    /// What the model holds most likely.
    Model,
    /// The model's range.
    ModelRange,
}

impl What {
    const ALL: [Self; 11] = [
        Self::Median,
        Self::Interval,
        Self::Least,
        Self::Greatest,
        Self::Samples,
        Self::Added,
        Self::AddedInterval,
        Self::Ratio,
        Self::RatioInterval,
        Self::Model,
        Self::ModelRange,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::Interval => "interval",
            Self::Least => "least",
            Self::Greatest => "greatest",
            Self::Samples => "samples",
            Self::Added => "added",
            Self::AddedInterval => "added-interval",
            Self::Ratio => "ratio",
            Self::RatioInterval => "ratio-interval",
            Self::Model => "model",
            Self::ModelRange => "model-range",
        }
    }

    fn of_model(self) -> bool {
        matches!(self, Self::Model | Self::ModelRange)
    }
}

/// The HTML of the number that `directive` asks for.
///
/// # Errors
/// [`Problem`] if the report cannot be read or does not hold it.
pub(crate) fn expand(directive: &Directive<'_>, reports: &mut Reports) -> Result<String, Problem> {
    directive.allow_options(&["what"])?;
    let Some((file, words)) = directive.words.split_first() else {
        let why = "wanted are FILE SUBJECT WORKLOAD METRIC [STATE]".to_owned();
        return Err(Problem::Arguments { why });
    };
    let cell = Cell::parse(words)?;
    let what = directive.option("what").unwrap_or("median");
    let what = one_of("value of `what`", what, &What::ALL, What::name)?;
    number(reports.get(file)?, &cell, what)
}

fn number(report: &Report, cell: &Cell, what: What) -> Result<String, Problem> {
    let sections = compare(report);
    let row = sections
        .iter()
        .filter(|s| (s.workload, s.metric) == (cell.workload, cell.metric))
        // The model knows no states: its one estimate is found without.
        .filter(|s| s.state == cell.state || what.of_model() && cell.state.is_none())
        .flat_map(|section| &section.rows)
        .find(|row| row.observation.subject == cell.subject && is_modelled(row) == what.of_model())
        .ok_or_else(|| no_datum(cell, what, "the report does not hold it"))?;
    let text = text(row, what).map_err(|why| no_datum(cell, what, why))?;
    Ok(marked(&text, row))
}

fn is_modelled(row: &Compared<'_>) -> bool {
    matches!(row.observation.evidence, Evidence::Modelled { .. })
}

fn no_datum(cell: &Cell, what: What, why: &str) -> Problem {
    Problem::NoDatum {
        what: format!("{} of {}", what.name(), cell.name()),
        why: why.to_owned(),
    }
}

/// The number without its mark.
fn text(row: &Compared<'_>, what: What) -> Result<String, &'static str> {
    const SINGLE: &str = "a single sample has no range";
    const UNMEASURED: &str = "only what was measured, beside a measured process, is compared";
    const FEW: &str = "too few samples for an interval";
    let unit = row.observation.unit;
    let samples = row.observation.evidence.samples().unwrap_or_default();
    let range = || row.ends().ok_or(SINGLE).map(|ends| between(ends, unit));
    Ok(match what {
        What::Median | What::Model => human(row.centre(), unit),
        What::Interval | What::ModelRange => range()?,
        What::Least => human(samples.iter().copied().fold(f64::INFINITY, f64::min), unit),
        What::Greatest => human(
            samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            unit,
        ),
        What::Samples => samples.len().to_string(),
        What::Added => signed(row.added.ok_or(UNMEASURED)?.median, unit),
        What::AddedInterval => {
            let (low, high) = interval(row.added.ok_or(UNMEASURED)?).ok_or(FEW)?;
            format!("{} to {}", signed(low, unit), signed(high, unit))
        }
        What::Ratio => format!("{}\u{a0}×", digits(row.ratio.ok_or(UNMEASURED)?.median)),
        What::RatioInterval => {
            let (low, high) = interval(row.ratio.ok_or(UNMEASURED)?).ok_or(FEW)?;
            format!("{} to {}\u{a0}×", digits(low), digits(high))
        }
    })
}

fn interval(summary: Summary) -> Option<(f64, f64)> {
    match summary.range {
        Range::Interval { low, high } => Some((low, high)),
        Range::Extremes { .. } => None,
    }
}

/// A difference, whose sign is half of what it says.
fn signed(value: f64, unit: Unit) -> String {
    let size = human(value.abs(), unit);
    match value.partial_cmp(&0.0) {
        Some(Ordering::Greater) => format!("+{size}"),
        Some(Ordering::Less) => format!("\u{2212}{size}"),
        _ => size,
    }
}

fn between((low, high): (f64, f64), unit: Unit) -> String {
    format!("{} to {}", human(low, unit), human(high, unit))
}

/// `text` with the mark of its evidence, and what it rests on in its title.
fn marked(text: &str, row: &Compared<'_>) -> String {
    let kind = row.observation.evidence.kind();
    // A number and its unit stay on one line.
    let text = text
        .replace(' ', "\u{a0}")
        .replace("\u{a0}to\u{a0}", " to ");
    format!(
        "<span class=\"datum\" title=\"{}\">{text}{}</span>",
        rests_on(row),
        mark::html(kind)
    )
}

/// What the number rests on, for whoever points at it.
fn rests_on(row: &Compared<'_>) -> String {
    let unit = row.observation.unit;
    let range = row
        .ends()
        .map(|ends| between(ends, unit))
        .unwrap_or_default();
    match (&row.observation.evidence, row.summary) {
        (Evidence::Modelled { .. }, _) | (_, None) => format!("modelled: {range}; nothing ran"),
        (evidence, Some(Summary { n: 1, .. })) => format!("{}: one sample", evidence.kind()),
        (evidence, Some(summary)) => {
            let meaning = match summary.range {
                Range::Interval { .. } => "95 % interval",
                Range::Extremes { .. } => "least to greatest",
            };
            format!(
                "{}: median of {}, {meaning} {range}",
                evidence.kind(),
                summary.n
            )
        }
    }
}
