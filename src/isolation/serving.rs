//! The virtual machine that serves: a guest with a disk and a network, asked by the lab through a
//! port of this machine.
//!
//! Its disk is made of the same files as the container's root, by what makes disks of images. Each
//! start gets a copy-on-write clone of it and a port of its own, and is asked as any client would,
//! as soon as it says where it serves: the first correct answer is what counts as ready.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use isolab_engine::room::{self, Room};
use isolab_engine::run::Settings;
use vm_model::guest::{Forward, Guest, Network, RunningGuest};
use vm_model::kernel::Kernel;

use super::booted::{Booted, Sign};
use super::guest::VirtualMachine;
use super::port::Kept;
use super::{Conditions, Footprint, Provisioned, Running};
use crate::ask;
use crate::footprint::allocated_bytes;
use crate::guest_disk::start::{self, Start};
use crate::guest_disk::{self, Source, asked};
use crate::interrupt::Interrupt;
use crate::program::{self, Program};
use crate::report::text::shown;

/// The port in the guest, which is nobody else's there.
const PORT: u16 = 8000;
/// The memory of a guest with a server in Python, in MiB.
const MEMORY_MIB: u32 = 256;
/// How long one may take to its first answer: under an emulator a server in Python takes tens of
/// seconds, and eight at once eight times as long.
const WATCHDOG: Duration = Duration::from_secs(300);
/// The longest before it is asked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// What QEMU gets to be gone once its guest is.
const LAST: Duration = Duration::from_secs(5);
/// The longest line in which it may say where it serves, in bytes.
const LONGEST: usize = 4096;

/// A guest that can be started, any number of times.
pub(super) struct ReadyServer<'a> {
    machine: &'a VirtualMachine,
    kernel: Kernel,
    dir: PathBuf,
    inodes: u64,
    start: Start,
    starts: Cell<u32>,
}

impl<'a> ReadyServer<'a> {
    /// Makes the disk of `program` in `dir`.
    pub(super) fn provision(
        machine: &'a VirtualMachine,
        program: &Program,
        dir: &Path,
    ) -> Result<Self> {
        let (root, making, copied) = (dir.join("root"), dir.join("making"), dir.join("copied"));
        let kernel = start::kernel_with_modules(machine.kernel().clone())?;
        program.lay_out_root(&root)?;
        for new in [&making, &copied] {
            fs::create_dir(new).with_context(|| format!("cannot make {}", new.display()))?;
        }
        let source = Source {
            layers: vec![root.clone()],
            wanted: None,
            digest: String::new(),
            bytes: None,
        };
        let made = guest_disk::make(&source, &making, &copied, &Room::find())?;
        room::remove(&Room::find(), &copied)?;
        let disk = dir.join("disk.raw");
        fs::rename(&made.path, &disk).context("cannot keep the disk")?;
        for old in [&root, &making] {
            fs::remove_dir_all(old).context("cannot remove what the disk was made of")?;
        }
        let words = program
            .root_command()
            .into_iter()
            .map(|word| word.into_string().ok());
        let words = words
            .collect::<Option<Vec<_>>>()
            .context("a path is not UTF-8")?;
        let mut env = program::environment();
        env.push(format!("{}=0.0.0.0:{PORT}", program::ADDRESS));
        let settings = Settings {
            env,
            ..Settings::new(words)
        };
        Ok(Self {
            machine,
            kernel,
            dir: dir.to_owned(),
            inodes: made.facts.inodes,
            start: Start {
                disk,
                bytes: made.facts.bytes,
                wanted: asked::wanted(&settings, None, &[], true)?,
                files: Vec::new(),
                network: Some(Network::default()),
                memory_mib: MEMORY_MIB,
            },
            starts: Cell::new(0),
        })
    }

