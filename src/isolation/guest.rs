//! The virtual machine: a real guest under QEMU.
//!
//! It boots the same root file system that the container has, as an initial RAM
//! file system, with our program as its init; a program that serves has a disk and
//! a network, as a guest of an image (`serving`). Nothing else runs in it: a
//! guest with a whole distribution only costs more.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vm_model::accel::{self, AccelChoice, CacheKey};
use vm_model::guest::{Accel, Guest, RunningGuest};
use vm_model::initramfs::Archive;
use vm_model::kernel::{self, Kernel};
use vm_model::kvm;
use vm_model::qemu::{self, Qemu};

use super::booted::{Booted, Sign};
use super::serving::ReadyServer;
use super::{Conditions, Footprint, Isolation, Provisioned, Running};
use crate::footprint::allocated_bytes;
use crate::guard;
use crate::interrupt::Interrupt;
use crate::observation::Subject;
use crate::program::{self, Program, Ready};

/// How long a guest may stay silent before it counts as hung: an emulated boot
/// with Python takes a few seconds, and eight at once take eight times as long.
const WATCHDOG: Duration = Duration::from_secs(45);
/// How long a guest gets to show that KVM runs this kernel.
const KVM_BOUND: Duration = Duration::from_secs(4);

/// Guests of one kernel under one QEMU.
#[derive(Debug)]
pub struct VirtualMachine {
    qemu: Qemu,
    kernel: Kernel,
    accelerator: AccelChoice,
}

impl VirtualMachine {
    /// Finds QEMU, a kernel, and out by running whether KVM works; uses
    /// `scratch` for what that needs.
    ///
    /// # Errors
    /// If there is no QEMU or no kernel, each with how to get it; if `interrupt`
    /// came first.
    pub fn find(scratch: &Path, interrupt: &Interrupt) -> Result<Self> {
        let qemu = qemu::find()?;
        let kernel = find_kernel()?;
        let accelerator = accelerator(&qemu, &kernel, scratch, interrupt)?;
        Ok(Self {
            qemu,
            kernel,
            accelerator,
        })
    }

    /// The allocated bytes of the guest's kernel image.
    #[must_use]
    pub fn kernel_bytes(&self) -> u64 {
        allocated_bytes(&[&self.kernel.path]).unwrap_or(self.kernel.bytes)
    }

    /// The QEMU that runs guests.
    pub(super) fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    /// The kernel that guests boot.
    pub(super) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// What executes their instructions.
    pub(super) fn accel(&self) -> Accel {
        self.accelerator.accel
    }

    /// What holds for every guest of `kernel`.
    pub(super) fn conditions(&self, kernel: &Kernel) -> Conditions {
        Conditions::from([
            ("accelerator".to_owned(), self.accelerator_name()),
            ("why".to_owned(), self.accelerator.why.clone()),
            ("guest kernel".to_owned(), kernel.release.clone()),
        ])
    }

    /// The emulator, if there is one.
    pub(super) fn emulated_by(&self) -> Option<String> {
        (self.accel() == Accel::Tcg).then(|| self.accelerator_name())
    }

    /// `KVM` or the emulator's name and version.
    fn accelerator_name(&self) -> String {
        match self.accelerator.accel {
            Accel::Kvm => "KVM".to_owned(),
            Accel::Tcg => format!("QEMU TCG {}", self.qemu.version),
        }
    }
}

/// The kernel that guests boot: one found on this machine, unpacked once and
/// kept, or every boot would do it again.
///
/// # Errors
/// If there is none that this user can read.
pub fn find_kernel() -> vm_model::Result<Kernel> {
    let kernel = kernel::find()?;
    Ok(match kernel::store() {
        Some(store) => kernel
            .unpacked(&store.join(&kernel.release))
            .unwrap_or(kernel),
        None => kernel,
    })
}

/// Whether KVM runs this very kernel, from the cache where nothing that bears on
/// it has changed; `scratch` is for what asking takes.
///
/// # Errors
/// If the guest to ask with cannot be made, or if `interrupt` came first.
pub fn accelerator(
    qemu: &Qemu,
    kernel: &Kernel,
    scratch: &Path,
    interrupt: &Interrupt,
) -> Result<AccelChoice> {
    let key = CacheKey::new(qemu, kernel)?;
    let directory = CacheKey::directory();
    if let Some(choice) = directory
        .as_deref()
        .and_then(|directory| key.load(directory))
    {
        return Ok(choice);
    }
    let choice = match graded() {
        Some(choice) => choice,
        None => tried(qemu, kernel, scratch, interrupt)?,
    };
    ensure!(!interrupt.raised(), "interrupted");
    if let Some(directory) = directory {
        // An answer that cannot be kept is asked for again next time.
        let _ = key.store(&directory, &choice);
    }
    Ok(choice)
}

