//! Guests to take samples of: boots them one by one or at once, and looks at what
//! they take while they hold their workload.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use vm_model::accel::AccelChoice;
use vm_model::guest::phases::{Phase, Phases};
use vm_model::guest::{Accel, Guest, RunningGuest};
use vm_model::initramfs::Archive;
use vm_model::kernel::{self, Kernel};
use vm_model::qemu::{self, Qemu};

use super::look::{self, Processors, Used};
use super::samples::{Boot, Together};
use crate::interrupt::Interrupt;
use crate::isolation::guest::{accelerator, find_kernel};
use crate::{guard, program};

/// How long a guest may stay silent, for each that is started with it.
const WATCHDOG: Duration = Duration::from_secs(20);
/// How often one that hangs is started.
const TRIES: usize = 3;

const MIB: f64 = 1024.0 * 1024.0;

/// What a guest is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its memory, in MiB.
    pub memory_mib: u32,
    /// Its initial RAM file system.
    pub archive: PathBuf,
    /// The size of that, in bytes.
    pub archive_bytes: u64,
    /// What its init runs.
    pub words: Vec<String>,
    /// Its kernel as it is distributed, and not unpacked.
    pub compressed: bool,
    /// The usual firmware, where QEMU brings a faster one along.
    pub seabios: bool,
}

/// The means to run guests here.
#[derive(Debug)]
pub struct Bench<'a> {
    qemu: Qemu,
    kernel: Kernel,
    accelerator: AccelChoice,
    dir: PathBuf,
    interrupt: &'a Interrupt,
    made: Cell<u32>,
    hangs: Cell<u32>,
    /// When whoever runs them has no more time.
    deadline: Cell<Option<Instant>>,
}

impl<'a> Bench<'a> {
    /// Finds QEMU, a kernel, and out by running whether KVM works; keeps its files
    /// in `dir`.
    ///
    /// # Errors
    /// If there is no QEMU or no kernel, each with how to get it.
    pub fn find(dir: &Path, interrupt: &'a Interrupt) -> Result<Self> {
        let qemu = qemu::find()?;
        let kernel = find_kernel()?;
        let accelerator = accelerator(&qemu, &kernel, dir, interrupt)?;
        Ok(Self {
            qemu,
            kernel,
            accelerator,
            dir: dir.to_owned(),
            interrupt,
            made: Cell::new(0),
            hangs: Cell::new(0),
            deadline: Cell::new(None),
        })
    }

    /// What executes the guests' instructions.
    #[must_use]
    pub fn accelerator(&self) -> String {
        match self.accelerator.accel {
            Accel::Kvm => "KVM".to_owned(),
            Accel::Tcg => format!("QEMU TCG {}", self.qemu.version),
        }
    }

    /// The emulator, where that is one.
    #[must_use]
    pub fn emulated_by(&self) -> Option<String> {
        (self.accelerator.accel == Accel::Tcg).then(|| self.accelerator())
    }

    /// Lets no guest run on after `deadline`.
    pub(super) fn bound_by(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// Whether that has come.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.get().is_some_and(|end| Instant::now() >= end)
    }

    /// Refuses to go on where it has.
    ///
    /// # Errors
    /// If it has come.
    pub(super) fn check_time(&self) -> Result<()> {
        ensure!(
            !self.is_late(),
            "the time that a calibration may take was up"
        );
        Ok(())
    }

    /// How long `count` guests may stay silent now.
    ///
    /// # Errors
    /// If there is no time left at all.
    pub(super) fn watchdog(&self, count: u32) -> Result<Duration> {
        self.check_time()?;
        let left = self
            .deadline
            .get()
            .map(|end| end.saturating_duration_since(Instant::now()));
        Ok(left.map_or(WATCHDOG * count, |left| left.min(WATCHDOG * count)))
    }

    /// How many guests hung so far.
    #[must_use]
    pub fn hangs(&self) -> u32 {
        self.hangs.get()
    }

