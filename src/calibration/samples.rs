//! The samples of guests, in the order that makes the most of the time: what every
//! parameter needs first, then repeats.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vm_model::kvm::Grade;
use vm_model::model::fit::single;
use vm_model::model::parameters::{Origin, Parameter};

use super::bench::{Bench, Setup};
use super::pages::{self, Equal};
use super::speeds::{self, Speeds};
use super::{Found, Split};
use crate::compare::Progress;
use crate::doctor;
use crate::interrupt::Interrupt;

/// How often the smallest guest runs, and for how long at most.
const HELLOS: usize = 10;
const HELLO_BOUND: Duration = Duration::from_millis(1500);
/// What is left for the end of a calibration: a guest that is saved and restored, and the
/// smallest guests.
pub(super) const REST: Duration = Duration::from_millis(5500);

/// A guest that was booted and looked at. Times in seconds, sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boot {
    /// Its memory.
    pub memory: f64,
    /// Its initial RAM file system.
    pub archive: f64,
    /// From the spawn to its ready byte, by the clock on the wall.
    pub wall: f64,
    /// Of that, the monitor, the firmware, the kernel with its devices, and init with the workload.
    pub phases: [f64; 4],
    /// The same less what its processor was kept waiting by others.
    pub startup: f64,
    /// The processor time that QEMU had used by then.
    pub processor: f64,
    /// What it had touched of its memory.
    pub ram: f64,
    /// What QEMU took besides, of its own.
    pub own: f64,
    /// QEMU's pages of files, which all guests share.
    pub files: f64,
}

/// Guests that were started at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Together {
    /// From the first spawn until the last was ready, by the clock on the wall.
    pub wall: f64,
    /// The same by the part of the processors that others left to them.
    pub last_ready: f64,
    /// Each of them.
    pub each: Vec<Boot>,
}

impl Together {
    /// What all of them took of the host's memory, files counted once.
    #[must_use]
    pub fn memory(&self) -> f64 {
        let own: f64 = self.each.iter().map(|one| one.ram + one.own).sum();
        own + self.each.iter().map(|one| one.files).fold(0.0, f64::max)
    }
}

/// All samples of guests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Samples {
    pub(super) boots: Vec<Boot>,
    pub(super) together: Vec<Together>,
    /// The speed loops.
    pub(super) speeds: Speeds,
    /// Of two guests.
    pub(super) equal: Option<Equal>,
    /// How many processors they had.
    pub(super) processors: f64,
    /// What was not done because the time was up, and how that showed.
    pub(super) late: Option<String>,
}

