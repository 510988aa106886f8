//! Pictures of a report: points with their intervals on a logarithmic axis,
//! over the raw samples. No bars: a bar's length means nothing on that axis.
//!
//! What was measured is filled, what was emulated is hollow, and what a model
//! says is a hatched range.

mod agreement;
mod axis;
mod curves;
mod figure;
mod paint;
mod palette;
mod panel;
mod shape;
mod sheet;
mod strip;

pub use agreement::{Agreement, AgreementPoint, agreement_png, agreement_svg};
pub use curves::{Curve, CurvePoint, Curves};
pub use figure::{Figure, FigureId, Group, WIDTH, figure, figure_at, font_faces};
pub(in crate::report) use figure::{draw_figure, of_figure};
pub use strip::{MarkKind, Strip, StripMark, StripRow, strips_png, strips_svg};

use super::{Error, Report};

/// All figures of `report` in one SVG document, with its title, legend and
/// caption. It carries its fonts.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn svg(report: &Report) -> Result<String, Error> {
    let drawing = sheet::draw(report);
    let elements = paint::svg_elements(&drawing)?;
    let (width, height) = (drawing.width, drawing.height);
    let alt = figure::alt_of_all(report);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" {} \
         role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n\
         <desc id=\"desc\">{}</desc>\n<style>{}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#FFFFFE\"/>{elements}</svg>\n",
        paint::view_box(&drawing),
        sheet::TITLE,
        super::text::escaped(&alt),
        font_faces(),
    ))
}

/// The same as a PNG image, two pixels to a CSS pixel.
///
/// # Errors
/// As [`svg`].
pub fn png(report: &Report) -> Result<Vec<u8>, Error> {
    paint::png(&sheet::draw(report))
}
