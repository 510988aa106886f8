//! The table's columns, their cells, and which of them a width has room for.

use crate::observation::{Evidence, Subject};
use crate::report::comparison::{Compared, Section};
use crate::report::quantity::{Scale, decimals, digits, with_decimals};
use crate::report::text::columns;
use crate::statistics::{Range, Summary};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Subject,
    Samples,
    Median,
    MedianRange,
    Added,
    AddedRange,
    Ratio,
    RatioRange,
    Evidence,
}

use Column::{Added, AddedRange, Median, MedianRange, Ratio, RatioRange, Samples};

/// From all columns to the fewest that still answer the question.
pub(super) const LAYOUTS: [&[Column]; 6] = [
    &[
        Column::Subject,
        Samples,
        Median,
        MedianRange,
        Added,
        AddedRange,
        Ratio,
        RatioRange,
        Column::Evidence,
    ],
    &[
        Column::Subject,
        Median,
        MedianRange,
        Added,
        AddedRange,
        Ratio,
        RatioRange,
        Column::Evidence,
    ],
    &[
        Column::Subject,
        Median,
        MedianRange,
        Added,
        AddedRange,
        Ratio,
        Column::Evidence,
    ],
    &[
        Column::Subject,
        Median,
        MedianRange,
        Added,
        Ratio,
        Column::Evidence,
    ],
    &[Column::Subject, Median, Added, Ratio, Column::Evidence],
    &[Column::Subject, Median, Column::Evidence],
];

impl Column {
    /// The two lines of its heading.
    pub(super) fn heading(self) -> [&'static str; 2] {
        match self {
            Self::Subject => ["", ""],
            Self::Samples => ["", "n"],
            Self::Median => ["", "median"],
            Self::Added => ["", "added"],
            Self::MedianRange | Self::AddedRange | Self::RatioRange => ["95 %", "interval"],
            Self::Ratio => ["", "ratio"],
            Self::Evidence => ["", "evidence"],
        }
    }

    pub(super) fn is_right(self) -> bool {
        !matches!(self, Self::Subject | Self::Evidence)
    }
}

/// The cells of all the sections' rows, padded so that decimal points and dashes
/// stand above each other down the whole table. They are numbered from `first`.
pub(super) fn rows(
    sections: &[(&Section<'_>, Scale)],
    layout: &[Column],
    first: usize,
) -> Vec<Vec<String>> {
    let all = sections
        .iter()
        .flat_map(|(section, scale)| section.rows.iter().map(|row| (row, *scale)));
    let all: Vec<(&Compared<'_>, Scale)> = all.collect();
    let width = (first + all.len())
        .saturating_sub(1)
        .to_string()
        .len()
        .max(2);
    let mut by_column: Vec<_> = layout
        .iter()
        .map(|column| {
            let cells = (first..).zip(&all).map(|(number, (row, scale))| {
                let number = format!("{number:>width$}");
                cell(&number, row, *column, *scale)
            });
            aligned(&cells.collect::<Vec<_>>()).into_iter()
        })
        .collect();
    let row = |_| by_column.iter_mut().filter_map(Iterator::next).collect();
    (0..all.len()).map(row).collect()
}

/// What stands in a cell, and where it is aligned.
enum Content {
    Text(String),
    /// Aligned at its decimal point.
    Number(String),
    /// Aligned at its dash.
    Span {
        low: String,
        high: String,
    },
}

fn cell(number: &str, row: &Compared<'_>, column: Column, scale: Scale) -> Content {
    let nothing = || Content::Text(String::new());
    match column {
        Column::Subject => Content::Text(format!("{number} {}", row.label())),
        Column::Evidence => Content::Text(row.observation.evidence.kind().to_owned()),
        Column::Samples => row
            .summary
            .map_or_else(nothing, |s| Content::Text(s.n.to_string())),
        Column::Median => Content::Number(digits(row.centre() / scale.size)),
        Column::MedianRange => match (&row.observation.evidence, row.summary) {
            (Evidence::Modelled { low, high, .. }, _) => Content::Span {
                low: digits(low / scale.size),
                high: digits(high / scale.size),
            },
            (_, Some(summary)) => span(summary, scale.size).unwrap_or_else(nothing),
            _ => nothing(),
        },
        Column::Added if is_baseline(row) => Content::Text("baseline".to_owned()),
        Column::Added => row
            .added
            .map_or_else(nothing, |s| Content::Number(signed(s.median / scale.size))),
        Column::AddedRange => interval(row.added, scale.size).unwrap_or_else(nothing),
        Column::Ratio => row.ratio.map_or_else(nothing, |s| {
            Content::Number(format!("{}×", digits(s.median)))
        }),
        Column::RatioRange => interval(row.ratio, 1.0).unwrap_or_else(nothing),
    }
}

fn is_baseline(row: &Compared<'_>) -> bool {
    row.observation.subject == Subject::Process && row.observation.evidence.measured().is_some()
}

fn signed(value: f64) -> String {
    let text = digits(value);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

/// A median's range: an interval, or the extremes with an asterisk.
fn span(summary: Summary, size: f64) -> Option<Content> {
    let mark = match summary.range {
        _ if summary.n < 2 => return None,
        Range::Interval { .. } => "",
        Range::Extremes { .. } => "*",
    };
    let places = decimals(summary.median / size);
    let (low, high) = summary.range.ends();
    Some(Content::Span {
        low: with_decimals(low / size, places),
        high: format!("{}{mark}", with_decimals(high / size, places)),
    })
}

/// The interval of a difference or quotient; from too few samples, none.
fn interval(summary: Option<Summary>, size: f64) -> Option<Content> {
    let summary = summary.filter(|s| matches!(s.range, Range::Interval { .. }))?;
    span(summary, size)
}

fn aligned(cells: &[Content]) -> Vec<String> {
    let whole = |number: &str| {
        number
            .find('.')
            .unwrap_or_else(|| number.trim_end_matches('×').len())
    };
    let mut after = 0;
    let mut high_width = 0;
    for cell in cells {
        match cell {
            Content::Number(n) => after = after.max(columns(&n[whole(n)..])),
            Content::Span { high, .. } => high_width = high_width.max(columns(high)),
            Content::Text(_) => {}
        }
    }
    let padded = |cell: &Content| match cell {
        Content::Text(text) => text.clone(),
        Content::Number(n) => format!("{n}{}", " ".repeat(after - columns(&n[whole(n)..]))),
        Content::Span { low, high } => {
            format!("{low} – {high}{}", " ".repeat(high_width - columns(high)))
        }
    };
    cells.iter().map(padded).collect()
}