/// Takes them until `deadline`, what is needed in any case.
pub(super) fn take(
    bench: &Bench<'_>,
    split: &Split,
    deadline: Instant,
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<Samples> {
    let seen = &split.calibrated;
    let [small, large] = seen.memory_mib;
    let small = bench.smallest(small, 0)?;
    let large = bench.smallest(large, 0)?;
    let padded = bench.smallest(seen.archive_memory_mib, seen.archive_mib)?;
    let mut samples = Samples {
        boots: Vec::new(),
        together: Vec::new(),
        speeds: Speeds::default(),
        equal: None,
        processors: std::thread::available_parallelism().map_or(1.0, |n| usize::from(n) as f64),
        late: None,
    };
    let begun = Instant::now();
    let all = deadline.saturating_duration_since(begun).as_secs_f64();
    let tell = |doing: &str| {
        let done = begun.elapsed().as_secs_f64() / all.max(1.0);
        progress.show(0.1 + 0.8 * done.min(1.0), doing);
    };
    let needed = [&small, &large, &padded, &small, &large];
    tell("booting guests");
    let first = bench.boot(&small)?;
    // It warms the machine up for the others; see `warm_up`. Where there is no time for that, it
    // counts.
    let all_of_them = Duration::from_secs_f64(first.wall * 1.2 * needed.len() as f64);
    let missing = match Instant::now() + all_of_them + REST < deadline {
        true => &needed[..],
        false => {
            samples.boots.push(first);
            &needed[1..]
        }
    };
    for setup in missing {
        tell("booting guests");
        samples.boots.push(bench.boot(setup)?);
    }
    // From here on there is something to tell, even where the time runs out.
    match more(bench, &small, split, deadline, &mut samples, &tell) {
        Err(error) if bench.is_late() && !interrupt.raised() => {
            samples.late = Some(format!("{error:#}"));
            return Ok(samples);
        }
        result => result?,
    }
    // Repeats, as long as the longest of them fits.
    let mut repeats = [&small, &large, &small, &padded, &small, &large]
        .into_iter()
        .cycle();
    while Instant::now() + longest(&samples) + REST < deadline && samples.boots.len() < 16 {
        tell("booting guests again");
        ensure!(!interrupt.raised(), "interrupted");
        let setup = repeats.next().context("a cycle has no end")?;
        match bench.boot(setup) {
            Err(_) if bench.is_late() && !interrupt.raised() => break,
            boot => samples.boots.push(boot?),
        }
    }
    Ok(samples)
}

/// What the longest of the boots so far took, and a fifth.
fn longest(samples: &Samples) -> Duration {
    let walls = samples.boots.iter().map(|boot| boot.wall);
    Duration::from_secs_f64(walls.fold(0.0, f64::max) * 1.2)
}

/// Several at once, and the speed loops.
fn more(
    bench: &Bench<'_>,
    small: &Setup,
    split: &Split,
    deadline: Instant,
    samples: &mut Samples,
    tell: &dyn Fn(&str),
) -> Result<()> {
    tell("speed loops");
    samples.speeds = speeds::take(bench)?;
    let mut counts = split.calibrated.at_once.clone();
    counts.sort_unstable();
    tell("booting guests at once");
    if let Some(most) = counts.last().copied() {
        let shared = f64::from(most).max(samples.processors) / samples.processors;
        // Twice for the most, and once for fewer.
        let all = longest(samples).mul_f64(2.0 * shared + 1.0);
        if Instant::now() + all + REST < deadline {
            bench.warm_up(small, most)?;
            // Fewer find what the most have left.
            counts.reverse();
        }
    }
    for count in &counts {
        tell("booting guests at once");
        let together = match count {
            2 => compared(bench, small, &mut samples.equal)?,
            count => bench.at_once(small, *count)?,
        };
        samples.together.push(together);
    }
    Ok(())
}

/// Two at once, whose pages are compared while they are held. That these cannot be
/// read is no reason not to boot.
fn compared(bench: &Bench<'_>, setup: &Setup, equal: &mut Option<Equal>) -> Result<Together> {
    let ram = u64::from(setup.memory_mib) << 20;
    let (together, found) = bench.held(setup, 2, |pids| Ok(pages::compare(pids, ram).ok()))?;
    *equal = found;
    Ok(together)
}

/// The smallest guest, as often as there is time.
pub(super) fn hello(interrupt: &Interrupt, found: &mut Found) {
    let begun = Instant::now();
    let (mut whole, mut exits, mut interpreted) = (Vec::new(), Vec::new(), false);
    while whole.len() < HELLOS && begun.elapsed() < HELLO_BOUND && !interrupt.raised() {
        let grade = match doctor::kvm_grade() {
            Ok(grade) => grade,
            Err(error) => return found.miss("vm.hello", &error.into()),
        };
        let Some(hello) = grade.hello() else {
            return found.miss("vm.hello", &anyhow::anyhow!("{grade}"));
        };
        interpreted |= matches!(grade, Grade::Interpreted { .. });
        whole.push(hello.whole.as_secs_f64());
        exits.push(hello.per_exit.as_secs_f64());
    }
    let by = interpreted.then(|| "a /dev/kvm that interprets".to_owned());
    for (name, samples) in [("vm.hello", whole), ("vm.exit", exits)] {
        let Some((mean, reach)) = single(&samples) else {
            found.miss(
                name,
                &anyhow::anyhow!("fewer than two of the smallest guest ended in time"),
            );
            continue;
        };
        let origin = Origin::Calibrated {
            samples: samples.len(),
            how: "the smallest guest, by Student's distribution".to_owned(),
            emulated_by: by.clone(),
        };
        let interval = [mean - reach, mean + reach];
        found
            .parameters
            .push(Parameter::new(name, mean, interval, origin));
    }
}

/// What reading a file of a guest's takes on the disk.
pub(super) fn allocated(path: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(metadata.blocks() as f64 * 512.0)
}