/// The answer where already the smallest guest shows that no processor executes guests here: it
/// takes a second at most, and a whole kernel would be silent for longer.
fn graded() -> Option<AccelChoice> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("isolab").args(["__probe", "kvm-hello"]);
    AccelChoice::of_grade(&kvm::grade(&mut command).ok()?)
}

/// The answer of a guest that is booted under KVM.
fn tried(
    qemu: &Qemu,
    kernel: &Kernel,
    scratch: &Path,
    interrupt: &Interrupt,
) -> Result<AccelChoice> {
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_file("true", 0o755, program::TRUE)?;
    let initrd = scratch.join("probe.initramfs");
    archive.write_file(&initrd)?;
    let console = scratch.join("probe.console");
    let guest = Guest::new(qemu.clone(), kernel.clone(), initrd, console)
        .args(["guest", "/true", "hold"])
        .launcher(guard::quick_words()?);
    Ok(accel::probe_unless(&guest, KVM_BOUND, &|| {
        interrupt.raised()
    })?)
}

impl Isolation for VirtualMachine {
    fn subject(&self) -> Subject {
        Subject::Vm
    }

    fn is_slow(&self) -> bool {
        self.accelerator.accel == Accel::Tcg
    }

    fn provision<'a>(
        &'a self,
        program: &'a Program,
        dir: &Path,
    ) -> Result<Box<dyn Provisioned + 'a>> {
        if program.ready() == Ready::Answer {
            return Ok(Box::new(ReadyServer::provision(self, program, dir)?));
        }
        let root = dir.join("root");
        program.lay_out_root(&root)?;
        let mut archive = Archive::guest(program::TRUE)?;
        archive.add_tree(&root, "")?;
        let initrd = dir.join("initramfs");
        let bytes = archive.write_file(&initrd)?;
        // The guest keeps the archive and what it unpacks at the same time.
        let memory_mib = 128 + u32::try_from(3 * bytes / (1 << 20)).unwrap_or(u32::MAX / 2);
        fs::remove_dir_all(&root).context("cannot remove the archive's source")?;

        let mut args = vec![OsString::from("guest")];
        args.extend(program.root_command());
        let args = args
            .into_iter()
            .map(|arg| arg.into_string().ok())
            .collect::<Option<Vec<_>>>();
        let args = args.context("the interpreter's path is not UTF-8")?;
        let guest = Guest::new(
            self.qemu.clone(),
            self.kernel.clone(),
            &initrd,
            dir.join("console.log"),
        )
        .args(args)
        .env(program::environment())
        .memory_mib(memory_mib)
        .accel(self.accelerator.accel)
        .launcher(guard::quick_words()?);
        Ok(Box::new(ReadyGuest {
            machine: self,
            guest,
            initrd,
        }))
    }
}

/// A guest that can be booted.
struct ReadyGuest<'a> {
    machine: &'a VirtualMachine,
    guest: Guest,
    initrd: PathBuf,
}

impl Provisioned for ReadyGuest<'_> {
    fn footprint(&self) -> Result<Footprint> {
        let full_bytes = allocated_bytes(&[&self.initrd, &self.machine.kernel.path])?;
        // Kernel and archive are read only: a second guest shares both.
        Ok(Footprint {
            full_bytes,
            one_more_bytes: 0,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let machine = self.machine;
        vec![
            self.initrd.clone(),
            machine.kernel.path.clone(),
            machine.qemu.path.clone(),
        ]
    }

    fn start(&self) -> Result<Box<dyn Running>> {
        Ok(Box::new(Booted::start(&self.guest, Byte)?))
    }

    fn conditions(&self) -> Conditions {
        let mut conditions = self.machine.conditions(&self.machine.kernel);
        conditions.insert("command".to_owned(), self.guest.describe());
        conditions
    }

    fn emulated_by(&self) -> Option<String> {
        self.machine.emulated_by()
    }
}

/// The byte that a program writes when it is ready, on a serial port.
struct Byte;

impl Sign for Byte {
    fn wait(
        &self,
        guest: &mut RunningGuest,
        deadline: Duration,
        interrupt: &Interrupt,
    ) -> Result<Instant> {
        let watchdog = deadline.min(WATCHDOG);
        let startup = guest.wait_ready_unless(watchdog, &|| interrupt.raised())?;
        Ok(guest.spawned() + startup)
    }
}
