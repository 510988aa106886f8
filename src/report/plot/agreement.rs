//! Predicted against measured: a point for each, with the interval of what was
//! predicted, beside the line on which both are equal.

use super::axis::Axis;
use super::curves::{document, notes};
use super::paint;
use super::palette::{AXIS, GRID, INK, MUTED, Rgb};
use super::shape::{Anchor, Drawing, Shape};
use crate::observation::Unit;
use crate::report::Error;
use crate::report::text::shown;

/// What was predicted and measured of one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// The quantity.
    pub title: String,
    /// What is on the upright axis, in words: what was measured, and what was taken off it.
    pub measured: String,
    /// The unit of its numbers.
    pub unit: Unit,
    /// The points.
    pub points: Vec<AgreementPoint>,
}

/// A prediction and one measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgreementPoint {
    /// What was predicted.
    pub predicted: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// What was measured.
    pub measured: f64,
}

const MARGIN: f64 = 32.0;
const PANEL: f64 = 380.0;
const SIDE: f64 = 280.0;
const LEFT: f64 = 76.0;
const GAP: f64 = 20.0;
/// Okabe and Ito's blue and vermilion.
const WITHIN: Rgb = (0x00, 0x72, 0xB2);
const BEYOND: Rgb = (0xD5, 0x5E, 0x00);

/// The panels as an SVG document with its fonts.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn agreement_svg(title: &str, panels: &[Agreement], about: &str) -> Result<String, Error> {
    document(&draw(title, panels, about), title, about)
}

/// The same as a PNG image.
///
/// # Errors
/// As there.
pub fn agreement_png(title: &str, panels: &[Agreement], about: &str) -> Result<Vec<u8>, Error> {
    paint::png(&draw(title, panels, about))
}

fn draw(title: &str, panels: &[Agreement], about: &str) -> Drawing {
    let title = Shape::text((MARGIN, MARGIN + 18.0), shown(title), 22.0, INK);
    let mut sheet = Drawing {
        width: 2.0 * (MARGIN + PANEL) + GAP,
        height: 0.0,
        shapes: vec![title.bold()],
    };
    let mut x = MARGIN;
    let y = MARGIN + 48.0;
    for (ink, words) in [(WITHIN, "within the 90 % interval"), (BEYOND, "beyond it")] {
        sheet.shapes.extend(mark(x + 5.0, y - 4.5, ink));
        sheet
            .shapes
            .push(Shape::text((x + 16.0, y), words, 13.0, INK));
        x += 16.0 + paint::width(words, 13.0, false) + 26.0;
    }
    let mut row = y + 16.0;
    for pair in panels.chunks(2) {
        let mut height = 0.0f64;
        for (at, one) in [MARGIN, MARGIN + PANEL + GAP].iter().zip(pair) {
            let panel = panel(one);
            height = height.max(panel.height);
            sheet.place(panel, (*at, row));
        }
        row += height + GAP;
    }
    let end = notes(&mut sheet, about, row);
    sheet.height = end + MARGIN / 2.0;
    sheet
}

fn mark(x: f64, y: f64, ink: Rgb) -> Vec<Shape> {
    vec![Shape::Circle {
        centre: (x, y),
        radius: 4.0,
        width: None,
        colour: ink,
        opacity: 0.8,
    }]
}

fn panel(one: &Agreement) -> Drawing {
    let mut panel = Drawing {
        width: PANEL,
        height: 30.0 + SIDE + 56.0,
        shapes: vec![Shape::text((0.0, 18.0), shown(&one.title), 14.0, INK).bold()],
    };
    let values = one
        .points
        .iter()
        .flat_map(|point| [point.predicted, point.low, point.high, point.measured]);
    let Some(axis) = Axis::over(values, one.unit) else {
        panel.height = 60.0;
        panel.shapes.push(Shape::text(
            (0.0, 44.0),
            "nothing was measured",
            12.0,
            MUTED,
        ));
        return panel;
    };
    let (top, foot, right) = (30.0, 30.0 + SIDE, LEFT + SIDE);
    let x = |value: f64| LEFT + axis.place(value) * SIDE;
    let y = |value: f64| foot - axis.place(value) * SIDE;
    for (value, label) in axis.ticks(SIDE, 14.0, |text| paint::width(text, 11.0, false)) {
        for (from, to) in [
            ((x(value), top), (x(value), foot)),
            ((LEFT, y(value)), (right, y(value))),
        ] {
            panel.shapes.push(Shape::line(from, to, 1.0, GRID));
        }
        let below = Shape::text((x(value), foot + 16.0), label.clone(), 11.0, MUTED);
        panel.shapes.push(below.anchored(Anchor::Middle));
        let beside = Shape::text((LEFT - 8.0, y(value) + 4.0), label, 11.0, MUTED);
        panel.shapes.push(beside.anchored(Anchor::End));
    }
    for (from, to) in [
        ((LEFT, foot), (right, foot)),
        ((LEFT, top), (LEFT, foot)),
        ((LEFT, foot), (right, top)),
    ] {
        panel.shapes.push(Shape::line(from, to, 1.0, AXIS));
    }
    for point in &one.points {
        let is_within = point.low <= point.measured && point.measured <= point.high;
        let ink = if is_within { WITHIN } else { BEYOND };
        let at = y(point.measured);
        panel.shapes.push(Shape::Line {
            from: (x(point.low), at),
            to: (x(point.high), at),
            width: 1.6,
            colour: ink,
            opacity: 0.55,
        });
        panel.shapes.extend(mark(x(point.predicted), at, ink));
    }
    let across = Shape::text((LEFT + SIDE / 2.0, foot + 36.0), "predicted", 12.0, INK);
    panel.shapes.push(across.anchored(Anchor::Middle));
    let upright = shown(&one.measured);
    panel
        .shapes
        .push(Shape::text((LEFT + 8.0, top + 14.0), upright, 12.0, INK));
    panel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_its_interval_looks_otherwise() {
        let point = |measured: f64| AgreementPoint {
            predicted: 2.0,
            low: 1.5,
            high: 2.5,
            measured,
        };
        let of = |points| {
            let panel = Agreement {
                title: "boots".to_owned(),
                measured: "as the clock had it".to_owned(),
                unit: Unit::Seconds,
                points,
            };
            let svg = agreement_svg("t", &[panel], "n").unwrap();
            roxmltree::Document::parse(&svg).unwrap();
            assert_eq!(
                svg.contains("as the clock had it"),
                svg.contains("predicted")
            );
            svg.to_uppercase().matches("#D55E00").count()
        };
        let (none, within, beyond) = (of(vec![]), of(vec![point(2.4)]), of(vec![point(2.6)]));
        assert_eq!(none, within);
        assert!(beyond > within);
    }
}
