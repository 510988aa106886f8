//! Whether an image is a real guest's disk: it boots by its own kernel and its
//! own init to a login prompt.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use vm_model::guest::{Accel, Guest};
use vm_model::kernel::Kernel;
use vm_model::qemu;

use super::Image;
use crate::footprint::allocated_bytes;
use crate::guard;
use crate::interrupt::Interrupt;
use crate::isolation::guest::{accelerator, find_kernel};

/// The longest that a whole distribution may take under an emulator.
const BOUND: Duration = Duration::from_secs(180);
/// The memory of a guest with a whole distribution, in MiB.
const MEMORY_MIB: u32 = 512;
/// What stands on the console of a guest that is up.
const PROMPT: &str = "login: ";

/// A guest that came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// From its start to the prompt.
    pub time: Duration,
    /// The emulator, if the time is no measure of virtualization but of it.
    pub emulated_by: Option<String>,
    /// What its disk has taken since it was made, in allocated bytes.
    pub clone_bytes: u64,
    /// The command that booted it.
    pub command: String,
}

/// Boots the copy-on-write clone `clone` of `image` to its login prompt; uses
/// `scratch` for what that needs. The guest is gone at the end.
///
/// # Errors
/// If there is no QEMU, or the prompt does not come within three minutes.
pub fn boot_to_login(
    image: &Image,
    clone: &Path,
    scratch: &Path,
    interrupt: &Interrupt,
) -> Result<Login> {
    let qemu = qemu::find()?;
    let accelerator = accelerator(&qemu, &find_kernel()?, scratch, interrupt)?;
    let emulated = accelerator.accel == Accel::Tcg;
    let emulated_by = emulated.then(|| format!("QEMU TCG {}", qemu.version));
    let console = scratch.join("login.console");
    let guest = Guest::new(qemu, Kernel::open(&image.kernel)?, &image.initrd, console)
        .disk(clone)
        .kernel_options(["root=/dev/vda", "rw"])
        .memory_mib(MEMORY_MIB)
        .accel(accelerator.accel)
        .launcher(guard::quick_words()?);
    let mut running = guest.start()?;
    let time = running.wait_console_unless(PROMPT, BOUND, &|| interrupt.raised())?;
    drop(running);
    Ok(Login {
        time,
        emulated_by,
        clone_bytes: allocated_bytes(&[clone])?,
        // As one would type it: the guard is only for us.
        command: guest.describe(),
    })
}
