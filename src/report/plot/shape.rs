//! What a figure consists of: shapes in CSS pixels, before any backend.
//!
//! A figure is laid out once and painted as SVG or as pixels.

use super::palette::Rgb;

/// A point: to the right and down, in CSS pixels.
pub(super) type Point = (f64, f64);

/// Which end of a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One shape, painted over those before it.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Line {
        from: Point,
        to: Point,
        width: f64,
        colour: Rgb,
        opacity: f64,
    },
    /// Filled where `width` is `None`, else an outline.
    Polygon {
        points: Vec<Point>,
        width: Option<f64>,
        colour: Rgb,
        opacity: f64,
    },
    /// Likewise.
    Circle {
        centre: Point,
        radius: f64,
        width: Option<f64>,
        colour: Rgb,
        opacity: f64,
    },
    /// `at` lies on the baseline.
    Text {
        at: Point,
        text: String,
        size: f64,
        bold: bool,
        anchor: Anchor,
        colour: Rgb,
    },
}

impl Shape {
    pub(super) fn line(from: Point, to: Point, width: f64, colour: Rgb) -> Self {
        Self::Line {
            from,
            to,
            width,
            colour,
            opacity: 1.0,
        }
    }

    pub(super) fn text(at: Point, text: impl Into<String>, size: f64, colour: Rgb) -> Self {
        let text = text.into();
        Self::Text {
            at,
            text,
            size,
            bold: false,
            anchor: Anchor::Start,
            colour,
        }
    }

    /// The same text, bold.
    pub(super) fn bold(mut self) -> Self {
        if let Self::Text { bold, .. } = &mut self {
            *bold = true;
        }
        self
    }

    /// The same text with another end at its point.
    pub(super) fn anchored(mut self, to: Anchor) -> Self {
        if let Self::Text { anchor, .. } = &mut self {
            *anchor = to;
        }
        self
    }

    /// The same shape elsewhere.
    pub(super) fn moved(mut self, (dx, dy): Point) -> Self {
        let shift = |p: &mut Point| *p = (p.0 + dx, p.1 + dy);
        match &mut self {
            Self::Line { from, to, .. } => {
                shift(from);
                shift(to);
            }
            Self::Polygon { points, .. } => points.iter_mut().for_each(shift),
            Self::Circle { centre: at, .. } | Self::Text { at, .. } => shift(at),
        }
        self
    }
}

/// Shapes with the size of the area they are laid out in.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Drawing {
    /// Puts `other` into this one with its upper left corner at `at`.
    pub(super) fn place(&mut self, other: Drawing, at: Point) {
        let moved = other.shapes.into_iter().map(|shape| shape.moved(at));
        self.shapes.extend(moved);
    }
}
