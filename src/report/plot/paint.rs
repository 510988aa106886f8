//! Puts shapes on paper: as SVG or as pixels, through plotters.

use std::sync::Once;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, register_font};

use super::palette::{GROUND, Rgb};
use super::shape::{Anchor, Drawing, Point, Shape};
use crate::report::Error;

/// The fonts, registered under this family's name.
pub(super) const FAMILY: &str = "Inter";
pub(super) const REGULAR: &[u8] = include_bytes!("fonts/Inter-Regular.subset.otf");
pub(super) const BOLD: &[u8] = include_bytes!("fonts/Inter-SemiBold.subset.otf");

/// plotters' sizes are a line's height; CSS sizes are those of the letter.
const LINE: f64 = 1.24;
/// SVG units in a CSS pixel: plotters counts in whole units.
const UNITS: f64 = 10.0;
/// Pixels drawn for a CSS pixel, and how many of them make one in the picture:
/// plotters draws hard edges, which are softened by averaging.
const DRAWN: f64 = 4.0;
const AVERAGED: usize = 2;

fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, BOLD)] {
            assert!(
                register_font(FAMILY, style, bytes).is_ok(),
                "the font is a font"
            );
        }
    });
}

fn font(size: f64, bold: bool) -> FontDesc<'static> {
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    FontDesc::new(FontFamily::Name(FAMILY), size * LINE, style)
}

/// How wide `text` is, in CSS pixels.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    fonts();
    let measured = font(1000.0, bold).layout_box(text);
    measured.map_or(0.0, |((left, _), (right, _))| {
        f64::from(right - left) * size / 1000.0
    })
}

/// The elements of an SVG document, without its root: what plotters writes, less
/// what says nothing.
pub(super) fn svg_elements(drawing: &Drawing) -> Result<String, Error> {
    let mut text = String::new();
    let size = (whole(drawing.width * UNITS), whole(drawing.height * UNITS));
    {
        let backend = SVGBackend::with_string(&mut text, size);
        // SVG counts a text's height from its baseline once `dy` is gone.
        paint(drawing, backend, UNITS, 0.0)?;
    }
    let start = text.find('\n').unwrap_or(0);
    let end = text.rfind("</svg>").unwrap_or(text.len());
    Ok(text[start..end]
        .replace(" stroke=\"none\" stroke-width=\"1\"", "")
        .replace(" opacity=\"1\"", "")
        .replace(" dy=\"-0.5ex\"", "")
        .replace(" text-anchor=\"start\"", "")
        .replace(" \"/>", "\"/>")
        .replace("\">\n", "\">")
        .replace("\n</text>", "</text>"))
}

/// The root element's attributes that make the elements fit.
pub(super) fn view_box(drawing: &Drawing) -> String {
    let (width, height) = (drawing.width * UNITS, drawing.height * UNITS);
    format!("viewBox=\"0 0 {width:.0} {height:.0}\"")
}

/// A PNG image, two pixels to a CSS pixel.
pub(super) fn png(drawing: &Drawing) -> Result<Vec<u8>, Error> {
    let (width, height) = (whole(drawing.width * DRAWN), whole(drawing.height * DRAWN));
    let (width, height) = (width - width % 2, height - height % 2);
    let (r, g, b) = GROUND;
    let pixels = width as usize * height as usize;
    let mut drawn: Vec<u8> = [r, g, b].repeat(pixels);
    {
        let backend = BitMapBackend::with_buffer(&mut drawn, (width, height));
        // plotters puts the baseline this much of the line's height below.
        paint(drawing, backend, DRAWN, 0.5 - 0.5 / LINE)?;
    }
    let drawing_failed = |e: png::EncodingError| Error::Draw { why: e.to_string() };
    let (columns, rows) = (width as usize / AVERAGED, height as usize / AVERAGED);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, whole(columns as f64), whole(rows as f64));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // 2 pixels to 1/96 of an inch.
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: 7559,
        yppu: 7559,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(drawing_failed)?;
    writer
        .write_image_data(&averaged(&drawn, columns, rows))
        .map_err(drawing_failed)?;
    writer.finish().map_err(drawing_failed)?;
    Ok(out)
}

/// Each pixel the mean of a square of those drawn.
fn averaged(drawn: &[u8], columns: usize, rows: usize) -> Vec<u8> {
    let stride = columns * AVERAGED * 3;
    let mut out = Vec::with_capacity(columns * rows * 3);
    for pair in drawn.chunks_exact(stride * AVERAGED).take(rows) {
        let (upper, lower) = pair.split_at(stride);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for channel in 0..3 {
                let sum = u16::from(a[channel])
                    + u16::from(a[channel + 3])
                    + u16::from(b[channel])
                    + u16::from(b[channel + 3]);
                out.push(u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX));
            }
        }
    }
    out
}

/// Whole units; sizes are positive and far below the bound.
fn whole(size: f64) -> u32 {
    #[allow(clippy::cast_sign_loss, reason = "clamped above zero")]
    let whole = size.round().clamp(1.0, 65_536.0) as u32;
    whole
}

fn rgba((r, g, b): Rgb, opacity: f64) -> RGBAColor {
    RGBColor(r, g, b).mix(opacity)
}

fn paint<B: DrawingBackend>(
    drawing: &Drawing,
    mut backend: B,
    scale: f64,
    baseline: f64,
) -> Result<(), Error> {
    fonts();
    let at = |(x, y): Point| ((x * scale).round() as i32, (y * scale).round() as i32);
    let stroke = |width: f64| whole(width * scale);
    for shape in &drawing.shapes {
        match shape {
            Shape::Line {
                from,
                to,
                width,
                colour,
                opacity,
            } => {
                let style = rgba(*colour, *opacity).stroke_width(stroke(*width));
                backend.draw_line(at(*from), at(*to), &style)
            }
            Shape::Polygon {
                points,
                width: None,
                colour,
                opacity,
            } => {
                let points: Vec<_> = points.iter().map(|p| at(*p)).collect();
                backend.fill_polygon(points, &rgba(*colour, *opacity))
            }
            Shape::Polygon {
                points,
                width: Some(width),
                colour,
                opacity,
            } => {
                let closed = points.iter().chain(points.first());
                let closed: Vec<_> = closed.map(|p| at(*p)).collect();
                let style = rgba(*colour, *opacity).stroke_width(stroke(*width));
                backend.draw_path(closed, &style)
            }
            Shape::Circle {
                centre,
                radius,
                width,
                colour,
                opacity,
            } => {
                let fill = width.is_none();
                let style = rgba(*colour, *opacity).stroke_width(width.map_or(1, stroke));
                backend.draw_circle(at(*centre), whole(radius * scale), &style, fill)
            }
            Shape::Text {
                at: (x, y),
                text,
                size,
                bold,
                anchor,
                colour,
            } => {
                let h = match anchor {
                    Anchor::Start => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::End => HPos::Right,
                };
                let line = size * LINE;
                let ink = rgba(*colour, 1.0);
                let style = TextStyle::from(font(size * scale, *bold))
                    .color(&ink)
                    .pos(Pos::new(
                        h,
                        if baseline > 0.0 {
                            VPos::Center
                        } else {
                            VPos::Bottom
                        },
                    ));
                backend.draw_text(text, &style, at((*x, y - baseline * line)))
            }
        }
        .map_err(|e| Error::Draw { why: e.to_string() })?;
    }
    backend
        .present()
        .map_err(|e| Error::Draw { why: e.to_string() })
}