    /// The guest of the next start, in a directory of its own, with `port` of this machine.
    fn next(&self, port: u16) -> Result<(Guest, PathBuf)> {
        let number = self.starts.get();
        self.starts.set(number + 1);
        let dir = self.dir.join(format!("start-{number}"));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let start = Start {
            network: Some(Network {
                outside: false,
                forwards: vec![Forward::tcp(port, PORT)],
            }),
            ..self.start.clone()
        };
        let machine = self.machine;
        let (qemu, accel) = (machine.qemu().clone(), machine.accel());
        Ok((
            start::guest(&start, qemu, self.kernel.clone(), accel, &dir)?,
            dir,
        ))
    }
}

impl Provisioned for ReadyServer<'_> {
    fn footprint(&self) -> Result<Footprint> {
        let (_, dir) = self.next(PORT)?;
        let clone_and_initramfs = allocated_bytes(&[&dir])?;
        fs::remove_dir_all(&dir).context("cannot remove a clone")?;
        let shared = allocated_bytes(&[&self.start.disk, &self.kernel.path])?;
        // One more has a clone and an initramfs of its own; what it will write is not in it yet.
        Ok(Footprint {
            full_bytes: shared + clone_and_initramfs,
            one_more_bytes: clone_and_initramfs,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let qemu = self.machine.qemu().path.clone();
        vec![self.start.disk.clone(), self.kernel.path.clone(), qemu]
    }

    fn start(&self) -> Result<Box<dyn Running>> {
        let port = Kept::any()?;
        let (guest, dir) = self.next(port.number())?;
        let sign = Answer {
            port,
            _dir: Removed(dir),
        };
        Ok(Box::new(Booted::start(&guest, sign)?))
    }

    fn conditions(&self) -> Conditions {
        let mut conditions = self.machine.conditions(&self.kernel);
        conditions.insert(
            "disk".to_owned(),
            format!(
                "ext4 of the container's files, {} inodes, a copy-on-write clone for each start",
                self.inodes
            ),
        );
        conditions.insert(
            "asked".to_owned(),
            "by the lab, through a forwarded port".to_owned(),
        );
        conditions
    }

    fn emulated_by(&self) -> Option<String> {
        self.machine.emulated_by()
    }
}

/// A directory that goes when this is dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What cannot be removed now goes with the whole.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The first correct answer, at `port`; and what goes with the guest.
struct Answer {
    port: Kept,
    _dir: Removed,
}

impl Sign for Answer {
    fn wait(
        &self,
        guest: &mut RunningGuest,
        deadline: Duration,
        interrupt: &Interrupt,
    ) -> Result<Instant> {
        // What the others get is too short for an emulator.
        let end = Instant::now() + deadline.max(WATCHDOG);
        let mut said = Vec::new();
        while !said.contains(&b'\n') {
            ensure!(!interrupt.raised(), "interrupted");
            let is_there = guest.look(GLANCE)?;
            said.extend(guest.take_said());
            if !is_there {
                return Err(ended(guest));
            }
            ensure!(
                said.len() < LONGEST,
                "the guest says too much before it serves"
            );
            if Instant::now() > end {
                // As one that hangs, it is started again and counted.
                return Err(vm_model::Error::Watchdog {
                    to: "to serve",
                    waited_ms: guest.spawned().elapsed().as_millis(),
                    console: last(&guest.console_text()),
                }
                .into());
            }
        }
        ask::port(&String::from_utf8_lossy(&said))
            .context("the guest does not say where it serves")?;
        ask::ask(self.port.number())?;
        Ok(Instant::now())
    }
}

/// Why a guest is gone before it served: by QEMU's word, if that has one.
fn ended(guest: &mut RunningGuest) -> anyhow::Error {
    match guest.wait(LAST) {
        Err(error) => anyhow!(error).context("the guest ended before it served"),
        Ok(_) => anyhow!(
            "the guest ended before it served: {}",
            last(&guest.console_text())
        ),
    }
}

/// The last line of a console, made harmless.
fn last(console: &str) -> String {
    let line = console.lines().rfind(|line| !line.trim().is_empty());
    shown(line.unwrap_or("it said nothing").trim()).into_owned()
}
