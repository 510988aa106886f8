//! Curves with their bands: what a model says over a range, for one or several
//! kinds of thing.

use super::palette::{AXIS, GRID, INK, MUTED, Rgb, colour};
use super::shape::{Anchor, Drawing, Point, Shape};
use super::{font_faces, paint};
use crate::observation::Subject;
use crate::report::Error;
use crate::report::text::{escaped, shown};

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is of.
    pub subject: Subject,
    /// Its name.
    pub name: String,
    /// Its points, from the left to the right.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Where.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Curves on common axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// What they show.
    pub title: String,
    /// What stands below the horizontal axis.
    pub across: String,
    /// Below all: what the bands are, and what kind of evidence.
    pub notes: String,
    /// The curves.
    pub curves: Vec<Curve>,
}

const MARGIN: f64 = 32.0;
const WIDTH: f64 = 860.0;
const LEFT: f64 = 96.0;
const HEIGHT: f64 = 380.0;
/// Characters of a line of notes.
const LINE: usize = 120;

impl Curves {
    /// As an SVG document with its fonts; `x` and `y` label the axes' ticks.
    ///
    /// # Errors
    /// [`Error::Draw`] if the drawing library refuses.
    pub fn svg(
        &self,
        x: &dyn Fn(f64) -> String,
        y: &dyn Fn(f64) -> String,
    ) -> Result<String, Error> {
        document(&self.draw(x, y), &self.title, &self.notes)
    }

    /// The same as a PNG image.
    ///
    /// # Errors
    /// As there.
    pub fn png(
        &self,
        x: &dyn Fn(f64) -> String,
        y: &dyn Fn(f64) -> String,
    ) -> Result<Vec<u8>, Error> {
        paint::png(&self.draw(x, y))
    }

    fn draw(&self, label_x: &dyn Fn(f64) -> String, label_y: &dyn Fn(f64) -> String) -> Drawing {
        let title = Shape::text((MARGIN, MARGIN + 18.0), shown(&self.title), 22.0, INK);
        let mut sheet = Drawing {
            width: WIDTH,
            height: 0.0,
            shapes: vec![title.bold()],
        };
        let top = legend(&mut sheet, &self.curves, MARGIN + 48.0) + 10.0;
        let foot = top + HEIGHT;
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let finite = |values: Vec<f64>| {
            let finite = values.into_iter().filter(|value| value.is_finite());
            finite.fold(None, |ends: Option<(f64, f64)>, value| {
                let (low, high) = ends.unwrap_or((value, value));
                Some((low.min(value), high.max(value)))
            })
        };
        let across = finite(points().map(|point| point.x).collect());
        let up = finite(
            points()
                .flat_map(|point| [0.0, point.y, point.high])
                .collect(),
        );
        if let (Some((from, to)), Some((_, most))) = (across, up) {
            let span = |from: f64, to: f64| if to > from { to - from } else { 1.0 };
            let most = if most > 0.0 { most * 1.04 } else { 1.0 };
            let x = |value: f64| LEFT + (value - from) / span(from, to) * (WIDTH - LEFT - MARGIN);
            let y = |value: f64| foot - value.clamp(0.0, most) / most * HEIGHT;
            for tick in ticks(0.0, most) {
                sheet.shapes.push(Shape::line(
                    (LEFT, y(tick)),
                    (WIDTH - MARGIN, y(tick)),
                    1.0,
                    GRID,
                ));
                let text = Shape::text((LEFT - 10.0, y(tick) + 4.0), label_y(tick), 11.0, MUTED);
                sheet.shapes.push(text.anchored(Anchor::End));
            }
            for tick in ticks(from, to) {
                sheet.shapes.push(Shape::line(
                    (x(tick), foot),
                    (x(tick), foot + 5.0),
                    1.0,
                    AXIS,
                ));
                let text = Shape::text((x(tick), foot + 20.0), label_x(tick), 11.0, MUTED);
                sheet.shapes.push(text.anchored(Anchor::Middle));
            }
            for curve in &self.curves {
                sheet
                    .shapes
                    .extend(drawn(curve, &|value| (x(value.0), y(value.1))));
            }
        }
        sheet
            .shapes
            .push(Shape::line((LEFT, foot), (WIDTH - MARGIN, foot), 1.0, AXIS));
        let across = Shape::text(
            ((LEFT + WIDTH - MARGIN) / 2.0, foot + 42.0),
            shown(&self.across),
            13.0,
            INK,
        );
        sheet.shapes.push(across.anchored(Anchor::Middle));
        let end = notes(&mut sheet, &self.notes, foot + 54.0);
        sheet.height = end + MARGIN / 2.0;
        sheet
    }
}

