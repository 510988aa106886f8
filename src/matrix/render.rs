//! The matrix on a terminal: a table in as many strips as it takes, and one cell
//! explained.
//!
//! Pure functions of a matrix to ASCII text, but for what places said, none of
//! whose lines is wider than asked.

use tabled::builder::Builder;
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Padding, Style as Borders};

use super::axis::Axis;
use super::cell::Cell;
use super::{Column, Matrix, Row};
use crate::inside::{PlaceName, Said};
use crate::report::table::Style;
use crate::report::text::wrapped;

/// The width of the column of axes, and the gap between columns.
const AXIS: usize = 11;
const GAP: usize = 2;

/// The whole matrix, a legend, and what is missing.
#[must_use]
pub fn table(matrix: &Matrix, style: Style) -> String {
    let mut out = String::new();
    for strip in strips(&matrix.columns, style.width) {
        grid(&mut out, strip, style);
        out.push('\n');
    }
    if matrix.columns.is_empty() {
        out.push_str("No place was asked.\n\n");
    }
    legend(&mut out, matrix, style);
    for missing in &matrix.missing {
        let remedy = missing.remedy.as_ref();
        let remedy = remedy.map_or(String::new(), |remedy| format!(" ({remedy})"));
        let line = format!("{}: not asked: {}{remedy}", missing.place, missing.why);
        push(&mut out, Ink::Faint, &line, 2, style);
    }
    if matrix.interrupted {
        push(
            &mut out,
            Ink::Alarm,
            "Interrupted: the other places were not asked.",
            2,
            style,
        );
    }
    if let Some(column) = matrix.columns.last()
        && let Some(row) = column.cells.first()
    {
        let more = format!(
            "`isolab matrix explain {}/{}` shows what a cell rests on.",
            row.axis, column.place
        );
        push(&mut out, Ink::Plain, &more, 2, style);
    }
    out
}

/// The columns, as many side by side as are no wider than `width`.
fn strips(columns: &[Column], width: usize) -> Vec<&[Column]> {
    let mut strips = Vec::new();
    let mut rest = columns;
    while !rest.is_empty() {
        let mut used = AXIS;
        let fitting = rest.iter().take_while(|column| {
            used += GAP + width_of(column);
            used <= width
        });
        let count = fitting.count().max(1);
        let (strip, others) = rest.split_at(count);
        strips.push(strip);
        rest = others;
    }
    strips
}

fn width_of(column: &Column) -> usize {
    let words = column.cells.iter().map(|row| row.cell.word().len());
    words.max().unwrap_or(0).max(column.place.name().len())
}

fn grid(out: &mut String, columns: &[Column], style: Style) {
    let mut builder = Builder::default();
    let heading = columns.iter().map(|column| column.place.name());
    builder.push_record(std::iter::once("").chain(heading));
    let axes = columns.first().map_or(&[][..], |column| &column.cells);
    for (index, row) in axes.iter().enumerate() {
        let words = columns.iter().map(|column| column.cells[index].cell.word());
        builder.push_record(std::iter::once(row.axis.name()).chain(words));
    }
    let mut table = builder.build();
    table
        .with(Borders::empty().horizontals([(1, HorizontalLine::new('-'))]))
        .with(Padding::new(0, GAP, 0, 0));
    for (index, line) in table.to_string().lines().enumerate() {
        let line = line.trim_end();
        let line: String = line.chars().take(style.width).collect();
        if index == 0 {
            paint(out, Ink::Strong, &line, style);
        } else if style.colour {
            paint(out, Ink::Plain, &coloured(&line), style);
        } else {
            paint(out, Ink::Plain, &line, style);
        }
    }
}

/// The words of a line in the colours of what they mean.
fn coloured(line: &str) -> String {
    let shared = Cell::Host.word();
    line.replace(shared, &format!("\u{1b}[31m{shared}\u{1b}[0m"))
}

/// What the words mean that are in the table.
fn legend(out: &mut String, matrix: &Matrix, style: Style) {
    let mut all = matrix.columns.iter().flat_map(|column| &column.cells);
    let present: Vec<Cell> = Cell::ALL
        .into_iter()
        .filter(|cell| all.clone().any(|row| row.cell == *cell))
        .collect();
    for cell in present {
        let line = format!("{}: {}", cell.word(), cell.meaning());
        push(out, Ink::Plain, &line, 2, style);
    }
    if all.next().is_some() {
        out.push('\n');
    }
}

