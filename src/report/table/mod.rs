//! The report on a terminal: one table a workload, grouped by metric.
//!
//! A projector shows about 80 columns. Where all columns do not fit, the least
//! needed are left out rather than folded: the JSON and the page have them all.

mod columns;
mod notes;

use std::io::{IsTerminal, stdout};

use tabled::builder::Builder;
use tabled::settings::object::{Cell, Columns, Rows};
use tabled::settings::span::ColumnSpan;
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Modify, Padding, Style as Borders};

use super::comparison::{Compared, Section, compare};
use super::quantity::{Scale, shared_scale};
use super::{Report, explainers, text};
use crate::observation::{Evidence, Workload};
use columns::Column;

/// How wide the table may be, and whether it may use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The columns of the terminal.
    pub width: usize,
    /// Whether escape sequences may be written.
    pub colour: bool,
}

impl Style {
    /// 80 columns without colour.
    pub const PLAIN: Self = Self {
        width: 80,
        colour: false,
    };

    /// What standard output allows: its width where it is a terminal, and colour
    /// unless `NO_COLOR` is set (<https://no-color.org>).
    #[must_use]
    pub fn of_stdout() -> Self {
        let terminal = stdout().is_terminal();
        let width = terminal_size::terminal_size_of(stdout()).map(|(w, _)| usize::from(w.0));
        let silenced = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self {
            width: width.filter(|_| terminal).unwrap_or(80).max(NARROWEST),
            colour: terminal && !silenced("NO_COLOR") && !dumb,
        }
    }
}

/// Below this many columns lines are cut by the terminal, not by us.
const NARROWEST: usize = 40;

/// The whole report as lines of text, none wider than `style` allows.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let style = Style {
        width: style.width.max(NARROWEST),
        ..style
    };
    let sections = compare(report);
    let mut out = String::new();
    // As `comparison::numbered` counts: sections are in the order of workloads.
    let mut first = 1;
    for workload in Workload::ALL {
        let own: Vec<&Section<'_>> = sections.iter().filter(|s| s.workload == workload).collect();
        if !own.is_empty() {
            workload_table(&mut out, workload, &own, first, style);
        }
        first += own.iter().map(|section| section.rows.len()).sum::<usize>();
    }
    if sections.is_empty() {
        out.push_str("Nothing was measured.\n\n");
    }
    notes::append(&mut out, report, &sections, style);
    out
}

fn workload_table(
    out: &mut String,
    workload: Workload,
    sections: &[&Section<'_>],
    first: usize,
    style: Style,
) {
    let about = format!("{workload}: {}", explainers::workload(workload));
    for (i, line) in text::wrapped(&about, style.width, 2).iter().enumerate() {
        push(
            out,
            line,
            if i == 0 { Ink::Strong } else { Ink::Plain },
            style,
        );
    }
    out.push('\n');
    let mut layouts = columns::LAYOUTS
        .iter()
        .map(|layout| lines(sections, layout, first, style.width));
    let widest = |lines: &[(String, Ink)]| lines.iter().map(|(l, _)| text::columns(l)).max();
    let narrowest = columns::LAYOUTS[columns::LAYOUTS.len() - 1];
    let fitting = layouts
        .find(|lines| widest(lines).unwrap_or(0) <= style.width)
        .unwrap_or_else(|| lines(sections, narrowest, first, style.width));
    for (line, ink) in fitting {
        push(out, &line, ink, style);
    }
    out.push('\n');
}

/// What a line is, for the colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ink {
    Plain,
    /// Headings.
    Strong,
    /// What was not measured.
    Faint,
    /// Warnings.
    Alarm,
}

fn push(out: &mut String, line: &str, ink: Ink, style: Style) {
    let line = line.trim_end();
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

/// The table's lines in one layout, its rows numbered from `first`.
fn lines(
    sections: &[&Section<'_>],
    layout: &[Column],
    first: usize,
    width: usize,
) -> Vec<(String, Ink)> {
    let mut builder = Builder::default();
    for line in [0, 1] {
        builder.push_record(layout.iter().map(|column| column.heading()[line]));
    }
    let mut inks = vec![Ink::Strong, Ink::Strong, Ink::Plain];
    let mut headings = Vec::new();
    let scaled: Vec<(&Section<'_>, Scale)> = sections.iter().map(|s| (*s, scale_of(s))).collect();
    let mut rows = columns::rows(&scaled, layout, first).into_iter();
    for (section, scale) in scaled {
        if !headings.is_empty() {
            builder.push_record(layout.iter().map(|_| ""));
            inks.push(Ink::Plain);
        }
        let heading = format!("{} · {}", section.title(), scale.symbol);
        for line in text::wrapped(&heading, width, 2) {
            headings.push(builder.count_records());
            builder.push_record([line]);
            inks.push(Ink::Strong);
        }
        for row in &section.rows {
            builder.push_record(rows.next().unwrap_or_default());
            inks.push(match row.observation.evidence {
                Evidence::Measured { .. } => Ink::Plain,
                _ => Ink::Faint,
            });
        }
    }
    let mut table = builder.build();
    let rule = HorizontalLine::new('─');
    table
        .with(Borders::empty().horizontals([(2, rule)]))
        .with(Padding::new(0, 0, 0, 0))
        .modify(Columns::new(1..), Padding::new(2, 0, 0, 0))
        // The numbers of the rows take one column more.
        .modify(Columns::new(1..=1), Padding::new(1, 0, 0, 0));
    for (i, column) in layout.iter().enumerate() {
        if column.is_right() {
            table.with(Modify::new(Columns::new(i..=i)).with(Alignment::right()));
        }
    }
    for row in headings {
        table
            .with(Modify::new(Cell::new(row, 0)).with(ColumnSpan::new(layout.len().cast_signed())));
        table.with(Modify::new(Rows::new(row..=row)).with(Alignment::left()));
    }
    let text = table.to_string();
    text.lines().map(str::to_owned).zip(inks).collect()
}

/// The unit that a section's numbers are shown in.
fn scale_of(section: &Section<'_>) -> Scale {
    let unit = section.metric.unit();
    shared_scale(section.rows.iter().map(Compared::centre), unit)
}
