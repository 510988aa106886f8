//! The guest: the same root file system as its initial RAM file system, with our
//! init, which runs the attempts and powers off.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use vm_model::accel::AccelChoice;
use vm_model::guest::Guest;
use vm_model::initramfs::Archive;
use vm_model::kernel::Kernel;
use vm_model::qemu::{self, Qemu};

use super::site::{PROGRAM, REQUEST, VERB};
use super::{Asked, Place, PlaceName, Site};
use crate::inside::answer::Answer;
use crate::inside::attempt::Attempt;
use crate::inside::canary::Traces;
use crate::interrupt::Interrupt;
use crate::isolation::guest;
use crate::{guard, program};

/// The longest that a guest may take from its start to its end: an emulated one,
/// beside others, boots in a few seconds and asks Python in a few more.
const BOUND: Duration = Duration::from_secs(120);

/// A guest under QEMU.
pub(super) struct Machine<'a> {
    site: &'a Site,
    qemu: Qemu,
    kernel: Kernel,
    accelerator: AccelChoice,
    directory: PathBuf,
}

impl<'a> Machine<'a> {
    pub(super) fn find(site: &'a Site, interrupt: &Interrupt) -> Result<Self> {
        let qemu = qemu::find()?;
        let kernel = guest::find_kernel()?;
        let directory = site.directory("vm")?;
        let accelerator = guest::accelerator(&qemu, &kernel, &directory, interrupt)?;
        Ok(Self {
            site,
            qemu,
            kernel,
            accelerator,
            directory,
        })
    }
}

impl Place for Machine<'_> {
    fn name(&self) -> PlaceName {
        PlaceName::Vm
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let request = self.site.request_in_root(attempts, traces);
        let mut archive = Archive::guest(program::TRUE)?;
        archive.add_tree(self.site.root(&request)?, "")?;
        let initrd = self.directory.join("initramfs");
        let bytes = archive.write_file(&initrd)?;
        // The guest keeps the archive and what it unpacks at the same time.
        let memory_mib = 128 + u32::try_from(3 * bytes / (1 << 20)).unwrap_or(u32::MAX / 2);
        let machine = Guest::new(
            self.qemu.clone(),
            self.kernel.clone(),
            &initrd,
            self.directory.join("console.log"),
        )
        .args(["guest", PROGRAM, VERB, REQUEST])
        .env(program::environment())
        .memory_mib(memory_mib)
        .accel(self.accelerator.accel)
        .launcher(guard::quick_words()?);
        let mut running = machine.start()?;
        let ended = running.wait_unless(BOUND, &|| interrupt.raised());
        ensure!(!interrupt.raised(), "interrupted");
        ended.context("the guest did not come to its end")?;
        Ok(Asked {
            command: machine.describe(),
            answer: Answer::parse(running.said(), &request.attempts)?,
        })
    }
}
