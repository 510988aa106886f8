//! What this machine's guests, containers and processes cost, found out in half a
//! minute: the parameters of the cost model, with provenance.
//!
//! It boots only what `vm-model/data/split.toml` says that it may. What cannot be
//! had here is named with its reason, and the rest is there all the same. The time
//! is bounded: what every parameter needs comes first, and repeats that make the
//! intervals narrower follow as long as there is time.

pub mod bench;
mod busy;
mod disk;
mod fitted;
mod here;
mod look;
mod pages;
mod restores;
mod samples;
mod simple;
mod speeds;
mod split;
mod store;

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use vm_model::model::parameters::{Calibration, Missing, Parameter, SCHEMA, Was};

use crate::compare::Progress;
use crate::interrupt::Interrupt;
use crate::scratch::Scratch;

pub use busy::{Busy, now as busy};
pub use disk::{Clones, Images};
pub use here::machine;
pub use look::{Held, Used, held};
pub use pages::Equal;
pub use restores::{Restores, restored};
pub use samples::{Boot, Together};
pub use simple::{Alone, Simple, alone};
pub use speeds::Speed;
pub use split::{AtOnce, Clones as ClonesOf, Disks, Guests, Merged, Split};
pub(crate) use store::sha256;
pub use store::{Stored, load, newest, path, save};

/// How long a calibration may take, all in all.
pub const BOUND: Duration = Duration::from_secs(27);

/// What a calibration is asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Whether to go on where the machine is busy.
    pub force: bool,
}

/// Calibrates.
///
/// # Errors
/// If the machine is busy and nobody forces it, or the user interrupts; what only
/// some parameters need is no error but stands in [`Calibration::missing`].
pub fn run(asked: Asked, interrupt: &Interrupt, progress: &dyn Progress) -> Result<Calibration> {
    let begun = Instant::now();
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let before = busy::now();
    let forced = before.refusal();
    if let (Some(why), false) = (&forced, asked.force) {
        return Err(busy::refused(why));
    }
    let scratch = Scratch::new()?;
    let split = Split::ours()?;
    let mut found = Found::default();
    progress.show(0.0, "processes and containers");
    simple::calibrate(scratch.path(), interrupt, &mut found);
    progress.show(0.05, "disk images");
    disk::calibrate(&split, scratch.path(), interrupt, &mut found);
    let deadline = begun + BOUND;
    let guests = bench::Bench::find(scratch.path(), interrupt);
    let (accelerator, hangs) = match &guests {
        Ok(bench) => {
            // What comes after them has its time, however long they take.
            bench.bound_by(deadline - samples::REST);
            let seen = samples::take(bench, &split, deadline, interrupt, progress);
            match seen {
                Ok(seen) => {
                    fitted::of_guests(&seen, bench.emulated_by(), forced.is_some(), &mut found);
                }
                Err(error) if interrupt.raised() => return Err(error),
                Err(error) => found.miss("vm.boot", &error),
            }
            progress.show(0.9, "saving and restoring a guest");
            bench.bound_by(deadline);
            restores::calibrate(bench, &split, scratch.path(), interrupt, &mut found);
            (Some(bench.accelerator()), bench.hangs())
        }
        Err(error) => {
            found.miss("vm.boot", error);
            (None, 0)
        }
    };
    progress.show(0.95, "the smallest guest");
    samples::hello(interrupt, &mut found);
    anyhow::ensure!(!interrupt.raised(), "interrupted: nothing was saved");
    let mut machine = here::machine();
    machine.accelerator = accelerator;
    let calibration = Calibration {
        schema: SCHEMA.to_owned(),
        created,
        isolab: env!("CARGO_PKG_VERSION").to_owned(),
        split_sha256: Some(Split::sha256()),
        machine,
        was: Was {
            load_before: before.load,
            load_after: busy::now().load,
            pressure_before: before.pressure,
            forced,
            hangs,
            took: begun.elapsed().as_secs_f64(),
        },
        parameters: found.parameters,
        missing: found.missing,
    };
    calibration.check()?;
    Ok(calibration)
}

/// What an interval is that reaches from the least to the most of so many samples: a further one is
/// as likely as each of them to be the least or the most of all.
fn extremes(samples: usize) -> String {
    let held = samples.saturating_sub(1) as f64 / (samples + 1) as f64;
    format!(
        "from the least to the most, which holds a further one in {:.0} of 100 cases",
        held * 100.0
    )
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) missing: Vec<Missing>,
}

impl Found {
    /// Notes that what `name` stands for could not be had.
    pub(crate) fn miss(&mut self, name: &str, why: &anyhow::Error) {
        // What a program said may be in it; a calibration holds text alone.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let why = format!("{why:#}");
        self.missing.push(Missing {
            name: name.to_owned(),
            why: why.chars().map(plain).take(300).collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_something_is_missing_is_text_whatever_a_program_said() {
        let mut found = Found::default();
        found.miss("vm.boot", &anyhow::anyhow!("QEMU said:\n\u{1b}[1mno\u{7}"));
        assert_eq!(found.missing[0].why, "QEMU said:  [1mno ");
    }
}
