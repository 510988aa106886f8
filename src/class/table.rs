//! The class on a terminal, which 40 columns are enough for.

use super::{Class, Guessed, Spread, guesses, spreads};
use crate::report::quantity::{digits, shared_scale};
use crate::report::text::{columns, wrapped};

/// Below this width there is no room for how sure the answers were.
const ROOMY: usize = 60;

/// How far the machines lie apart, and how far off the predictions were.
#[must_use]
pub fn render(class: &Class, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    let count = class.machines.len();
    let machines = if count == 1 { "machine" } else { "machines" };
    paragraph(
        &mut out,
        &format!("{count} {machines}: medians of each, and their median"),
        width,
    );
    let spreads = spreads(class);
    let sections =
        spreads.chunk_by(|a, b| (a.workload, a.metric, a.state) == (b.workload, b.metric, b.state));
    for section in sections {
        section_table(&mut out, section, width);
    }
    if width < ROOMY && spreads.iter().any(|spread| spread.evidence != "measured") {
        out.push('\n');
        paragraph(
            &mut out,
            "(e) emulated, (m) modelled: no measure of the subject",
            width,
        );
    }
    let guesses = guesses(class);
    if !guesses.is_empty() {
        out.push('\n');
        paragraph(
            &mut out,
            "Predictions: how many answered, and how far off they were typically",
            width,
        );
        let mut rows = vec![["", "n", "off by", "right order", "sure"].map(str::to_owned)];
        rows.extend(guesses.iter().map(guess_row));
        if width < ROOMY {
            for row in &mut rows {
                row[3].clear();
                row[4].clear();
            }
        }
        table(&mut out, &rows);
    }
    out
}

fn section_table(out: &mut String, section: &[Spread], width: usize) {
    let first = &section[0];
    let state = first
        .state
        .map(|state| format!(", {state}"))
        .unwrap_or_default();
    let values = section.iter().flat_map(|s| [s.least, s.median, s.greatest]);
    let scale = shared_scale(values.collect::<Vec<_>>().into_iter(), first.unit);
    out.push('\n');
    let heading = format!(
        "{}, {}{state} · {}",
        first.workload,
        first.metric.title(),
        scale.symbol
    );
    paragraph(out, &heading, width);
    let mut rows = vec![["", "n", "least", "median", "most"].map(str::to_owned)];
    rows.extend(section.iter().map(|spread| {
        let show = |value: f64| digits(value / scale.size);
        let label = label(spread, width);
        [
            label,
            spread.machines.to_string(),
            show(spread.least),
            show(spread.median),
            show(spread.greatest),
        ]
    }));
    table(out, &rows);
}

/// The subject, marked if it was not measured.
fn label(spread: &Spread, width: usize) -> String {
    let subject = spread.subject;
    match (spread.evidence, width < ROOMY) {
        ("measured", _) => subject.to_string(),
        (kind, false) => format!("{subject} ({kind})"),
        (kind, true) => format!("{subject}({})", &kind[..1]),
    }
}

fn guess_row(guessed: &Guessed) -> [String; 5] {
    let off = match (guessed.typical_factor, guessed.too_low) {
        (None, _) => "unscored".to_owned(),
        (Some(factor), low) if 2 * low > guessed.scored => format!("{}× low", digits(factor)),
        (Some(factor), low) if 2 * low < guessed.scored => format!("{}× high", digits(factor)),
        (Some(factor), _) => format!("{}×", digits(factor)),
    };
    let sure = guessed.mean_confidence.map(|mean| format!("{mean:.0} %"));
    [
        guessed.question.to_string(),
        guessed.answers.to_string(),
        off,
        format!("{}/{}", guessed.right_order, guessed.scored),
        sure.unwrap_or_default(),
    ]
}

fn paragraph(out: &mut String, text: &str, width: usize) {
    for line in wrapped(text, width, 2) {
        out.push_str(&line);
        out.push('\n');
    }
}

/// Words to the left, numbers to the right.
fn table(out: &mut String, rows: &[[String; 5]]) {
    let width = |i: usize| rows.iter().map(|row| columns(&row[i])).max().unwrap_or(0);
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let gap = " ".repeat(width(i) - columns(cell));
            let lead = if i == 0 { "" } else { " " };
            line += &if i == 0 {
                format!("{cell}{gap}")
            } else {
                format!("{lead}{gap}{cell}")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
