//! Guests to take samples of: boots them one by one or at once, and looks at what
//! they take while they hold their workload.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vm_model::accel::AccelChoice;
use vm_model::guest::{Accel, Guest, RunningGuest};
use vm_model::initramfs::Archive;
use vm_model::kernel::{self, Kernel};
use vm_model::qemu::{self, Qemu};

use super::samples::{Boot, Together};
use crate::interrupt::Interrupt;
use crate::isolation::guest::{accelerator, find_kernel};
use crate::{guard, mappings, program};

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

    /// Starts `count` at once, waits until the last is ready, looks at all of them,
    /// and ends them.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    pub fn at_once(&self, setup: &Setup, count: u32) -> Result<Together> {
        self.held(setup, count, |_| Ok(())).map(|(seen, ())| seen)
    }

    /// The same, and `look`s at the process ids and the RAM of those that are held.
    ///
    /// # Errors
    /// As there, and what `look` fails with.
    pub fn held<T>(
        &self,
        setup: &Setup,
        count: u32,
        look: impl Fn(&[i32]) -> Result<T>,
    ) -> Result<(Together, T)> {
        let mut tried = 0;
        loop {
            match self.try_at_once(setup, count, &look) {
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
        look: &impl Fn(&[i32]) -> Result<T>,
    ) -> Result<(Together, T)> {
        ensure!(!self.interrupt.raised(), "interrupted");
        let guest = self.guest(setup)?;
        let begun = Instant::now();
        let started = (0..count).map(|_| {
            let console = self.dir.join(format!("console-{}", self.next()));
            guest.clone().console(console).start()
        });
        let mut running = started.collect::<vm_model::Result<Vec<RunningGuest>>>()?;
        let watchdog = WATCHDOG * count;
        let stop = || self.interrupt.raised();
        let mut startups = Vec::new();
        for one in &mut running {
            startups.push(one.wait_ready_unless(watchdog, &stop)?.as_secs_f64());
        }
        let last_ready = begun.elapsed().as_secs_f64();
        let pids: Vec<i32> = running
            .iter()
            .filter_map(|one| i32::try_from(one.pid()).ok())
            .collect();
        let mut each = Vec::new();
        for (startup, pid) in startups.into_iter().zip(&pids) {
            let processor = processor_seconds(*pid)?;
            let split = mappings::split(*pid, guest.ram_bytes())?;
            each.push(Boot {
                memory: f64::from(setup.memory_mib) * MIB,
                archive: setup.archive_bytes as f64,
                startup,
                processor,
                ram: split.ram as f64,
                rest: split.rest as f64,
            });
        }
        let looked = look(&pids)?;
        Ok((Together { last_ready, each }, looked))
    }

    /// Runs the guest to its end, and gives what it said after its ready byte.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    pub fn said(&self, setup: &Setup) -> Result<String> {
        let stop = || self.interrupt.raised();
        let mut running = self.guest(setup)?.start()?;
        running.wait_ready_unless(WATCHDOG, &stop)?;
        running.wait_unless(WATCHDOG, &stop)?;
        let said = String::from_utf8_lossy(running.said()).into_owned();
        Ok(said.trim_start_matches('R').trim().to_owned())
    }

    fn guest(&self, setup: &Setup) -> Result<Guest> {
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
            .launcher(guard::words()?))
    }

    fn next(&self) -> u32 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
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

/// The processor time that all threads of `pid` have used.
///
/// Source: `proc_pid_stat(5)`, fields 14 and 15, in hundredths of a second.
fn processor_seconds(pid: i32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The second field is a name that may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.filter_map(|word| word.parse().ok()).collect();
    ensure!(ticks.len() == 2, "{path} does not tell its time");
    Ok(ticks.iter().sum::<f64>() / 100.0)
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
    fn this_process_has_used_a_processor() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(processor_seconds(own).unwrap() >= 0.0);
        assert!(processor_seconds(i32::MAX).is_err());
    }
}
