//! Guests that go on from a saved state: how long that takes, and what clones hold.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use vm_model::model::fit::single;
use vm_model::model::parameters::{Origin, Parameter};
use vm_model::saved::{self, Patience, Restored, Snapshot};

use super::bench::{Bench, Setup};
use super::look;
use super::{Found, Split};
use crate::footprint;
use crate::guard;
use crate::interrupt::Interrupt;

/// How often one is restored, alone.
const RESTORES: usize = 10;
/// How often one that hangs is started.
const TRIES: usize = 2;

/// What restored guests showed. Times in seconds, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restores {
    /// From the spawn until it ran, less what it was kept waiting by others.
    pub times: Vec<f64>,
    /// The same by the clock on the wall.
    pub walls: Vec<f64>,
    /// What each clone held of its own, while all were there.
    pub own: Vec<f64>,
    /// What all of them had mapped of files, the saved memory above all.
    pub state: f64,
}

impl Restores {
    /// What all clones took together.
    #[must_use]
    pub fn memory(&self) -> f64 {
        self.state + self.own.iter().sum::<f64>()
    }
}

/// Saves a guest of `setup` in `dir`, restores it `times` times alone, and holds `clones` of it.
///
/// # Errors
/// If it cannot be saved or restored, or the user interrupts.
pub fn restored(
    bench: &Bench<'_>,
    setup: &Setup,
    dir: &Path,
    times: usize,
    clones: u32,
    interrupt: &Interrupt,
) -> Result<Restores> {
    let stop = || interrupt.raised();
    let place = dir.join(format!("saved-{}", setup.memory_mib));
    let patience = Patience {
        watchdog: bench.watchdog(1)?,
        tries: TRIES,
    };
    let taken = saved::take(&bench.guest(setup)?, &place, patience, &|| {
        stop() || bench.is_late()
    });
    // That it was stopped is the consequence.
    bench.check_time()?;
    let taken = taken?;
    let result = of_saved(bench, &taken.snapshot, times, clones, interrupt);
    saved::remove(&place)?;
    result
}

fn of_saved(
    bench: &Bench<'_>,
    snapshot: &Snapshot,
    times: usize,
    clones: u32,
    interrupt: &Interrupt,
) -> Result<Restores> {
    let ready = snapshot.ready()?;
    let launcher = guard::quick_words()?;
    let stop = || interrupt.raised();
    let mut seen = Restores::default();
    // The first finds nothing in caches.
    for _ in 0..=times {
        ensure!(!interrupt.raised(), "interrupted");
        let waiting = look::own_waiting();
        let mut guest = ready.start(&launcher)?;
        let wall = guest
            .wait_running_unless(bench.watchdog(1)?, &stop)?
            .as_secs_f64();
        let waiting = look::own_waiting() - waiting;
        let used = look::used(i32::try_from(guest.pid())?);
        seen.times.push(used.undisturbed(wall, waiting));
        seen.walls.push(wall);
        guest.kill();
    }
    seen.times.remove(0);
    seen.walls.remove(0);
    let mut held = (0..clones)
        .map(|_| ready.start(&launcher))
        .collect::<vm_model::Result<Vec<Restored>>>()?;
    for one in &mut held {
        one.wait_running_unless(bench.watchdog(clones)?, &stop)?;
    }
    // They run on for a moment: what a clone writes first is its own from then on.
    std::thread::sleep(Duration::from_millis(300));
    for one in &held {
        let kinds = footprint::kinds(i32::try_from(one.pid())?)?;
        seen.own.push(kinds.anonymous as f64);
        seen.state = seen.state.max(kinds.files as f64);
    }
    Ok(seen)
}

/// The parameters of restored guests; what cannot be had is noted.
pub(super) fn calibrate(
    bench: &Bench<'_>,
    split: &Split,
    dir: &Path,
    interrupt: &Interrupt,
    found: &mut Found,
) {
    let clones = split.calibrated.clones;
    let seen = bench
        .smallest(split.calibrated.memory_mib[0], 0)
        .and_then(|setup| restored(bench, &setup, dir, RESTORES, clones, interrupt));
    match seen {
        Ok(seen) => parameters(&seen, bench.emulated_by().as_ref(), found),
        Err(error) => found.miss("vm.restore", &error),
    }
}

fn parameters(seen: &Restores, emulated_by: Option<&String>, found: &mut Found) {
    let mut add = |name: &str, samples: &[f64], allowed: f64, how: &str| {
        let Some((middle, reach)) = single(samples) else {
            return;
        };
        let reach = reach.hypot(allowed * middle);
        let origin = Origin::Calibrated {
            samples: samples.len(),
            how: how.to_owned(),
            emulated_by: emulated_by.cloned(),
        };
        let interval = [middle - reach, middle + reach];
        found
            .parameters
            .push(Parameter::new(name, middle, interval, origin));
    };
    let how = "a saved guest, restored alone, until it runs; a fifth for what sessions differ by";
    add("vm.restore", &seen.times, 0.2, how);
    let how = "anonymous memory of clones that were held together, and a twentieth";
    add("vm.clone.own", &seen.own, 0.05, how);
    if seen.own.is_empty() {
        return;
    }
    // All clones map the same file: of what they share there is one number, and no scatter.
    let how = "pages of files that the clone with the most has mapped, the saved memory above all; \
               the interval is an allowance of a twentieth";
    let origin = Origin::Calibrated {
        samples: 1,
        how: how.to_owned(),
        emulated_by: emulated_by.cloned(),
    };
    let interval = [0.95, 1.05].map(|part| part * seen.state);
    found.parameters.push(Parameter::new(
        "vm.clone.state",
        seen.state,
        interval,
        origin,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clones_share_counts_once() {
        let seen = Restores {
            times: vec![0.04, 0.05, 0.045],
            walls: vec![0.04, 0.05, 0.045],
            own: vec![10e6, 11e6, 12e6],
            state: 90e6,
        };
        assert_eq!(seen.memory(), 123e6);
        let mut found = Found::default();
        parameters(&seen, None, &mut found);
        let names: Vec<&str> = found
            .parameters
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["vm.restore", "vm.clone.own", "vm.clone.state"]);
        assert!(found.parameters.iter().all(|one| one.check().is_ok()));
        let state = &found.parameters[2];
        let Origin::Calibrated { samples, how, .. } = &state.origin else {
            panic!("{state:?}")
        };
        assert_eq!(*samples, 1);
        assert!(how.contains("allowance"), "{how}");
        // A twentieth of 90 MB is 4.5.
        assert_eq!((state.low, state.high), (85.5e6, 94.5e6));
    }
}
