//! The cost model held to account: what no calibration has seen is predicted, then
//! run, and the two are set beside each other.
//!
//! The order is the point. The calibration's bytes are hashed first; the predictions
//! are computed from them and written down, with that hash; only then does anything
//! run. What was predicted is never computed again.

mod measure;
pub mod merging;
mod predict;
mod score;

use std::fs;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;
use vm_model::model::parameters::{Calibration, Machine, Unit};

use crate::calibration::bench::Bench;
use crate::calibration::{self, Images, Split, Stored};
use crate::compare::Progress;
use crate::interrupt::Interrupt;
use crate::report::Target;
use crate::scratch::Scratch;
use crate::{hint, places};

pub use measure::Measured;
pub use score::{Goodness, Score, Target as Goal, scores};

/// The schema of what is written.
pub const SCHEMA: &str = "isolab.validation/2";

/// A quantity that is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// The memory of guests, one or several.
    Memory,
    /// The start of a single guest.
    Startup,
    /// Several at once, until the last is ready.
    AtOnce,
    /// A guest that goes on from a saved state.
    Restore,
    /// Images and their clones.
    Disk,
    /// The published memory of guests, which nobody measured here.
    Published,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Memory,
        Self::Startup,
        Self::AtOnce,
        Self::Restore,
        Self::Disk,
        Self::Published,
    ];

    /// A heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Memory => "memory of guests",
            Self::Startup => "a single start",
            Self::AtOnce => "several at once",
            Self::Restore => "a restore",
            Self::Disk => "disk",
            Self::Published => "memory, published",
        }
    }
}

/// A prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The configuration, as `split.toml` calls it.
    pub name: String,
    /// What of it.
    pub quantity: Quantity,
    /// What of that, where there are several.
    pub what: String,
    /// The unit of its numbers.
    pub unit: Unit,
    /// What is expected.
    pub value: f64,
    /// In 5 of 100 cases it is less.
    pub low: f64,
    /// In 5 of 100 cases it is more.
    pub high: f64,
    /// What was measured beforehand to ask at all: a workload as a bare process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Whether the model has no term for it: it is shown then, and not scored.
    pub beyond: bool,
}

/// All predictions, before anything ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Predicted {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// When they were written, in UTC, by RFC 3339.
    pub made: String,
    /// The calibration's file, by its bytes.
    pub calibration_sha256: String,
    /// When that was made.
    pub calibration_created: String,
    /// Why that should have been refused, where it was forced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration_forced: Option<String>,
    /// The split, by its bytes.
    pub split_sha256: String,
    /// The predictions.
    pub predictions: Vec<Prediction>,
}

/// A prediction with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What was predicted.
    pub prediction: Prediction,
    /// How many measurements it was to be compared with.
    pub planned: u32,
    /// What was measured, or published; nothing where it could not be. Times are by the clock on
    /// the wall.
    pub measured: Vec<f64>,
    /// Times less what others took of the processors: what a prediction is compared with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undisturbed: Vec<f64>,
    /// The emulator, where one ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emulated_by: Option<String>,
    /// Why fewer were measured than were planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl Outcome {
    /// What the prediction is compared with: what was measured, and of times what is left of them
    /// without others' share.
    #[must_use]
    pub fn compared(&self) -> &[f64] {
        match self.undisturbed.is_empty() {
            true => &self.measured,
            false => &self.undisturbed,
        }
    }
}

/// A validation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// What was predicted, before anything ran.
    pub predicted: Predicted,
    /// The predictions' file, by its bytes.
    pub predicted_sha256: String,
    /// The load average of one minute before and after.
    pub load: [f64; 2],
    /// For which part of ten seconds something waited for a processor, in percent, before and
    /// after; where the kernel says.
    pub pressure: [Option<f64>; 2],
    /// How many guests hung and were started again.
    pub hangs: u32,
    /// Whether it was bounded to a few configurations.
    pub quick: bool,
    /// What came of the predictions.
    pub outcomes: Vec<Outcome>,
    /// How good each quantity's were.
    pub scores: Vec<Score>,
}

/// Refuses a calibration that says nothing of guests here: of another split or of before something
/// of the machine changed. What executes its guests is compared where that is known.
///
/// # Errors
/// What is different.
pub fn holds(calibration: &Calibration, accelerator: Option<String>) -> Result<()> {
    let here = Machine {
        accelerator,
        ..calibration::machine()
    };
    let split = Split::sha256();
    let other = calibration
        .split_sha256
        .as_ref()
        .filter(|own| **own != split);
    let other = other.map(|_| "it was made by another split of the configurations, and may have seen what it is to predict".to_owned());
    match other.or_else(|| calibration.aged(&here).into_iter().next()) {
        None => Ok(()),
        Some(why) => Err(hint::with(
            format!("the calibration does not hold any more: {why}"),
            "`isolab model calibrate` makes a new one in half a minute",
        )),
    }
}

