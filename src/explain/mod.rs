//! What a row of a report is: what ran, from where to where the clock did, what
//! the number is made of, what would change it, and where to read on.
//!
//! It is a function of the report. What a number is made of is said with the
//! numbers of the same report, or with the terms and sources that its model wrote
//! into it; where neither tells, neither do we.

mod makeup;
mod words;

use serde::Serialize;

use crate::observation::{Evidence, Observation};
use crate::report::comparison::{Compared, Section, compare, numbered};
use crate::report::quantity::human;
use crate::report::text::wrapped;
use crate::report::{Report, explainers};
use crate::statistics::Range;

/// An explained row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The row's number in the table.
    pub number: usize,
    /// Its name: `startup/container/true/after-idle`.
    pub name: String,
    /// Its metric's title, with the state.
    pub title: String,
    /// Its median or likely value, for people.
    pub value: String,
    /// `measured`, `emulated` or `modelled`.
    pub evidence: &'static str,
    /// The parts of the explanation, in their order.
    pub parts: Vec<Part>,
}

/// A part of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it tells.
    pub title: &'static str,
    /// A statement each.
    pub lines: Vec<String>,
}

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRow {
    /// The report has as many rows as this.
    Rows(usize),
    /// No row has this name; those that come near have these.
    Named(Vec<String>),
}

/// Explains the row that `asked` names: by its number in the table, or by metric,
/// subject, workload and state, such as `startup/container/true/after-idle`.
///
/// # Errors
/// If there is no such row.
pub fn explain(report: &Report, asked: &str) -> Result<Explanation, NoRow> {
    let sections = compare(report);
    let rows: Vec<_> = numbered(&sections).collect();
    let found = match asked.parse::<usize>() {
        Ok(number) => {
            let own = rows.iter().find(|(known, ..)| *known == number);
            own.ok_or(NoRow::Rows(rows.len()))?
        }
        Err(_) => {
            let own = rows.iter().find(|(.., row)| name(row.observation) == asked);
            own.ok_or_else(|| NoRow::Named(near(asked, &rows)))?
        }
    };
    let (number, section, row) = *found;
    Ok(Explanation {
        number,
        name: name(row.observation),
        title: section.title(),
        value: human(row.centre(), row.observation.unit),
        evidence: row.observation.evidence.kind(),
        parts: parts(report, section, row),
    })
}

/// What a row is called: metric, subject, workload, and state if it has one.
#[must_use]
pub fn name(observation: &Observation) -> String {
    let o = observation;
    let state = o.state.map(|state| format!("/{state}")).unwrap_or_default();
    let model = match o.evidence {
        Evidence::Modelled { .. } => "/model",
        _ => "",
    };
    format!("{}/{}/{}{state}{model}", o.metric, o.subject, o.workload)
}

/// Names that begin as `asked` does.
fn near(asked: &str, rows: &[(usize, &Section<'_>, &Compared<'_>)]) -> Vec<String> {
    let names = rows.iter().map(|(.., row)| name(row.observation));
    let first = asked.split('/').next().unwrap_or(asked);
    let of_metric = |name: &String| name.split('/').next() == Some(first);
    names.filter(of_metric).collect()
}

fn parts(report: &Report, section: &Section<'_>, row: &Compared<'_>) -> Vec<Part> {
    let part = |title, lines| Part { title, lines };
    let all = [
        part("What was run", ran(row.observation)),
        part("From where to where", clock(row.observation)),
        part("The number", number(row)),
        part("What it is made of", makeup::of(report, section, row)),
        part("What would change it", makeup::changes(report, row)),
        part("Do not trust it too far", row.observation.warnings.clone()),
        part(
            "Read on",
            vec![words::chapter(row.observation.subject).to_owned()],
        ),
    ];
    let told = all.into_iter().filter(|part| !part.lines.is_empty());
    told.collect()
}

fn ran(o: &Observation) -> Vec<String> {
    let subject = words::subject(o.subject);
    let mut lines = match &o.evidence {
        Evidence::Modelled { .. } => vec![
            "nothing: this is what a model says".to_owned(),
            format!("of: {subject}"),
        ],
        Evidence::Measured { .. } => vec![format!("in: {subject}")],
        Evidence::Emulated { by, .. } => vec![format!("in: {subject}, emulated by {by}")],
    };
    lines.push(format!(
        "{}: {}",
        o.workload,
        explainers::workload(o.workload)
    ));
    // The terms stand where the number is taken apart.
    let conditions = o.conditions.iter().filter(|(name, _)| *name != "terms");
    lines.extend(conditions.map(|(name, said)| format!("{name}: {said}")));
    lines
}

fn clock(o: &Observation) -> Vec<String> {
    let state = o
        .state
        .map(|state| format!("{state}: {}", explainers::state(state)));
    let what = explainers::metric(o.metric).to_owned();
    [Some(what), state].into_iter().flatten().collect()
}

fn number(row: &Compared<'_>) -> Vec<String> {
    let o = row.observation;
    let show = |value: f64| human(value, o.unit);
    let kind = o.evidence.kind();
    let mut lines = vec![match (&o.evidence, row.summary) {
        (
            Evidence::Modelled {
                low, likely, high, ..
            },
            _,
        ) => format!(
            "likely {}, and from {} to {} as its sources differ",
            show(*likely),
            show(*low),
            show(*high)
        ),
        (_, Some(summary)) => {
            let (low, high) = summary.range.ends();
            let n = summary.n;
            match summary.range {
                _ if n < 2 => format!("{}, of one sample", show(summary.median)),
                Range::Interval { .. } => format!(
                    "median {} of {n} samples, 95 % interval {} to {}",
                    show(summary.median),
                    show(low),
                    show(high)
                ),
                Range::Extremes { .. } => format!(
                    "median {} of {n} samples, which lie between {} and {}: too few for an interval",
                    show(summary.median),
                    show(low),
                    show(high)
                ),
            }
        }
        (_, None) => "there are no samples".to_owned(),
    }];
    lines.push(format!("{kind}: {}", explainers::evidence(kind)));
    lines
}

impl Explanation {
    /// The explanation as lines of at most `width` columns.
    #[must_use]
    pub fn render(&self, width: usize) -> String {
        let mut out = String::new();
        let mut line = |text: &str, first: &str, later: usize| {
            for (i, part) in wrapped(text, width - later, 0).iter().enumerate() {
                let lead = if i == 0 {
                    first.to_owned()
                } else {
                    " ".repeat(later)
                };
                out += &format!("{lead}{part}\n");
            }
        };
        line(&format!("row {}: {}", self.number, self.name), "", 0);
        line(
            &format!("{}: {}, {}", self.title, self.value, self.evidence),
            "",
            0,
        );
        for part in &self.parts {
            line("", "", 0);
            line(part.title, "", 0);
            for statement in &part.lines {
                line(statement, "  - ", 4);
            }
        }
        out
    }
}
