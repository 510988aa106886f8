//! Predictions and measurements side by side, for people and for programs.

use serde_json::{Value, json};

use super::{Attempt, Direction, Outcome, Score, Seen, rank};
use crate::observation::{Unit, Workload};
use crate::prediction::Experiment;
use crate::report::Report;
use crate::report::quantity::{digits, human};
use crate::report::text::{columns, shown, wrapped};

/// Attempts shown; all are in the JSON.
const SHOWN: usize = 8;

/// Everything as lines of at most `width` columns, which 40 are enough for.
#[must_use]
pub fn render(report: &Report, outcomes: &[Outcome], attempts: &[Attempt], width: usize) -> String {
    let mut page = Page {
        out: String::new(),
        width: width.max(40),
    };
    page.line(&format!("Predicted, and measured {}", report.created));
    for (experiment, workload) in groups(outcomes) {
        page.experiment(outcomes, experiment, workload);
    }
    page.confidence(outcomes);
    page.progress(attempts);
    page.out
}

/// The same as JSON, with the numbers unrounded.
#[must_use]
pub fn json(report: &Report, outcomes: &[Outcome], attempts: &[Attempt]) -> Value {
    let outcome = |o: &Outcome| json!({ "prediction": o.prediction, "unit": o.prediction.question.unit(), "seen": o.seen });
    let ranks: Vec<Value> = groups(outcomes)
        .into_iter()
        .filter_map(|(experiment, workload)| {
            let rank = rank(outcomes, experiment, workload)?;
            Some(json!({
                "experiment": experiment.name(), "workload": workload,
                "kendall_tau": rank.tau, "pairs": rank.pairs,
            }))
        })
        .collect();
    json!({
        "schema": "isolab.reveal/1",
        "report": {
            "created": report.created, "interrupted": report.interrupted, "warnings": report.warnings,
        },
        "outcomes": outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "rank_agreement": ranks,
        "attempts": attempts,
    })
}

/// The experiments that something was predicted of, with their workloads.
fn groups(outcomes: &[Outcome]) -> Vec<(Experiment, Workload)> {
    let all = Experiment::ALL.into_iter().flat_map(|experiment| {
        Workload::ALL
            .into_iter()
            .map(move |workload| (experiment, workload))
    });
    all.filter(|(experiment, workload)| {
        outcomes.iter().any(|o| {
            let question = o.prediction.question;
            (question.experiment, question.workload) == (*experiment, *workload)
        })
    })
    .collect()
}

struct Page {
    out: String,
    width: usize,
}

impl Page {
    /// A paragraph; its later lines are indented by two more than its first.
    fn line(&mut self, text: &str) {
        let indent = text.len() - text.trim_start().len();
        for line in wrapped(text.trim_start(), self.width - indent, 2) {
            self.out += &format!("{:indent$}{line}\n", "");
        }
    }

    /// A table's line as it is; absurd numbers make one that has to be folded.
    fn row(&mut self, line: &str) {
        if columns(line) > self.width {
            return self.line(line);
        }
        self.out += line;
        self.out.push('\n');
    }

    fn experiment(&mut self, outcomes: &[Outcome], experiment: Experiment, workload: Workload) {
        let own: Vec<&Outcome> = outcomes
            .iter()
            .filter(|o| {
                let question = o.prediction.question;
                (question.experiment, question.workload) == (experiment, workload)
            })
            .collect();
        self.out.push('\n');
        self.line(&format!("{} ({workload})", experiment.title()));
        let rows = |roomy: bool| -> Vec<Vec<String>> {
            let rows = own.iter().map(|outcome| row(outcome, roomy));
            std::iter::once(headings(roomy)).chain(rows).collect()
        };
        let fits = |lines: &Vec<String>| lines.iter().all(|line| columns(line) <= self.width);
        let lines = Some(table(&rows(true))).filter(fits);
        for line in lines.unwrap_or_else(|| table(&rows(false))) {
            self.row(&line);
        }
        for outcome in &own {
            self.notes(outcome);
        }
        if let Some(rank) = rank(outcomes, experiment, workload) {
            let tau = format!("{:+.2}", rank.tau).replace('-', "−");
            let pairs = if rank.pairs == 1 { "pair" } else { "pairs" };
            self.line(&format!(
                "order: Kendall's tau {tau}, of {} {pairs} (+1 the measured order, −1 its reverse)",
                rank.pairs
            ));
        }
    }