    /// A guest of the smallest program, with `padding_mib` of bytes without a
    /// pattern in its initial file system.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn smallest(&self, memory_mib: u32, padding_mib: u32) -> Result<Setup> {
        let mut archive = Archive::guest(program::TRUE)?;
        archive.add_file("true", 0o755, program::TRUE)?;
        if padding_mib > 0 {
            archive.add_file("padding", 0o644, noise(padding_mib))?;
        }
        let words = ["guest", "/true", "hold"].map(str::to_owned).into();
        self.setup(memory_mib, &archive, words)
    }

    /// A guest that runs `words` with the files of `archive`.
    ///
    /// # Errors
    /// If the archive cannot be written.
    pub fn setup(&self, memory_mib: u32, archive: &Archive, words: Vec<String>) -> Result<Setup> {
        let path = self.dir.join(format!("archive-{}", self.next()));
        let archive_bytes = archive.write_file(&path)?;
        Ok(Setup {
            memory_mib,
            archive: path,
            archive_bytes,
            words,
            compressed: false,
            seabios: false,
        })
    }

    /// Boots one, looks at it, and ends it.
    ///
    /// # Errors
    /// If it fails, hangs every time, or the user interrupts.
    pub fn boot(&self, setup: &Setup) -> Result<Boot> {
        let together = self.at_once(setup, 1)?;
        let [boot] = together.each.as_slice() else {
            anyhow::bail!(
                "one guest was started, and {} were seen",
                together.each.len()
            );
        };
        Ok(*boot)
    }

    /// Starts `count` at once and ends them, for nothing but that the next find the machine as
    /// they leave it. Where that is a virtual machine itself, its host takes back what memory lies
    /// free, and whoever touches that first waits for it; see docs/MODEL.md. Those that come after
    /// tell what is wrong with them: that these do not run is nobody's failure.
    ///
    /// # Errors
    /// If the user interrupts.
    pub fn warm_up(&self, setup: &Setup, count: u32) -> Result<()> {
        // Once: a guest that hangs is seen again, and counted, by who is timed.
        let ran = self.try_at_once(setup, count, &|_| Ok(()));
        ensure!(ran.is_ok() || !self.interrupt.raised(), "interrupted");
        Ok(())
    }

    /// Starts `count` at once, waits until the last is ready, looks at all of them,
    /// and ends them.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    pub fn at_once(&self, setup: &Setup, count: u32) -> Result<Together> {
        self.held(setup, count, |_| Ok(())).map(|(seen, ())| seen)
    }

    /// The same, and looks by `each` at the processes of those that are held.
    ///
    /// # Errors
    /// As there, and what `each` fails with.
    pub fn held<T>(
        &self,
        setup: &Setup,
        count: u32,
        each: impl Fn(&[i32]) -> Result<T>,
    ) -> Result<(Together, T)> {
        let mut tried = 0;
        loop {
            match self.try_at_once(setup, count, &each) {
                // It did not hang, it had no more time.
                Err(_) if self.is_late() && !self.interrupt.raised() => self.check_time()?,
                Err(error) if hung(&error) && !self.interrupt.raised() && tried + 1 < TRIES => {
                    tried += 1;
                    self.hangs.set(self.hangs.get() + 1);
                }
                result => return result,
            }
        }
    }

    fn try_at_once<T>(
        &self,
        setup: &Setup,
        count: u32,
        each_look: &impl Fn(&[i32]) -> Result<T>,
    ) -> Result<(Together, T)> {
        ensure!(!self.interrupt.raised(), "interrupted");
        let guest = self.guest(setup)?;
        let watchdog = self.watchdog(count)?;
        let ours = Processors::ours();
        let (begun, busy) = (Instant::now(), ours.busy());
        let waiting = look::own_waiting();
        let started = (0..count).map(|_| {
            let console = self.dir.join(format!("console-{}", self.next()));
            guest.clone().console(console).start()
        });
        let mut running = started.collect::<vm_model::Result<Vec<RunningGuest>>>()?;
        let stop = || self.interrupt.raised();
        let mut walls = Vec::new();
        for one in &mut running {
            walls.push(one.wait_ready_unless(watchdog, &stop)?.as_secs_f64());
        }
        let wall = begun.elapsed().as_secs_f64();
        let busy = ours.busy() - busy;
        let waiting = look::own_waiting() - waiting;
        let pids: Vec<i32> = running
            .iter()
            .filter_map(|one| i32::try_from(one.pid()).ok())
            .collect();
        let used: Vec<Used> = pids.iter().map(|pid| look::used(*pid)).collect();
        let mut each = Vec::new();
        for (((wall, pid), used), one) in walls.into_iter().zip(&pids).zip(&used).zip(&running) {
            let held = look::held(*pid, guest.ram_bytes())?;
            each.push(Boot {
                memory: f64::from(setup.memory_mib) * MIB,
                archive: setup.archive_bytes as f64,
                wall,
                phases: parts(&one.phases()),
                startup: used.undisturbed(wall, waiting),
                processor: used.processor,
                ram: held.ram,
                own: held.own,
                files: held.files,
            });
        }
        let guests: f64 = used.iter().map(|one| one.processor).sum();
        let together = Together {
            wall,
            last_ready: wall * left(busy - guests, wall, ours.count()),
            each,
        };
        let looked = each_look(&pids)?;
        Ok((together, looked))
    }

    /// Starts one and waits until it is ready: it is told further by whoever asked for it.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    pub(super) fn ready(&self, setup: &Setup) -> Result<RunningGuest> {
        let stop = || self.interrupt.raised();
        let watchdog = self.watchdog(1)?;
        let mut running = self.guest(setup)?.start()?;
        let ready = running.wait_ready_unless(watchdog, &stop);
        if ready.is_err() && !stop() {
            // It did not hang, it had no more time.
            self.check_time()?;
        }
        ready?;
        Ok(running)
    }

    /// The guest of `setup`, not started.
    pub(super) fn guest(&self, setup: &Setup) -> Result<Guest> {
        let mut qemu = self.qemu.clone();
        qemu.qboot &= !setup.seabios;
        let kernel = match setup.compressed {
            true => kernel::find()?,
            false => self.kernel.clone(),
        };
        let console = self.dir.join("console");
        Ok(Guest::new(qemu, kernel, &setup.archive, console)
            .args(setup.words.clone())
            .env(program::environment())
            .memory_mib(setup.memory_mib)
            .accel(self.accelerator.accel)
            .launcher(guard::quick_words()?))
    }

    fn next(&self) -> u32 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
}

