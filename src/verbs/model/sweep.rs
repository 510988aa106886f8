//! A question over a range: a table, and curves with their bands.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde::Serialize;
use vm_model::model::answer::{DRAWS_OF_SWEEP, answer};
use vm_model::model::parameters::Unit;
use vm_model::model::question::Kind;

use super::amounts::{number, size};
use super::ask::{Scene, Topic, of_kind, questions};
use super::given::Found;
use super::show::{amount, interval};
use crate::observation::Subject;
use crate::report::Target;
use crate::report::plot::{Curve, CurvePoint, Curves};
use crate::verbs::table::table;
use crate::{hint, stderr, stdout};

/// The most points of a curve, and of the table that is printed.
const POINTS: u32 = 41;
const ROWS: usize = 11;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Guests,
    Memory,
    Image,
    Archive,
    Processor,
    Arrivals,
}

const VARIABLES: [(&str, Variable, Unit); 6] = [
    ("guests", Variable::Guests, Unit::One),
    ("memory", Variable::Memory, Unit::Bytes),
    ("image", Variable::Image, Unit::Bytes),
    ("archive", Variable::Archive, Unit::Bytes),
    ("processor", Variable::Processor, Unit::One),
    ("arrivals", Variable::Arrivals, Unit::PerSecond),
];

/// A topic over a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sweep {
    topic: Topic,
    name: &'static str,
    variable: Variable,
    unit: Unit,
    from: f64,
    to: f64,
}

/// A curve as JSON.
#[derive(Serialize)]
struct Told {
    what: String,
    kind: Kind,
    evidence: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    emulated_by: Vec<String>,
    across: &'static str,
    unit: Unit,
    points: Vec<Point>,
}

#[derive(Clone, Copy, Serialize)]
struct Point {
    at: f64,
    value: f64,
    low: f64,
    high: f64,
}

impl Sweep {
    /// Reads `guests=1..200`.
    ///
    /// # Errors
    /// What is wrong with it, with an example.
    pub(super) fn parse(text: &str, topic: Topic) -> Result<Self> {
        let wrong = |why: String| {
            hint::usage(
                format!("cannot sweep `{text}`: {why}"),
                "write such as guests=1..200, memory=128M..2G or arrivals=0.1..2",
            )
        };
        let (name, range) = text
            .split_once('=')
            .ok_or_else(|| wrong("there is no `=` in it".to_owned()))?;
        let (from, to) = range
            .split_once("..")
            .ok_or_else(|| wrong("there is no `..` in it".to_owned()))?;
        let Some((name, variable, unit)) = VARIABLES.into_iter().find(|(known, ..)| *known == name)
        else {
            let names: Vec<&str> = VARIABLES.iter().map(|(name, ..)| *name).collect();
            return Err(wrong(format!("there are {}", names.join(", "))));
        };
        let read = |text: &str| match unit {
            Unit::Bytes => size(text).map_err(&wrong),
            _ => number(text).map_err(&wrong),
        };
        let (from, to) = (read(from)?, read(to)?);
        if from >= to || (variable == Variable::Guests && (from < 1.0 || to > 1e6)) {
            return Err(wrong(
                "it has to go from less to more, and guests from 1 to a million".to_owned(),
            ));
        }
        if variable == Variable::Memory && from == 0.0 {
            return Err(wrong("no guest is without memory".to_owned()));
        }
        Ok(Self {
            topic,
            name,
            variable,
            unit,
            from,
            to,
        })
    }

