//! The samples of guests, in the order that makes the most of the time: what every
//! parameter needs first, then repeats.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vm_model::initramfs::Archive;
use vm_model::kvm::Grade;
use vm_model::model::fit::single;
use vm_model::model::parameters::{Origin, Parameter};

use super::bench::{Bench, Setup};
use super::pages::{self, Equal};
use super::{Found, Split};
use crate::compare::Progress;
use crate::interrupt::Interrupt;
use crate::statistics::median;
use crate::{doctor, program};

/// How often the smallest guest runs, and for how long at most.
const HELLOS: usize = 10;
const HELLO_BOUND: Duration = Duration::from_millis(1500);
/// How often the loops run on the host.
const NATIVE: usize = 3;
/// An initial file system of no more than this is a small one, in bytes.
const SMALL: f64 = 2e6;
/// What is left for the end of a calibration: a guest that is saved and restored, and the
/// smallest guests.
const REST: Duration = Duration::from_millis(5500);

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

/// What the two loops take, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// The one in registers.
    pub arithmetic: f64,
    /// The one through memory.
    pub memory: f64,
}

/// All samples of guests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Samples {
    pub(super) boots: Vec<Boot>,
    pub(super) together: Vec<Together>,
    /// Of the host.
    pub(super) native: Vec<Speed>,
    /// Of a guest.
    pub(super) guest: Option<Speed>,
    /// Of two guests.
    pub(super) equal: Option<Equal>,
    /// How many processors they had.
    pub(super) processors: f64,
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
        native: Vec::new(),
        guest: None,
        equal: None,
        processors: std::thread::available_parallelism().map_or(1.0, |n| usize::from(n) as f64),
    };
    let begun = Instant::now();
    let all = deadline.saturating_duration_since(begun).as_secs_f64();
    let tell = |doing: &str| {
        let done = begun.elapsed().as_secs_f64() / all.max(1.0);
        progress.show(0.1 + 0.8 * done.min(1.0), doing);
    };
    for setup in [&small, &large, &padded, &small, &large] {
        tell("booting guests");
        samples.boots.push(bench.boot(setup)?);
    }
    for count in &seen.at_once {
        tell("booting guests at once");
        let together = match count {
            2 => compared(bench, &small, &mut samples.equal)?,
            count => bench.at_once(&small, *count)?,
        };
        samples.together.push(together);
    }
    tell("speed loops");
    speeds(bench, &mut samples)?;
    // Repeats, as long as the longest of them fits.
    let mut repeats = [&small, &large, &small, &padded, &small, &large]
        .into_iter()
        .cycle();
    let longest = |samples: &Samples| {
        let startups = samples.boots.iter().map(|boot| boot.wall);
        Duration::from_secs_f64(startups.fold(0.0, f64::max) * 1.2)
    };
    while Instant::now() + longest(&samples) + REST < deadline && samples.boots.len() < 16 {
        tell("booting guests again");
        ensure!(!interrupt.raised(), "interrupted");
        let setup = repeats.next().context("a cycle has no end")?;
        samples.boots.push(bench.boot(setup)?);
    }
    Ok(samples)
}

/// Two at once, whose pages are compared while they are held. That these cannot be
/// read is no reason not to boot.
fn compared(bench: &Bench<'_>, setup: &Setup, equal: &mut Option<Equal>) -> Result<Together> {
    let ram = u64::from(setup.memory_mib) << 20;
    let (together, found) = bench.held(setup, 2, |pids| Ok(pages::compare(pids, ram).ok()))?;
    *equal = found;
    Ok(together)
}

fn speeds(bench: &Bench<'_>, samples: &mut Samples) -> Result<()> {
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_file("speed", 0o755, program::SPEED)?;
    let words = ["guest", "/speed"].map(str::to_owned).into();
    let setup = bench.setup(128, &archive, words)?;
    let binary = setup.archive.with_extension("speed");
    program::write_executable(&binary, program::SPEED)?;
    for _ in 0..NATIVE {
        samples.native.push(native(&binary)?);
    }
    let (said, used) = bench.said(&setup)?;
    // The guest's own clock goes on while others have its processor: it tells how the two loops
    // compare, and the processor time beyond that of a boot what they took together.
    let boots = samples.boots.iter().filter(|boot| boot.archive < SMALL);
    let boots: Vec<f64> = boots.map(|boot| boot.processor).collect();
    let (Some(said), Some(boot)) = (parse(&said), median(&boots)) else {
        return Ok(());
    };
    let loops = (used - boot).max(0.0) / (said.arithmetic + said.memory);
    samples.guest = Some(Speed {
        arithmetic: said.arithmetic * loops,
        memory: said.memory * loops,
    });
    Ok(())
}

/// The loops on the host.
///
/// # Errors
/// If the program does not run.
pub(crate) fn native(binary: &Path) -> Result<Speed> {
    let output = Command::new(binary)
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    ensure!(
        output.status.success(),
        "the speed loops ended with {:?}",
        output.status.signal()
    );
    let said = String::from_utf8_lossy(&output.stdout);
    parse(said.trim_start_matches('R')).context("the speed loops said no times")
}

/// `12345 67890`, in nanoseconds.
fn parse(said: &str) -> Option<Speed> {
    let mut times = said
        .split_ascii_whitespace()
        .map(|word| word.parse::<f64>().ok());
    let mut seconds = || Some(times.next()?? * 1e-9).filter(|time| *time > 0.0);
    Some(Speed {
        arithmetic: seconds()?,
        memory: seconds()?,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loops_say_is_read() {
        let read = parse("2000000000 500000000\n").unwrap();
        assert_eq!((read.arithmetic, read.memory), (2.0, 0.5));
        for none in ["", "1", "1 x", "0 1", "-1 1"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn the_loops_run_on_this_host() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("speed");
        program::write_executable(&binary, program::SPEED).unwrap();
        let speed = native(&binary).unwrap();
        assert!(speed.arithmetic > 1e-4 && speed.memory > 1e-4, "{speed:?}");
    }
}
