//! Colours and marks. Colours are those of Okabe and Ito (*Color Universal
//! Design*, 2008), which stay apart for every common kind of colour blindness;
//! shapes stay apart in print.

use super::shape::{Point, Shape};
use crate::observation::Subject;

/// Red, green and blue.
pub(super) type Rgb = (u8, u8, u8);

/// Text. The page replaces these colours in its dark theme, by their value.
pub(super) const INK: Rgb = (0x1B, 0x1F, 0x24);
/// Secondary text.
pub(super) const MUTED: Rgb = (0x59, 0x63, 0x6E);
/// Axes and ticks.
pub(super) const AXIS: Rgb = (0xA3, 0xAC, 0xB6);
/// Grid lines.
pub(super) const GRID: Rgb = (0xE4, 0xE8, 0xEC);
/// The ground, and the inside of hollow marks.
pub(super) const GROUND: Rgb = (0xFF, 0xFF, 0xFE);

/// The colour of a subject's marks.
pub(super) fn colour(subject: Subject) -> Rgb {
    match subject {
        Subject::Process => (0x3D, 0x44, 0x4D),
        Subject::Venv => (0x00, 0x9E, 0x73),
        Subject::Container => (0x00, 0x72, 0xB2),
        Subject::Vm => (0xD5, 0x5E, 0x00),
    }
}

/// The shape of a subject's mark around `at`: filled if it was measured, else
/// hollow.
pub(super) fn mark(subject: Subject, at: Point, radius: f64, measured: bool) -> Vec<Shape> {
    let colour = colour(subject);
    let outline = |radius: f64, width: Option<f64>, colour: Rgb| match corners(subject) {
        [] => Shape::Circle {
            centre: at,
            radius,
            width,
            colour,
            opacity: 1.0,
        },
        corners => Shape::Polygon {
            points: corners
                .iter()
                .map(|(x, y)| (at.0 + radius * x, at.1 + radius * y))
                .collect(),
            width,
            colour,
            opacity: 1.0,
        },
    };
    if measured {
        // A thin ring of ground keeps marks apart that overlap.
        vec![
            outline(radius + 1.5, None, GROUND),
            outline(radius, None, colour),
        ]
    } else {
        vec![
            outline(radius + 2.0, None, GROUND),
            outline(radius, Some(1.8), colour),
        ]
    }
}

/// The corners on about the unit circle, with equal areas; none for a circle.
fn corners(subject: Subject) -> &'static [Point] {
    match subject {
        Subject::Process => &[],
        Subject::Venv => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        Subject::Container => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Subject::Vm => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
    }
}
