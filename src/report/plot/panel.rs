//! One figure: for each subject a row with its samples, its interval and its
//! median on a common logarithmic axis.

use super::axis::Axis;
use super::paint;
use super::palette::{AXIS, GRID, INK, MUTED, colour, mark};
use super::shape::{Anchor, Drawing, Shape};
use crate::observation::{Evidence, State};
use crate::report::comparison::{Compared, Section};
use crate::report::quantity::human;

/// At most so many samples of a row are drawn.
pub(super) const POINTS: usize = 250;

const ROW: f64 = 30.0;
const HEADING: f64 = 32.0;
const HEADING_SIZE: f64 = 13.0;
const LABEL_SIZE: f64 = 13.0;
const NOTE_SIZE: f64 = 11.0;
const FOOT: f64 = 30.0;
/// Room for zero and less, left of where logarithms begin.
const ZERO: f64 = 34.0;

/// Where things stand in a figure of a given width.
struct Layout {
    width: f64,
    /// The axis, from left to right.
    left: f64,
    right: f64,
    /// Whether there is room to say what is added.
    roomy: bool,
    has_zero: bool,
}

impl Layout {
    fn of(width: f64, has_zero: bool) -> Self {
        let roomy = width >= 540.0;
        let (label, value) = if roomy { (100.0, 172.0) } else { (84.0, 78.0) };
        let zero = if has_zero { ZERO } else { 0.0 };
        Self {
            width,
            left: label + zero,
            right: width - value,
            roomy,
            has_zero,
        }
    }

    fn x(&self, axis: &Axis, value: f64) -> f64 {
        if value > 0.0 {
            self.left + axis.place(value) * (self.right - self.left)
        } else {
            self.zero()
        }
    }

    fn zero(&self) -> f64 {
        self.left - ZERO / 2.0 - 3.0
    }
}