/// A band and the line in it. Where a point has no end, the curve leaves the picture.
fn drawn(curve: &Curve, at: &dyn Fn(Point) -> Point) -> Vec<Shape> {
    let ink = colour(curve.subject);
    let finite = |point: &&CurvePoint| point.y.is_finite();
    let points: Vec<&CurvePoint> = curve.points.iter().filter(finite).collect();
    let upper = points.iter().map(|point| at((point.x, point.high)));
    let lower = points.iter().rev().map(|point| at((point.x, point.low)));
    let mut shapes = Vec::new();
    if points.len() > 1 {
        shapes.push(Shape::Polygon {
            points: upper.chain(lower).collect(),
            width: None,
            colour: ink,
            opacity: 0.16,
        });
    }
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|point| at((point.x, point.y)));
        shapes.push(Shape::line(from, to, 2.2, ink));
    }
    shapes
}

fn legend(sheet: &mut Drawing, curves: &[Curve], y: f64) -> f64 {
    let mut x = LEFT;
    for curve in curves {
        let ink: Rgb = colour(curve.subject);
        sheet
            .shapes
            .push(Shape::line((x, y - 4.5), (x + 22.0, y - 4.5), 2.2, ink));
        let name = shown(&curve.name);
        sheet
            .shapes
            .push(Shape::text((x + 30.0, y), name.clone(), 13.0, INK));
        x += 30.0 + paint::width(&name, 13.0, false) + 26.0;
    }
    y
}

/// Lines of notes from `y` on; returns where they end.
pub(super) fn notes(sheet: &mut Drawing, text: &str, y: f64) -> f64 {
    let mut lines = vec![String::new()];
    for word in shown(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let mut at = y;
    for line in lines {
        at += 17.0;
        sheet
            .shapes
            .push(Shape::text((MARGIN, at), line, 12.0, MUTED));
    }
    at
}

/// An SVG document of a drawing.
pub(super) fn document(drawing: &Drawing, title: &str, about: &str) -> Result<String, Error> {
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" {} role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n\
         <style>{}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFE\"/>{}</svg>\n",
        drawing.width,
        drawing.height,
        paint::view_box(drawing),
        escaped(title),
        escaped(about),
        font_faces(),
        paint::svg_elements(drawing)?,
    ))
}

/// Five to ten round numbers from `from` to `to`.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 {
        return vec![from];
    }
    let rough = span / 6.0;
    let decade = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
    let step = steps
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(decade * 10.0);
    let first = (from / step).ceil();
    (0..=10)
        .map(|number| (first + f64::from(number)) * step)
        .filter(|tick| *tick <= to + step * 1e-9)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(points: Vec<CurvePoint>) -> Curves {
        Curves {
            title: "Memory of <guests>".to_owned(),
            across: "guests".to_owned(),
            notes: "modelled".to_owned(),
            curves: vec![Curve {
                subject: Subject::Vm,
                name: "vm".to_owned(),
                points,
            }],
        }
    }

    fn point(x: f64, y: f64) -> CurvePoint {
        CurvePoint {
            x,
            y,
            low: y * 0.9,
            high: y * 1.1,
        }
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(0.0, 60.0), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(ticks(1.0, 200.0), [50.0, 100.0, 150.0, 200.0]);
        assert_eq!(ticks(3.0, 3.0), [3.0]);
    }

    #[test]
    fn a_curve_is_a_document_whatever_its_points() {
        let label = |value: f64| value.to_string();
        for points in [
            vec![],
            vec![point(1.0, 1.0)],
            vec![point(1.0, 1.0), point(2.0, f64::INFINITY), point(3.0, 2.0)],
        ] {
            let svg = curves(points).svg(&label, &label).unwrap();
            roxmltree::Document::parse(&svg).unwrap();
            assert!(svg.contains("&lt;guests&gt;"));
        }
        let png = curves(vec![point(1.0, 1.0), point(2.0, 2.0)]).png(&label, &label);
        assert!(png.unwrap().starts_with(b"\x89PNG"));
    }
}