    /// What a row has no room for.
    fn notes(&mut self, outcome: &Outcome) {
        let question = outcome.prediction.question;
        let unit = question.unit();
        let subject = question.subject;
        match &outcome.seen {
            Seen::Measured { score: None, .. } => self.line(&format!(
                "{subject}: nothing or less was measured, and no factor is off from that"
            )),
            Seen::Measured { .. } => {}
            Seen::Emulated { value, by } => self.line(&format!(
                "{subject}: {} in all under {}: emulated, no measure of virtualization, not scored",
                human(*value, unit),
                shown(by)
            )),
            Seen::Modelled { low, high } => self.line(&format!(
                "{subject}: nothing ran; the model says {} to {} in all, not scored",
                human(*low, unit),
                human(*high, unit)
            )),
            Seen::Missing { why } => self.line(&format!("{subject}: not measured: {}", shown(why))),
            Seen::Hindsight => self.line(&format!(
                "{subject}: predicted when the run had begun: not scored"
            )),
        }
        if let Some(reason) = &outcome.prediction.reason {
            self.line(&format!("{subject}, because: {}", shown(reason)));
        }
    }

    fn confidence(&mut self, outcomes: &[Outcome]) {
        let stated: Vec<(u8, Score)> = outcomes
            .iter()
            .filter_map(|o| Some((o.prediction.confidence?, o.score()?)))
            .collect();
        if stated.is_empty() {
            return;
        }
        let right = stated.iter().filter(|(_, score)| score.same_order).count();
        let mean = stated
            .iter()
            .map(|(percent, _)| f64::from(*percent))
            .sum::<f64>();
        let mean = mean / stated.len() as f64;
        self.out.push('\n');
        self.line(&format!(
            "confidence: {mean:.0} % sure on average of the order of magnitude, and right in {right} of {}",
            stated.len()
        ));
    }

    fn progress(&mut self, attempts: &[Attempt]) {
        if attempts.len() < 2 {
            return;
        }
        self.out.push('\n');
        self.line("Over time: how far off, typically");
        let skipped = attempts.len().saturating_sub(SHOWN);
        let rows: Vec<Vec<String>> = attempts[skipped..]
            .iter()
            .map(|attempt| {
                let day = attempt.created.get(..10).unwrap_or_default();
                let right = format!("{}/{} right order", attempt.right_order, attempt.scored);
                vec![day.to_owned(), times(attempt.typical_factor), right]
            })
            .collect();
        for line in table(&rows) {
            self.row(&line);
        }
    }
}

/// Columns side by side: words to the left, numbers to the right.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.first().map_or(0, Vec::len);
    let width = |i: usize| rows.iter().map(|row| columns(&row[i])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - columns(cell));
            let words = i == 0 || i + 1 == count;
            line += &if words {
                format!("{cell}{gap} ")
            } else {
                format!("{gap}{cell} ")
            };
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn headings(roomy: bool) -> Vec<String> {
    let roomy_ones = ["", "predicted", "measured", "interval", "sure", "off by"];
    let narrow = ["", "predicted", "measured", "off by"];
    let all: &[&str] = if roomy { &roomy_ones } else { &narrow };
    all.iter().map(|word| (*word).to_owned()).collect()
}

fn row(outcome: &Outcome, roomy: bool) -> Vec<String> {
    let Outcome { prediction, seen } = outcome;
    let unit = prediction.question.unit();
    let (measured, range) = match seen {
        Seen::Measured { value, range, .. } => (human(*value, unit), *range),
        Seen::Emulated { .. } => ("emulated".to_owned(), None),
        Seen::Modelled { .. } => ("modelled".to_owned(), None),
        Seen::Missing { .. } | Seen::Hindsight => ("none".to_owned(), None),
    };
    let off = outcome.score().map_or_else(String::new, off_by);
    let subject = prediction.question.subject.name().to_owned();
    let mut cells = vec![subject, human(prediction.value, unit), measured];
    if roomy {
        cells.push(range.map_or_else(String::new, |range| span(range, unit)));
        let sure = prediction.confidence.map(|percent| format!("{percent} %"));
        cells.push(sure.unwrap_or_default());
    }
    cells.push(off);
    cells
}

fn span((low, high): (f64, f64), unit: Unit) -> String {
    format!("{} – {}", human(low, unit), human(high, unit))
}

/// How far off, in at most 11 columns.
fn off_by(score: Score) -> String {
    match score.direction {
        Direction::Within => "right".to_owned(),
        Direction::TooLow => format!("{} low", times(score.factor)),
        Direction::TooHigh => format!("{} high", times(score.factor)),
    }
}

fn times(factor: f64) -> String {
    match factor {
        f if f >= 99_999.5 => format!("10^{:.0}×", f.log10()),
        f if f >= 9.95 => format!("{f:.0}×"),
        f => format!("{}×", digits(f)),
    }
}
