//! How text is set on a screen: headings and values in large letters where there
//! is room, everything else in one measure and at one margin.

use crate::demo::font::{Size, block};
use crate::demo::ink::{Ink, Line, Palette, line};
use crate::report::text::wrapped;

/// The text of a beat is not set wider than this: long lines are hard to follow.
const MEASURE: usize = 72;
/// The column at which everything but bars and output begins.
pub(super) const INDENT: usize = 2;

/// The columns and rows of a screen, and what it can show.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// What it can show.
    pub palette: Palette,
}

impl Canvas {
    /// Whether rows are dear.
    pub(super) fn is_low(self) -> bool {
        self.rows < 18
    }
}

/// `text` in large letters if there is room for them, else as it is.
pub(super) fn heading(text: &str, canvas: Canvas, most: usize) -> Vec<Line> {
    let columns = canvas.columns.saturating_sub(2 * INDENT);
    let large = canvas
        .palette
        .unicode
        .then(|| block(text, Size::Large, columns, most))
        .flatten();
    match large {
        Some(rows) => rows.iter().map(|row| indented(row, Ink::STRONG)).collect(),
        None => paragraph(text, canvas, Ink::STRONG),
    }
}

/// A value as large as it can be drawn, up to `largest`.
pub(super) fn figure(text: &str, largest: Size, canvas: Canvas) -> Vec<Line> {
    let columns = canvas.columns.saturating_sub(2 * INDENT);
    let sizes = [Size::Huge, Size::Large]
        .into_iter()
        .filter(|_| canvas.palette.unicode);
    let roomy = |size: &Size| *size == Size::Large || (largest == Size::Huge && !canvas.is_low());
    let large = sizes
        .filter(roomy)
        .find_map(|size| block(text, size, columns, 1));
    match large {
        Some(rows) => rows.iter().map(|row| indented(row, Ink::STRONG)).collect(),
        None => paragraph(text, canvas, Ink::STRONG),
    }
}

pub(super) fn indented(text: &str, ink: Ink) -> Line {
    line(&format!("{}{text}", " ".repeat(INDENT)), ink)
}

/// `text` filled to the measure, its paragraphs apart.
pub(super) fn paragraph(text: &str, canvas: Canvas, ink: Ink) -> Vec<Line> {
    let measure = canvas.columns.saturating_sub(2 * INDENT).clamp(8, MEASURE);
    let mut rows = Vec::new();
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            rows.push(Line::new());
        }
        let filled = paragraph.replace('\n', " ");
        rows.extend(
            wrapped(&filled, measure, 0)
                .iter()
                .map(|text| indented(text, ink)),
        );
    }
    rows
}

pub(super) fn prompt(typed: &str, canvas: Canvas) -> Vec<Line> {
    let measure = canvas.columns.saturating_sub(2 * INDENT).max(8);
    let lines = wrapped(typed, measure, 2);
    lines
        .iter()
        .map(|text| indented(text, Ink::default()))
        .collect()
}
