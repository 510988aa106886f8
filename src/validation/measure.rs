//! What came of the predictions: runs what was predicted, interleaved, so that what
//! drifts hits all configurations alike.

use std::path::Path;

use anyhow::Result;

use super::predict::{Plan, Planned};
use super::{Outcome, Prediction, merging};
use crate::calibration::bench::Bench;
use crate::calibration::{Images, restored};
use crate::compare::Progress;
use crate::interrupt::Interrupt;

/// The samples of one configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// One list for each prediction of the configuration; times by the clock on the wall.
    pub samples: [Vec<f64>; 2],
    /// The times of the first less what others took of the processors.
    pub undisturbed: Vec<f64>,
    /// Why there are fewer than there should be.
    pub missing: Option<String>,
}

/// Runs all of `plan`.
pub(super) fn all(
    plan: &Plan,
    bench: &Bench<'_>,
    images: &Result<&Images, String>,
    dir: &Path,
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>> {
    let mut measured: Vec<Measured> = plan.planned.iter().map(|_| Measured::default()).collect();
    let rounds: Vec<u32> = plan.planned.iter().map(repeats).collect();
    let all = f64::from(rounds.iter().sum::<u32>().max(1));
    let mut done = 0.0;
    // Whether what came last left memory that guests had.
    let mut warm = false;
    for round in 0..rounds.iter().copied().max().unwrap_or(0) {
        for (planned, (seen, repeats)) in plan.planned.iter().zip(measured.iter_mut().zip(&rounds))
        {
            if round >= *repeats || seen.missing.is_some() {
                continue;
            }
            anyhow::ensure!(!interrupt.raised(), "interrupted");
            progress.show(done / all, name(planned));
            done += 1.0;
            warmed_up(planned, bench, warm)?;
            let ran = one(planned, bench, images, dir, interrupt, seen);
            warm = ran.is_ok() && matches!(planned, Planned::Guests(..) | Planned::AtOnce(..));
            if let Err(error) = ran {
                anyhow::ensure!(!interrupt.raised(), "interrupted");
                seen.missing = Some(format!("{error:#}").replace('\n', " "));
            }
        }
    }
    let emulated_by = bench.emulated_by();
    let outcomes = plan
        .planned
        .iter()
        .zip(measured)
        .flat_map(|(planned, seen)| outcomes(planned, seen, emulated_by.as_ref()));
    Ok(outcomes.collect())
}

/// Sees to it that guests find the machine as others have left it, which is what the calibration
/// found: several at once want more of it than any one before them leaves.
fn warmed_up(planned: &Planned, bench: &Bench<'_>, warm: bool) -> Result<()> {
    match planned {
        Planned::Guests(setup, ..) if !warm => bench.warm_up(setup, 1),
        Planned::AtOnce(setup, storm, _) => bench.warm_up(setup, storm.guests),
        _ => Ok(()),
    }
}

/// How often each is run.
fn repeats(planned: &Planned) -> u32 {
    match planned {
        Planned::Guests(_, guests, _) => guests.repeats,
        Planned::AtOnce(_, storm, _) => storm.repeats,
        Planned::Merged(..)
        | Planned::Restored(..)
        | Planned::Disks(..)
        | Planned::Published(..) => 1,
        Planned::Missing(..) => 0,
    }
}

fn name(planned: &Planned) -> &str {
    match planned {
        Planned::Guests(_, guests, _) => &guests.name,
        Planned::AtOnce(_, storm, _) => &storm.name,
        Planned::Merged(_, merged, _) => &merged.name,
        Planned::Restored(_, clones, _) => &clones.name,
        Planned::Disks(disks, _) => &disks.name,
        Planned::Published(one, _) => &one.name,
        // It is never run.
        Planned::Missing(..) => "",
    }
}

fn one(
    planned: &Planned,
    bench: &Bench<'_>,
    images: &Result<&Images, String>,
    dir: &Path,
    interrupt: &Interrupt,
    seen: &mut Measured,
) -> Result<()> {
    let [first, second] = &mut seen.samples;
    match planned {
        Planned::Guests(setup, ..) => {
            let boot = bench.boot(setup)?;
            first.push(boot.wall);
            second.push(boot.ram + boot.own + boot.files);
            seen.undisturbed.push(boot.startup);
        }
        Planned::AtOnce(setup, storm, _) => {
            let together = bench.at_once(setup, storm.guests)?;
            first.push(together.wall);
            second.push(together.memory());
            seen.undisturbed.push(together.last_ready);
        }
        Planned::Merged(setup, merged, _) => {
            first.push(merging::measure(bench, setup, merged.guests, interrupt)?);
        }
        Planned::Restored(setup, clones, _) => {
            let times = clones.repeats as usize;
            let held = restored(bench, setup, dir, times, clones.guests, interrupt)?;
            second.push(held.memory());
            first.extend(held.walls);
            seen.undisturbed.extend(held.times);
        }
        Planned::Disks(disk, _) => {
            let images = images.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
            let (image, growth) = (disk.image_mib, disk.growth_mib);
            let made = images.cloned(image, growth, disk.clones, interrupt)?;
            first.push(made.image + made.grown.iter().sum::<f64>());
            second.push(made.copies.iter().sum());
        }
        Planned::Published(_, resident) => first.push(*resident),
        Planned::Missing(..) => {}
    }
    Ok(())
}

/// How many measurements each prediction of a configuration is to be compared with.
fn wanted(planned: &Planned) -> [u32; 2] {
    match planned {
        Planned::Restored(_, clones, _) => [clones.repeats, 1],
        other => [repeats(other); 2],
    }
}

fn outcomes(planned: &Planned, seen: Measured, emulated_by: Option<&String>) -> Vec<Outcome> {
    let Measured {
        samples: [first, second],
        undisturbed,
        missing,
    } = seen;
    let [wanted, wanted_second] = wanted(planned);
    let made = |prediction: &Prediction, planned: u32, measured, ran: bool| Outcome {
        prediction: prediction.clone(),
        planned,
        measured,
        undisturbed: Vec::new(),
        emulated_by: emulated_by.filter(|_| ran).cloned(),
        missing: missing.clone(),
    };
    match planned {
        Planned::Guests(_, _, [a, b])
        | Planned::AtOnce(_, _, [a, b])
        | Planned::Restored(_, _, [a, b]) => {
            let timed = Outcome {
                undisturbed,
                ..made(a, wanted, first, true)
            };
            vec![timed, made(b, wanted_second, second, true)]
        }
        Planned::Disks(_, [a, b]) => vec![
            made(a, wanted, first, false),
            made(b, wanted, second, false),
        ],
        Planned::Merged(_, _, one) => vec![made(one, wanted, first, true)],
        Planned::Published(one, _) => vec![made(one, wanted, first, false)],
        Planned::Missing(all, why) => {
            let each = all.iter().map(|(one, planned)| Outcome {
                missing: Some(why.clone()),
                ..made(one, *planned, Vec::new(), false)
            });
            each.collect()
        }
    }
}