/// Predicts what `stored` has not seen, writes that down, runs it, and compares.
///
/// `tell` is told what was frozen, before anything runs.
///
/// # Errors
/// If there are no guests here, the calibration is not of such as there are, something cannot be
/// written, or the user interrupts.
pub fn run(
    stored: &Stored,
    quick: bool,
    interrupt: &Interrupt,
    progress: &dyn Progress,
    tell: &dyn Fn(&str),
) -> Result<Validation> {
    let scratch = Scratch::new()?;
    let split = chosen(Split::ours()?, quick);
    let bench = Bench::find(scratch.path(), interrupt)?;
    holds(&stored.calibration, Some(bench.accelerator()))?;
    let images = Images::find(scratch.path());
    progress.show(0.0, "predicting");
    let plan = predict::plan(&split, &bench, stored, scratch.path(), interrupt)?;
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let predicted = Predicted {
        schema: SCHEMA,
        made: created.clone(),
        calibration_sha256: stored.sha256.clone(),
        calibration_created: stored.calibration.created.clone(),
        calibration_forced: stored.calibration.was.forced.clone(),
        split_sha256: Split::sha256(),
        predictions: plan.predictions(),
    };
    let dir = places::make_data()?.join("model");
    places::make_private(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let name: String = created
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let path = dir.join(format!("predicted-{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(&predicted)?);
    Target::at(&path).replace(text.as_bytes())?;
    let predicted_sha256 = calibration::sha256(text.as_bytes());
    tell(&format!(
        "frozen: the calibration {} (SHA-256)",
        stored.sha256
    ));
    tell(&format!(
        "frozen: {} predictions in {} ({predicted_sha256})",
        predicted.predictions.len(),
        path.display()
    ));
    let before = calibration::busy();
    let outcomes = measure::all(
        &plan,
        &bench,
        &images.as_ref().map_err(|e| format!("{e:#}")),
        scratch.path(),
        interrupt,
        progress,
    )?;
    let after = calibration::busy();
    let validation = Validation {
        schema: SCHEMA,
        predicted,
        predicted_sha256,
        load: [before.load, after.load],
        pressure: [before.pressure, after.pressure],
        hangs: bench.hangs(),
        quick,
        scores: scores(&outcomes),
        outcomes,
    };
    let path = dir.join(format!("validation-{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(&validation)?);
    Target::at(&path).replace(text.as_bytes())?;
    forget_old(&dir);
    Ok(validation)
}

/// How many validations are kept.
const KEPT: usize = 20;

/// Lets the oldest go: each is two files.
fn forget_old(dir: &std::path::Path) {
    for beginning in ["predicted-", "validation-"] {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with(beginning))
            })
            .collect();
        files.sort();
        for old in files.iter().take(files.len().saturating_sub(KEPT)) {
            let _ = fs::remove_file(old);
        }
    }
}

/// The part of the split that a quick validation runs.
fn chosen(mut split: Split, quick: bool) -> Split {
    if quick {
        split.guests.retain(|one| one.quick);
        split.at_once.retain(|one| one.quick);
        split.restored.retain(|one| one.quick);
        split.disks.retain(|one| one.quick);
        split.merged.clear();
        for one in &mut split.guests {
            one.repeats = one.repeats.min(2);
        }
        for one in &mut split.at_once {
            one.repeats = 1;
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use vm_model::model::parameters::Was;

    use super::*;

    #[test]
    fn a_calibration_of_another_split_or_accelerator_does_not_hold() {
        let made = |split: Option<String>| Calibration {
            schema: String::new(),
            created: String::new(),
            isolab: String::new(),
            split_sha256: split,
            machine: Machine {
                accelerator: Some("QEMU TCG 7.2".to_owned()),
                ..calibration::machine()
            },
            was: Was {
                load_before: 0.0,
                load_after: 0.0,
                pressure_before: None,
                forced: None,
                hangs: 0,
                took: 0.0,
            },
            parameters: Vec::new(),
            missing: Vec::new(),
        };
        let ours = made(Some(Split::sha256()));
        let emulated = || Some("QEMU TCG 7.2".to_owned());
        assert!(holds(&ours, emulated()).is_ok());
        assert!(holds(&ours, None).is_ok(), "who only looks does not know");
        assert!(
            holds(&made(None), None).is_ok(),
            "files of before do not say"
        );
        let refused = |made, accelerator, part: &str| {
            let error = holds(made, accelerator).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert!(hint::of(&error).unwrap().contains("calibrate"));
        };
        refused(
            &ours,
            Some("KVM".to_owned()),
            "accelerator was QEMU TCG 7.2",
        );
        let other = made(Some(calibration::sha256(b"another")));
        refused(&other, emulated(), "another split");
    }

    #[test]
    fn a_quick_one_is_a_part_of_the_whole() {
        let whole = Split::ours().unwrap();
        let quick = chosen(whole.clone(), true);
        assert!(!quick.guests.is_empty() && quick.guests.len() < whole.guests.len());
        assert!(!quick.at_once.is_empty() && !quick.disks.is_empty());
        assert_eq!(chosen(whole.clone(), false), whole);
    }
}