/// One cell: what was asked, tried and said, and what it means.
#[must_use]
pub fn explain(matrix: &Matrix, axis: Axis, place: PlaceName, style: Style) -> String {
    let mut out = String::new();
    push(&mut out, Ink::Strong, &format!("{axis}/{place}"), 2, style);
    push(&mut out, Ink::Plain, axis.question(), 2, style);
    out.push('\n');
    match (
        matrix.row(axis, place),
        matrix.columns.iter().find(|c| c.place == place),
    ) {
        (Some(row), Some(column)) => {
            push(
                &mut out,
                Ink::Plain,
                &format!("started as: {}", column.command),
                2,
                style,
            );
            out.push('\n');
            tried(&mut out, row, style);
            out.push('\n');
            let found = format!("{}: {}", row.cell.word(), row.because);
            push(&mut out, Ink::Strong, &found, 2, style);
            let meaning = format!("`{}` is: {}.", row.cell.word(), row.cell.meaning());
            push(&mut out, Ink::Plain, &meaning, 2, style);
        }
        _ => {
            let missing = matrix.missing.iter().find(|missing| missing.place == place);
            let why = missing.map_or("it was not asked", |missing| &missing.why);
            push(&mut out, Ink::Alarm, &format!("not asked: {why}"), 2, style);
            if let Some(remedy) = missing.and_then(|missing| missing.remedy.as_ref()) {
                push(
                    &mut out,
                    Ink::Plain,
                    &format!("what mends it: {remedy}"),
                    2,
                    style,
                );
            }
        }
    }
    out.push('\n');
    push(&mut out, Ink::Plain, axis.meaning(), 0, style);
    out
}

fn tried(out: &mut String, row: &Row, style: Style) {
    for outcome in &row.outcomes {
        push(out, Ink::Plain, &outcome.call, 4, style);
        let said = match &outcome.said {
            Said::Yes(learnt) => format!("-> {learnt}"),
            Said::No(why) => format!("-> refused: {why}"),
            Said::NotTried(why) => format!("-> not tried: {why}"),
        };
        let narrower = Style {
            width: style.width.saturating_sub(4),
            ..style
        };
        let mut text = String::new();
        push(&mut text, Ink::Faint, &said, 3, narrower);
        for line in text.lines() {
            out.extend(["    ", line, "\n"]);
        }
    }
}

/// What a line is, for the colours of a terminal.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Strong,
    Faint,
    Alarm,
}

/// `text` in lines that fit, the later ones indented.
fn push(out: &mut String, ink: Ink, text: &str, indent: usize, style: Style) {
    for line in wrapped(text, style.width, indent) {
        paint(out, ink, &line, style);
    }
}

fn paint(out: &mut String, ink: Ink, line: &str, style: Style) {
    let code = match ink {
        _ if !style.colour || line.is_empty() => "",
        Ink::Plain => "",
        Ink::Strong => "\u{1b}[1m",
        Ink::Faint => "\u{1b}[2m",
        Ink::Alarm => "\u{1b}[33m",
    };
    let reset = if code.is_empty() { "" } else { "\u{1b}[0m" };
    out.extend([code, line, reset, "\n"]);
}

#[cfg(test)]
mod tests {
    use super::super::{Missing, SCHEMA};
    use super::*;
    use crate::inside::{Attempt, Outcome};
    use crate::report::text::columns;

    /// A matrix of every place and every word.
    fn matrix() -> Matrix {
        let cells = Cell::ALL;
        let row = |(index, axis)| Row {
            axis,
            cell: cells[index % cells.len()],
            because: "it may ".repeat(20),
            outcomes: vec![Outcome {
                attempt: Attempt::BootId,
                call: format!("open(\"/{}\")", "long/".repeat(30)),
                said: Said::No("EPERM".to_owned()),
            }],
        };
        let column = |place| Column {
            place,
            command: "isolab __inside ".repeat(8),
            cells: Axis::ALL.into_iter().enumerate().map(row).collect(),
        };
        let places = PlaceName::ALL.into_iter();
        Matrix {
            schema: SCHEMA.to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            root: true,
            interrupted: true,
            columns: places
                .filter(|place| *place != PlaceName::Docker)
                .map(column)
                .collect(),
            missing: vec![Missing {
                place: PlaceName::Docker,
                why: "its daemon does not answer ".repeat(5),
                remedy: Some("start it".to_owned()),
            }],
        }
    }

    fn style(width: usize) -> Style {
        Style {
            width,
            colour: false,
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_all_is_ascii() {
        for width in [40, 60, 80, 200] {
            let mut texts = vec![table(&matrix(), style(width))];
            for axis in Axis::ALL {
                texts.push(explain(&matrix(), axis, PlaceName::Vm, style(width)));
                texts.push(explain(&matrix(), axis, PlaceName::Docker, style(width)));
            }
            for text in texts {
                assert!(text.is_ascii());
                for line in text.lines() {
                    assert!(columns(line) <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn every_place_and_every_cell_is_in_the_table_at_any_width() {
        for width in [40, 80, 200] {
            let text = table(&matrix(), style(width));
            for place in PlaceName::ALL {
                assert!(text.contains(place.name()), "{width}: no {place}:\n{text}");
            }
            let rows = text.lines().filter(|line| line.starts_with("libraries "));
            let words: usize = rows.map(|row| row.split_whitespace().count() - 1).sum();
            assert_eq!(words, PlaceName::ALL.len() - 1, "{width}:\n{text}");
        }
    }

    #[test]
    fn colours_are_written_only_where_they_are_wanted() {
        let coloured = Style {
            width: 80,
            colour: true,
        };
        assert!(table(&matrix(), coloured).contains("\u{1b}[31mHOST"));
        assert!(!table(&matrix(), style(80)).contains('\u{1b}'));
    }
}
