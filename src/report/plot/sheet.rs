//! All figures on one sheet, for a slide or a mail: title, legend, small
//! multiples in two columns, caption.

use super::figure::{FigureId, Group, caption, of_figure};
use super::palette::{INK, MUTED, colour, mark};
use super::shape::{Drawing, Point, Shape};
use super::{paint, panel};
use crate::observation::{Evidence, Subject, Workload};
use crate::report::comparison::{Section, compare};
use crate::report::text::shown;
use crate::report::{Report, explainers};

/// The sheet's title.
pub(super) const TITLE: &str = "What isolation costs on this machine";

const MARGIN: f64 = 40.0;
const COLUMN: f64 = 560.0;
const GUTTER: f64 = 56.0;
const WIDTH: f64 = 2.0 * (MARGIN + COLUMN) + GUTTER;

/// The sheet of `report`.
pub(super) fn draw(report: &Report) -> Drawing {
    let sections = compare(report);
    let mut sheet = Drawing {
        width: WIDTH,
        height: 0.0,
        shapes: Vec::new(),
    };
    let mut y = MARGIN + 20.0;
    sheet
        .shapes
        .push(Shape::text((MARGIN, y), TITLE, 26.0, INK).bold());
    y += 14.0;
    let subtitle = "Lower is less. Logarithmic axes; each subject beside the bare process.";
    y = paragraph(&mut sheet, subtitle, y, 14.0);
    y = legend(&mut sheet, &sections, y + 26.0);
    for workload in Workload::ALL {
        y = workload_figures(&mut sheet, &sections, workload, y);
    }
    let all: Vec<&Section<'_>> = sections.iter().collect();
    y = paragraph(&mut sheet, &caption(report, &all), y, 12.0);
    for warning in &report.warnings {
        y = paragraph(&mut sheet, &format!("Warning: {warning}"), y, 12.0);
    }
    let made = format!("isolab {}, {}", report.environment.isolab, report.created);
    y = paragraph(&mut sheet, &made, y, 12.0);
    sheet.height = y + MARGIN - 8.0;
    sheet
}

/// What shapes and fillings mean.
fn legend(sheet: &mut Drawing, sections: &[Section<'_>], y: f64) -> f64 {
    let rows = || {
        sections
            .iter()
            .flat_map(|s| &s.rows)
            .map(|row| row.observation)
    };
    let mut x = MARGIN + 6.0;
    let mut entry = |at: &dyn Fn(Point) -> Vec<Shape>, words: &str| {
        sheet.shapes.extend(at((x, y - 4.5)));
        sheet
            .shapes
            .push(Shape::text((x + 14.0, y), words, 13.0, INK));
        x += 14.0 + paint::width(words, 13.0, false) + 30.0;
    };
    for subject in Subject::ALL {
        if rows().any(|o| o.subject == subject && o.evidence.measured().is_some()) {
            entry(&|at| mark(subject, at, 5.0, true), subject.name());
        }
    }
    let emulated = rows().find(|o| matches!(o.evidence, Evidence::Emulated { .. }));
    if let Some(o) = emulated {
        let words = format!("{}, emulated", o.subject);
        entry(&|at| mark(o.subject, at, 5.0, false), &words);
    }
    let modelled = rows().find(|o| matches!(o.evidence, Evidence::Modelled { .. }));
    if let Some(o) = modelled {
        let range = |(x, y): Point| {
            let mut shapes = Vec::new();
            panel::modelled(
                &mut shapes,
                x - 6.0,
                x + 3.0,
                x + 10.0,
                y,
                colour(o.subject),
            );
            shapes
        };
        entry(&range, &format!("{}, modelled", o.subject));
    }
    y + 14.0
}

/// The four figures of a workload under its heading.
fn workload_figures(
    sheet: &mut Drawing,
    sections: &[Section<'_>],
    workload: Workload,
    top: f64,
) -> f64 {
    let figure = |group| panel::draw(&of_figure(sections, FigureId { workload, group }), COLUMN);
    let columns = [
        [Group::Startup, Group::Lifecycle],
        [Group::Memory, Group::Disk],
    ];
    let drawn = columns.map(|groups| groups.map(|group| (group, figure(group))));
    if drawn
        .iter()
        .flatten()
        .all(|(_, drawing)| drawing.shapes.is_empty())
    {
        return top;
    }
    let mut y = top + 30.0;
    let name = workload.name();
    sheet
        .shapes
        .push(Shape::text((MARGIN, y), name, 19.0, INK).bold());
    let about = Shape::text(
        (MARGIN + paint::width(name, 19.0, true) + 12.0, y),
        explainers::workload(workload).replace('`', ""),
        14.0,
        MUTED,
    );
    sheet.shapes.push(about);
    y += 12.0;
    let mut lowest = y;
    for (i, figures) in drawn.into_iter().enumerate() {
        let x = MARGIN + i as f64 * (COLUMN + GUTTER);
        let mut own = y;
        for (group, drawing) in figures {
            if drawing.shapes.is_empty() {
                continue;
            }
            sheet
                .shapes
                .push(Shape::text((x, own + 22.0), group.title(), 15.0, INK).bold());
            let height = drawing.height;
            sheet.place(drawing, (x, own + 22.0));
            own += height + 34.0;
        }
        lowest = lowest.max(own);
    }
    lowest + 4.0
}

/// Wrapped text below `y`; returns where it ends.
fn paragraph(sheet: &mut Drawing, text: &str, mut y: f64, size: f64) -> f64 {
    let mut line = String::new();
    let mut lines = Vec::new();
    for word in shown(text).split_whitespace() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if !line.is_empty() && paint::width(&longer, size, false) > WIDTH - 2.0 * MARGIN {
            lines.push(std::mem::replace(&mut line, word.to_owned()));
        } else {
            line = longer;
        }
    }
    lines.push(line);
    for line in lines {
        y += size * 1.5;
        sheet
            .shapes
            .push(Shape::text((MARGIN, y), line, size, MUTED));
    }
    y
}
