//! The host's disk for many.

use super::Kind;
use crate::error::Result;
use crate::model::answer::{Outcome, Question, Values};
use crate::model::footprint::{Disk as Shape, copies, overlays};
use crate::model::parameters::Unit;
use crate::model::units::Bytes;

/// What `count` of them take of the host's disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disk {
    /// What they are.
    pub kind: Kind,
    /// How many.
    pub count: u32,
    /// The bytes that are in the image.
    pub image: f64,
    /// What each writes, in bytes.
    pub growth: f64,
    /// Whether they share the image, each writing beside it, or have a full copy each.
    pub sharing: bool,
}

impl Question for Disk {
    fn what(&self) -> String {
        let how = match (self.kind, self.sharing) {
            (Kind::Vm, true) => "one image and an overlay each",
            (Kind::Container, true) => "one image's layers and a layer each",
            (Kind::Process, true) => "the same files",
            (_, false) => "a full copy each",
        };
        format!("the disk of {}, {how}", self.kind.counted(self.count))
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        let shape = self.shape(values)?;
        let growth = shape.growth.0 * f64::from(self.count);
        let (whole, terms) = match self.sharing {
            true => {
                let whole = overlays(&shape, self.count).0;
                let image = if self.count == 0 { 0.0 } else { shape.image.0 };
                (
                    whole,
                    vec![
                        ("the image, once", image),
                        ("overlays, empty", whole - image - growth),
                        ("what they write", growth),
                    ],
                )
            }
            false => {
                let whole = copies(&shape, self.count).0;
                (
                    whole,
                    vec![
                        ("the image, for each", whole - growth),
                        ("what they write", growth),
                    ],
                )
            }
        };
        Ok(Outcome {
            value: whole,
            ..Outcome::sum(terms)
        })
    }
}

impl Disk {
    /// What lies on the disk, as the equations have it.
    pub(super) fn shape(&self, values: &Values<'_>) -> Result<Shape> {
        let is_guest = self.kind == Kind::Vm;
        let of_guests = |name, otherwise| match (is_guest, otherwise) {
            (false, _) => Ok(0.0),
            (true, None) => values.get(name),
            (true, Some(otherwise)) => Ok(values.or(name, otherwise)),
        };
        let overlay = match self.sharing {
            true => of_guests("vm.disk.overlay", None)?,
            false => 0.0,
        };
        let table = match self.sharing && self.growth > 0.0 {
            true => of_guests("vm.disk.table", Some(0.0))?,
            false => 0.0,
        };
        Ok(Shape {
            image: Bytes(self.image + of_guests("vm.disk.metadata", Some(0.0))?),
            overlay: Bytes(overlay),
            growth: Bytes(self.growth + table),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    #[test]
    fn three_guests_of_a_700_mb_image() {
        let of = |kind, sharing| {
            let question = Disk {
                kind,
                count: 3,
                image: 700e6,
                growth: 10e6,
                sharing,
            };
            let own = [
                ("vm.disk.overlay", 2e5),
                ("vm.disk.metadata", 1e6),
                ("vm.disk.table", 1e4),
            ];
            answer(&question, &exact(&own), 1).unwrap().value
        };
        assert_eq!(of(Kind::Vm, false), 2_133e6);
        assert_eq!(of(Kind::Vm, true), 731.63e6);
        assert_eq!(of(Kind::Container, true), 730e6);
        assert_eq!(of(Kind::Container, false), 2_130e6);
    }
}