/// The phases of a boot as [`Boot`] has them; those that could not be told apart count as the
/// first of them.
fn parts(phases: &Phases) -> [f64; 4] {
    let mut parts = [0.0; 4];
    for stretch in &phases.stretches {
        let place = match stretch.phases.first() {
            Some(Phase::Vmm) => 0,
            Some(Phase::Firmware) => 1,
            Some(Phase::Decompression | Phase::Kernel | Phase::Devices) => 2,
            Some(Phase::Init | Phase::Workload) => 3,
            Some(Phase::End) | None => continue,
        };
        parts[place] += stretch.time.as_secs_f64();
    }
    parts
}

/// Whether a guest stayed silent until its watchdog.
fn hung(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(vm_model::Error::Watchdog { .. }))
}

/// Bytes that neither a file system nor a merger of pages can save anything of.
#[must_use]
pub fn noise(mib: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(u64::from(mib));
    let mut bytes = vec![0; (mib as usize) << 20];
    random.fill(&mut bytes);
    bytes
}

/// The part of so many `processors` that others, who were busy on them for `others` seconds of a
/// time of `wall`, left to the guests.
fn left(others: f64, wall: f64, processors: usize) -> f64 {
    // Ticks are hundredths: what is less than one is no other.
    let taken = (others - 0.02).max(0.0) / (wall * processors.max(1) as f64);
    1.0 - taken.min(0.95)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_without_a_pattern_and_always_the_same() {
        let bytes = noise(1);
        assert_eq!(bytes.len(), 1 << 20);
        assert_eq!(bytes, noise(1));
        let mut counted = [0u32; 256];
        bytes
            .iter()
            .for_each(|byte| counted[usize::from(*byte)] += 1);
        assert!(counted.iter().all(|count| (3500..4700).contains(count)));
    }

    #[test]
    fn what_others_took_is_taken_off() {
        assert_eq!(left(0.0, 4.0, 2), 1.0);
        assert_eq!(left(-1.0, 4.0, 2), 1.0, "we cannot have used more than all");
        let half = left(6.02, 4.0, 3);
        assert!((half - 0.5).abs() < 1e-9, "{half}");
    }
}
