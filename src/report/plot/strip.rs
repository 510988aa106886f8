//! Strips: one quantity on many machines, a row for each, on a common axis.

use super::axis::Axis;
use super::palette::{AXIS, GRID, INK, MUTED, colour, mark};
use super::shape::{Anchor, Drawing, Shape};
use super::{font_faces, paint};
use crate::observation::{Subject, Unit};
use crate::report::Error;
use crate::report::text::{escaped, shown};

/// One quantity on many machines.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// What it is.
    pub title: String,
    /// The unit of its numbers.
    pub unit: Unit,
    /// A row for each machine.
    pub rows: Vec<StripRow>,
}

/// A machine's row.
#[derive(Clone, Debug, PartialEq)]
pub struct StripRow {
    /// What the machine is called.
    pub label: String,
    /// What it has.
    pub marks: Vec<StripMark>,
}

/// A number in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StripMark {
    /// Of what.
    pub subject: Subject,
    /// The number. Nothing and less stand at the left end.
    pub value: f64,
    /// Its range.
    pub range: Option<(f64, f64)>,
    /// What kind of number it is.
    pub kind: MarkKind,
}

/// How a number is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Filled.
    Measured,
    /// Hollow: no measure of the subject.
    Emulated,
    /// A bar across the row.
    Predicted,
}

const MARGIN: f64 = 32.0;
const WIDTH: f64 = 860.0;
const LABEL: f64 = 150.0;
const ROW: f64 = 22.0;
/// Room for zero and less.
const ZERO: f64 = 40.0;

/// The strips as an SVG document with its fonts; `title` and `notes` are words.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn strips_svg(title: &str, strips: &[Strip], notes: &str) -> Result<String, Error> {
    let drawing = draw(title, strips, notes);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" {} role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>{}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFE\"/>{}</svg>\n",
        drawing.width,
        drawing.height,
        paint::view_box(&drawing),
        escaped(title),
        escaped(notes),
        font_faces(),
        paint::svg_elements(&drawing)?,
    ))
}

/// The same as a PNG image.
///
/// # Errors
/// As [`strips_svg`].
pub fn strips_png(title: &str, strips: &[Strip], notes: &str) -> Result<Vec<u8>, Error> {
    paint::png(&draw(title, strips, notes))
}

fn draw(title: &str, strips: &[Strip], notes: &str) -> Drawing {
    let mut sheet = Drawing {
        width: WIDTH,
        height: 0.0,
        shapes: vec![Shape::text((MARGIN, MARGIN + 18.0), title, 22.0, INK).bold()],
    };
    let mut y = legend(&mut sheet, strips, MARGIN + 48.0);
    for strip in strips {
        let panel = panel(strip);
        let height = panel.height;
        sheet.place(panel, (MARGIN, y));
        y += height + 18.0;
    }
    sheet
        .shapes
        .push(Shape::text((MARGIN, y + 6.0), shown(notes), 12.0, MUTED));
    sheet.height = y + MARGIN;
    sheet
}

/// What shapes mean, of those that occur.
fn legend(sheet: &mut Drawing, strips: &[Strip], y: f64) -> f64 {
    let marks = || {
        strips
            .iter()
            .flat_map(|s| &s.rows)
            .flat_map(|row| &row.marks)
    };
    let mut x = MARGIN + 6.0;
    let mut entry = |shapes: Vec<Shape>, words: &str| {
        sheet
            .shapes
            .extend(shapes.into_iter().map(|shape| shape.moved((x, y - 4.5))));
        sheet
            .shapes
            .push(Shape::text((x + 14.0, y), words, 13.0, INK));
        x += 14.0 + paint::width(words, 13.0, false) + 26.0;
    };
    for subject in Subject::ALL {
        if marks().any(|m| m.subject == subject && m.kind != MarkKind::Predicted) {
            entry(mark(subject, (0.0, 0.0), 5.0, true), subject.name());
        }
    }
    if marks().any(|m| m.kind == MarkKind::Emulated) {
        entry(mark(Subject::Vm, (0.0, 0.0), 5.0, false), "emulated");
    }
    if marks().any(|m| m.kind == MarkKind::Predicted) {
        entry(vec![bar((0.0, 0.0), INK)], "predicted");
    }
    y + 16.0
}

fn bar((x, y): (f64, f64), colour: super::palette::Rgb) -> Shape {
    Shape::line((x, y - 8.0), (x, y + 8.0), 2.0, colour)
}

/// One strip: title, rows, axis.
fn panel(strip: &Strip) -> Drawing {
    let values = || {
        let marks = strip.rows.iter().flat_map(|row| &row.marks);
        marks.flat_map(|mark| {
            let (low, high) = mark.range.unwrap_or((mark.value, mark.value));
            [mark.value, low, high]
        })
    };
    let fallback = || Axis::over([1.0, 10.0].into_iter(), strip.unit);
    let width = WIDTH - 2.0 * MARGIN;
    let mut panel = Drawing {
        width,
        height: 0.0,
        shapes: vec![Shape::text((0.0, 20.0), shown(&strip.title), 14.0, INK).bold()],
    };
    let Some(axis) = Axis::over(values(), strip.unit).or_else(fallback) else {
        return panel;
    };
    // Zero and less have a place of their own: logarithms never get there.
    let has_zero = values().any(|value| value <= 0.0);
    let left = LABEL + if has_zero { ZERO } else { 0.0 };
    let right = width - 20.0;
    let x = |value: f64| match value {
        v if v > 0.0 => left + axis.place(v) * (right - left),
        _ => LABEL + 8.0,
    };
    let (top, foot) = (30.0, 34.0 + ROW * strip.rows.len() as f64);
    for (value, label) in axis.ticks(right - left, 16.0, |text| paint::width(text, 11.0, false)) {
        let at = x(value);
        panel
            .shapes
            .push(Shape::line((at, top), (at, foot), 1.0, GRID));
        let text = Shape::text((at, foot + 16.0), label, 11.0, MUTED);
        panel.shapes.push(text.anchored(Anchor::Middle));
    }
    if has_zero {
        let text = Shape::text((x(0.0), foot + 16.0), "≤ 0", 11.0, MUTED);
        panel.shapes.push(text.anchored(Anchor::Middle));
    }
    panel
        .shapes
        .push(Shape::line((left, foot), (right, foot), 1.0, AXIS));
    for (row, y) in strip
        .rows
        .iter()
        .zip((0..).map(|i| top + ROW * (f64::from(i) + 0.5)))
    {
        let label: String = shown(&row.label).chars().take(20).collect();
        let text = Shape::text((LABEL - 12.0, y + 4.0), label, 12.0, INK);
        panel.shapes.push(text.anchored(Anchor::End));
        for mark in &row.marks {
            panel.shapes.extend(drawn(mark, y, x));
        }
    }
    panel.height = foot + 24.0;
    panel
}

fn drawn(one: &StripMark, y: f64, x: impl Fn(f64) -> f64) -> Vec<Shape> {
    let ink = colour(one.subject);
    let at = (x(one.value), y);
    let mut shapes = Vec::new();
    if let Some((low, high)) = one.range {
        shapes.push(Shape::line((x(low), y), (x(high), y), 2.0, ink));
    }
    match one.kind {
        MarkKind::Predicted => shapes.push(bar(at, ink)),
        kind => shapes.extend(mark(one.subject, at, 4.4, kind == MarkKind::Measured)),
    }
    shapes
}