    /// The option in whose place it stands.
    pub(super) fn option(&self) -> &'static str {
        self.name
    }

    /// The scene at its first point.
    pub(super) fn first(&self, scene: Scene) -> Scene {
        self.at(scene, self.from)
    }

    /// The points at which it is asked; guests are whole.
    fn points(&self) -> Vec<f64> {
        let step = (self.to - self.from) / f64::from(POINTS - 1);
        let all = (0..POINTS).map(|number| self.from + step * f64::from(number));
        let mut points: Vec<f64> = match self.variable {
            Variable::Guests => all.map(f64::round).collect(),
            _ => all.collect(),
        };
        points.dedup();
        points
    }

    fn at(&self, mut scene: Scene, value: f64) -> Scene {
        match self.variable {
            Variable::Guests => {
                // Checked to lie between 1 and a million.
                #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
                let count = value.round() as u32;
                scene.count = count;
                scene.counted = Some(count);
            }
            Variable::Memory => scene.each.memory = value,
            Variable::Image => scene.image = value,
            Variable::Archive => scene.each.archive = value,
            Variable::Processor => scene.processor = value,
            Variable::Arrivals => scene.arrivals = Some(value),
        }
        scene
    }

    /// Asks, and shows the table and the curves.
    ///
    /// # Errors
    /// If a parameter is missing, or the picture cannot be written.
    pub(super) fn run(
        &self,
        kinds: &[Kind],
        scene: &Scene,
        found: &Found,
        output: Option<&Path>,
        json: bool,
    ) -> Result<ExitCode> {
        let target = output.map(Target::at);
        if let Some(target) = &target {
            if !matches!(target.extension().as_str(), "svg" | "png") {
                return Err(hint::with(
                    format!("cannot draw into {}", target.path().display()),
                    "name a file that ends in .svg or .png",
                ));
            }
            target.check()?;
        }
        let mut told = Vec::new();
        for kind in kinds {
            told.extend(self.curves(*kind, scene, found)?);
        }
        if let Some(target) = &target {
            target.replace(&self.picture(&told, found, &target.extension())?)?;
            stderr::tell(format!("drawn into {}", target.path().display()));
        }
        if json {
            let text = serde_json::to_string_pretty(&told)?;
            stdout::print(format!("{text}\n"))?;
        } else {
            stdout::print(self.text(&told, found))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn curves(&self, kind: Kind, scene: &Scene, found: &Found) -> Result<Vec<Told>> {
        let mut told: Vec<Told> = Vec::new();
        for at in self.points() {
            let scene = of_kind(self.at(*scene, at), kind)?;
            for (place, question) in questions(self.topic, &scene, &found.parameters)
                .iter()
                .enumerate()
            {
                let answer = answer(question.as_ref(), &found.parameters, DRAWS_OF_SWEEP)?;
                if told.len() <= place {
                    told.push(Told {
                        what: answer.what,
                        kind,
                        evidence: "modelled",
                        emulated_by: answer.emulated_by,
                        across: self.name,
                        unit: answer.unit,
                        points: Vec::new(),
                    });
                }
                told[place].points.push(Point {
                    at,
                    value: answer.value,
                    low: answer.low,
                    high: answer.high,
                });
            }
        }
        Ok(told)
    }

    fn text(&self, told: &[Told], found: &Found) -> String {
        let mut text = String::new();
        for curve in told {
            let every = curve.points.len().div_ceil(ROWS).max(1);
            let last = curve.points.len().saturating_sub(1);
            let rows: Vec<Vec<String>> = curve
                .points
                .iter()
                .enumerate()
                .filter(|(place, _)| place % every == 0 || *place == last)
                .map(|(_, point)| {
                    vec![
                        amount(point.at, self.unit),
                        amount(point.value, curve.unit),
                        interval(point.low, point.high, curve.unit),
                    ]
                })
                .collect();
            text.push_str(&format!(
                "{}{}\n",
                self.heading(curve),
                said(&curve.emulated_by)
            ));
            text.push_str(&table(
                &[self.name, "modelled", "90 % interval"],
                &rows,
                Some(0),
            ));
            text.push('\n');
        }
        text.push_str(&format!("Parameters: {}\n", found.from));
        for warning in &found.warnings {
            text.push_str(&format!("Warning: {warning}\n"));
        }
        text
    }

    /// What a curve is, without the number that it begins with.
    fn heading(&self, curve: &Told) -> String {
        let what = curve.what.as_str();
        match self.variable {
            Variable::Guests => {
                let many = curve.kind.counted(2).replace("2 ", "");
                let one = curve.kind.counted(1);
                let first = curve.kind.counted(self.count());
                what.replace(&first, &many).replace(&one, &many)
            }
            _ => what.to_owned(),
        }
    }

    fn count(&self) -> u32 {
        // Checked when it was read.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        let count = self.from.round() as u32;
        count
    }

    fn picture(&self, told: &[Told], found: &Found, extension: &str) -> Result<Vec<u8>> {
        let first = told
            .first()
            .ok_or_else(|| anyhow!("there is nothing to draw"))?;
        let unit = first.unit;
        let curves = told
            .iter()
            .map(|curve| Curve {
                subject: match curve.kind {
                    Kind::Vm => Subject::Vm,
                    Kind::Container => Subject::Container,
                    Kind::Process => Subject::Process,
                },
                name: self.heading(curve),
                points: curve
                    .points
                    .iter()
                    .map(|point| CurvePoint {
                        x: point.at,
                        y: point.value,
                        low: point.low,
                        high: point.high,
                    })
                    .collect(),
            })
            .collect();
        let mut emulated: Vec<String> = told
            .iter()
            .flat_map(|curve| curve.emulated_by.clone())
            .collect();
        emulated.sort();
        emulated.dedup();
        let picture = Curves {
            title: format!("{} by {}", title(self.topic), self.name),
            across: self.name.to_owned(),
            notes: format!(
                "Modelled{}. Bands hold 90 of 100 cases. Parameters: {}.",
                said(&emulated),
                found.from
            ),
            curves,
        };
        let (x, y) = (
            |value| amount(value, self.unit),
            |value| amount(value, unit),
        );
        Ok(match extension {
            "png" => picture.png(&x, &y)?,
            _ => picture.svg(&x, &y)?.into_bytes(),
        })
    }
}

fn title(topic: Topic) -> &'static str {
    match topic {
        Topic::Startup => "Start-up",
        Topic::Memory => "Memory",
        Topic::Disk => "Disk",
        Topic::Density => "How many fit",
        Topic::Storm => "Many at once",
        Topic::Money => "Money",
    }
}

fn said(emulated_by: &[String]) -> String {
    match emulated_by {
        [] => String::new(),
        by => format!(", from samples that were emulated by {}", by.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_strictly() {
        let sweep = Sweep::parse("guests=1..200", Topic::Memory).unwrap();
        let points = sweep.points();
        assert_eq!((points[0], points[points.len() - 1]), (1.0, 200.0));
        assert!(points.iter().all(|point| point.fract() == 0.0));
        assert_eq!(
            Sweep::parse("guests=1..3", Topic::Memory).unwrap().points(),
            [1.0, 2.0, 3.0]
        );
        let memory = Sweep::parse("memory=128M..1G", Topic::Density).unwrap();
        assert_eq!(memory.from, 134_217_728.0);
        for wrong in [
            "guests",
            "guests=1",
            "guests=5..1",
            "guests=0..4",
            "cats=1..2",
            "memory=1..2",
            "memory=0..1G",
        ] {
            let error = Sweep::parse(wrong, Topic::Memory).unwrap_err();
            assert!(
                hint::of(&error).unwrap().contains("guests=1..200"),
                "{wrong}"
            );
        }
    }
}