/// The figure of `sections`, which share a unit. Empty without sections.
pub(super) fn draw(sections: &[&Section<'_>], width: f64) -> Drawing {
    let Some(first) = sections.first() else {
        return Drawing::default();
    };
    let unit = first.metric.unit();
    let values = || sections.iter().flat_map(|s| &s.rows).flat_map(values);
    let has_zero = values().any(|v| v <= 0.0);
    let layout = Layout::of(width, has_zero);
    // Of nothing but zeros, any axis will do.
    let fallback = || Axis::over([1.0, 10.0].into_iter(), unit);
    let Some(axis) = Axis::over(values(), unit).or_else(fallback) else {
        return Drawing::default();
    };
    let rows: usize = sections.iter().map(|s| s.rows.len()).sum();
    let foot = sections.len() as f64 * HEADING + rows as f64 * ROW + 4.0;
    let mut shapes = Vec::new();
    scale(&mut shapes, &layout, &axis, foot, values().any(|v| v < 0.0));
    let mut y = 0.0;
    for (i, section) in sections.iter().enumerate() {
        heading(&mut shapes, &layout, section, y, i == 0);
        y += HEADING;
        for compared in &section.rows {
            row(&mut shapes, &layout, &axis, compared, y + ROW / 2.0);
            y += ROW;
        }
    }
    Drawing {
        width,
        height: foot + FOOT,
        shapes,
    }
}

/// Every number that has to lie on the axis.
fn values<'a>(row: &'a Compared<'_>) -> impl Iterator<Item = f64> + 'a {
    let samples = row.observation.evidence.samples().unwrap_or_default();
    let ends = row.ends().map(|(low, high)| [low, high]);
    samples
        .iter()
        .copied()
        .chain(ends.into_iter().flatten())
        .chain([row.centre()])
}

/// The grid, the axis and its labels.
fn scale(shapes: &mut Vec<Shape>, layout: &Layout, axis: &Axis, foot: f64, less: bool) {
    let top = HEADING - 4.0;
    let measure = |text: &str| paint::width(text, NOTE_SIZE, false);
    let length = layout.right - layout.left;
    let label = |x: f64, text: String| {
        Shape::text((x, foot + 18.0), text, NOTE_SIZE, MUTED).anchored(Anchor::Middle)
    };
    if layout.has_zero {
        let x = layout.zero();
        shapes.push(Shape::line((x, top), (x, foot), 1.0, GRID));
        shapes.push(label(x, if less { "≤ 0" } else { "0" }.to_owned()));
        // The break between zero and where the logarithm begins.
        for dx in [-10.0, -6.0] {
            let x = layout.left + dx;
            shapes.push(Shape::line(
                (x - 2.0, foot + 4.0),
                (x + 2.0, foot - 4.0),
                1.0,
                AXIS,
            ));
        }
    }
    for x in axis.minor().into_iter().map(|v| layout.x(axis, v)) {
        shapes.push(Shape::line((x, foot), (x, foot + 3.0), 1.0, AXIS));
    }
    for (value, text) in axis.ticks(length, 16.0, measure) {
        let x = layout.x(axis, value);
        shapes.push(Shape::line((x, top), (x, foot), 1.0, GRID));
        shapes.push(Shape::line((x, foot), (x, foot + 5.0), 1.0, AXIS));
        // Zero's label stands near: the first tick then goes without.
        if layout.has_zero && x - measure(&text) / 2.0 < layout.zero() + 16.0 {
            continue;
        }
        // A label at the very end of the axis may reach past a narrow figure.
        let half = measure(&text) / 2.0;
        shapes.push(label(x.clamp(half, layout.width - half), text));
    }
    shapes.push(Shape::line(
        (layout.left, foot),
        (layout.right, foot),
        1.0,
        AXIS,
    ));
}

fn heading(shapes: &mut Vec<Shape>, layout: &Layout, section: &Section<'_>, y: f64, first: bool) {
    let words = match section.state {
        Some(State::First) => "First",
        Some(State::AfterIdle) => "After idle",
        Some(State::BackToBack) => "Back to back",
        None => section.metric.title(),
    };
    let base = y + HEADING - 10.0;
    shapes.push(Shape::text((0.0, base), words, HEADING_SIZE, INK).bold());
    if first && layout.roomy {
        let over = layout.width - 86.0;
        let small = |x: f64, text: &str| {
            Shape::text((x, base), text, NOTE_SIZE, MUTED).anchored(Anchor::End)
        };
        shapes.push(small(over, "median"));
        shapes.push(small(layout.width, "over process"));
    }
}

fn row(shapes: &mut Vec<Shape>, layout: &Layout, axis: &Axis, row: &Compared<'_>, y: f64) {
    let observed = row.observation;
    let label_right = layout.left - if layout.has_zero { ZERO } else { 0.0 } - 14.0;
    let mut label = |base: f64, text: &str, size: f64, colour| {
        shapes.push(Shape::text((label_right, base), text, size, colour).anchored(Anchor::End));
    };
    let kind = observed.evidence.kind();
    if observed.evidence.measured().is_some() {
        label(y + 4.5, observed.subject.name(), LABEL_SIZE, INK);
    } else {
        label(y - 0.5, observed.subject.name(), LABEL_SIZE, INK);
        label(y + 11.0, kind, NOTE_SIZE, MUTED);
    }
    match &observed.evidence {
        Evidence::Modelled {
            low, likely, high, ..
        } => {
            let (low, high) = (layout.x(axis, *low), layout.x(axis, *high));
            modelled(
                shapes,
                low,
                layout.x(axis, *likely),
                high,
                y,
                colour(observed.subject),
            );
        }
        Evidence::Measured { samples } | Evidence::Emulated { samples, .. } => {
            ran(shapes, layout, axis, row, samples, y);
        }
    }
    let value = Shape::text(
        (
            layout.width - if layout.roomy { 86.0 } else { 0.0 },
            y + 4.5,
        ),
        human(row.centre(), observed.unit),
        LABEL_SIZE,
        INK,
    );
    shapes.push(value.anchored(Anchor::End));
    if let Some(added) = row.added.filter(|_| layout.roomy) {
        let sign = if added.median > 0.0 { "+" } else { "" };
        let text = format!("{sign}{}", human(added.median, observed.unit));
        let at = (layout.width, y + 4.5);
        shapes.push(Shape::text(at, text, LABEL_SIZE, INK).anchored(Anchor::End));
    }
}

/// Samples, then the interval over them, then the median.
fn ran(
    shapes: &mut Vec<Shape>,
    layout: &Layout,
    axis: &Axis,
    row: &Compared<'_>,
    samples: &[f64],
    y: f64,
) {
    let observed = row.observation;
    let measured = observed.evidence.measured().is_some();
    let colour = colour(observed.subject);
    if samples.len() > 1 {
        let every = samples.len().div_ceil(POINTS);
        for (i, sample) in samples.iter().enumerate().step_by(every) {
            // Golden-ratio steps spread neighbours in time without chance.
            let jitter = (i as f64 * 0.618_034).fract() - 0.5;
            shapes.push(Shape::Circle {
                centre: (layout.x(axis, *sample), y + 20.0 * jitter),
                radius: 2.2,
                width: (!measured).then_some(0.8),
                colour,
                opacity: if measured { 0.28 } else { 0.45 },
            });
        }
    }
    let at = layout.x(axis, row.centre());
    if let Some((low, high)) = row.ends() {
        let (low, high) = (layout.x(axis, low), layout.x(axis, high));
        if measured {
            shapes.push(Shape::line((low, y), (high, y), 2.4, colour));
        } else {
            dashed(shapes, low, high, y, colour);
        }
        for x in [low, high] {
            shapes.push(Shape::line((x, y - 7.0), (x, y + 7.0), 1.6, colour));
        }
    }
    shapes.extend(mark(observed.subject, (at, y), 4.4, measured));
}

fn dashed(shapes: &mut Vec<Shape>, low: f64, high: f64, y: f64, colour: super::palette::Rgb) {
    let mut x = low;
    while x < high {
        shapes.push(Shape::line((x, y), ((x + 4.0).min(high), y), 2.4, colour));
        x += 7.0;
    }
}

/// A hollow, hatched range: nothing ran.
pub(super) fn modelled(
    shapes: &mut Vec<Shape>,
    low: f64,
    likely: f64,
    high: f64,
    y: f64,
    colour: super::palette::Rgb,
) {
    let (top, bottom) = (y - 6.0, y + 6.0);
    let mut x = low - (bottom - top);
    while x < high {
        // Each stroke rises to the right and ends where the range does.
        let (x0, x1) = (x.max(low), (x + 12.0).min(high));
        if x1 > x0 {
            let (y0, y1) = (bottom - (x0 - x), bottom - (x1 - x));
            let stroke = Shape::Line {
                from: (x0, y0),
                to: (x1, y1),
                width: 0.8,
                colour,
                opacity: 0.5,
            };
            shapes.push(stroke);
        }
        x += 6.0;
    }
    shapes.push(Shape::Polygon {
        points: vec![(low, top), (high, top), (high, bottom), (low, bottom)],
        width: Some(1.4),
        colour,
        opacity: 1.0,
    });
    shapes.push(Shape::line(
        (likely, top - 3.0),
        (likely, bottom + 3.0),
        2.6,
        colour,
    ));
}
