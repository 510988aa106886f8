//! A guest of a disk: a clone of its own, an initramfs with our init, the modules it needs and
//! what it is told.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use vm_model::disk::{Format, overlay};
use vm_model::guest::{Accel, Guest, Network};
use vm_model::initramfs::Archive;
use vm_model::kernel::{self, Kernel, Module, Modules};
use vm_model::qemu::Qemu;

use super::INIT;
use super::asked::Bring;
use super::wanted::Wanted;
use crate::{guard, stderr};

/// The modules of a disk: its bus, itself and its file system.
const DISK_MODULES: [&str; 3] = ["virtio_pci", "virtio_blk", "ext4"];
/// Check sums, which the file system asks for by a name that no module has: some kernels have
/// them built in, under yet another name.
const CHECK_SUMS: [&str; 2] = ["crc32c_generic", "crc32c_intel"];
/// The module of a card.
const NETWORK_MODULE: &str = "virtio_net";
/// Where things lie in the initramfs. Source: `workload/disk.rs`.
const OURS: &str = "isolab";
/// What a guest gets where nobody says: enough for a small server.
pub const MEMORY_MIB: u32 = 256;

/// What is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The disk, byte for byte.
    pub disk: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// What it runs, and as whom.
    pub wanted: Wanted,
    /// The files that it is brought, as [`Wanted::files`] has them.
    pub files: Vec<Bring>,
    /// Its network, if it has one.
    pub network: Option<Network>,
    /// Its memory, in MiB.
    pub memory_mib: u32,
}

/// The guest that `start` asks for, with everything of its own in `dir`: the clone of the disk
/// (`clone.qcow2`), the initramfs and the console. All of it goes with the directory.
///
/// # Errors
/// If `dir` cannot be written to, or the kernel lacks a module.
pub fn guest(start: &Start, qemu: Qemu, kernel: Kernel, accel: Accel, dir: &Path) -> Result<Guest> {
    let clone = dir.join("clone.qcow2");
    // Its name stands in the clone, and is looked up from the clone's directory.
    let base = fs::canonicalize(&start.disk)
        .with_context(|| format!("cannot read {}", start.disk.display()))?;
    overlay(&base, Format::Raw, start.bytes, &clone)?;
    let initrd = dir.join("initramfs");
    archive(&kernel, start)?.write_file(&initrd)?;
    let mut guest = Guest::new(qemu, kernel, &initrd, dir.join("console.log"))
        .disk(clone)
        .memory_mib(start.memory_mib)
        .accel(accel)
        .launcher(guard::quick_words()?);
    if let Some(network) = &start.network {
        guest = guest.network(network.clone());
    }
    Ok(guest)
}

/// The initramfs of such a guest, for whoever starts it himself.
///
/// # Errors
/// If the kernel lacks a module, or a file that is brought cannot be read.
pub fn archive(kernel: &Kernel, start: &Start) -> Result<Archive> {
    let mut archive = Archive::guest(INIT)?;
    let modules = modules(kernel, start.network.is_some())?;
    for (number, module) in modules.into_iter().enumerate() {
        let name = format!("{OURS}/modules/{number:02}-{}.ko", module.name);
        archive.add_file(name, 0o600, module.bytes)?;
    }
    archive.add_dir(format!("{OURS}/modules"), 0o700)?;
    for (number, file) in start.files.iter().enumerate() {
        archive.add_host_file(&file.from, format!("{OURS}/files/{number}"))?;
    }
    let wanted = start.wanted.to_bytes();
    let wanted = wanted
        .map_err(|text| anyhow::anyhow!("cannot tell the guest `{}`", text.escape_debug()))?;
    archive.add_file(format!("{OURS}/wanted"), 0o600, wanted)?;
    Ok(archive)
}

fn modules(kernel: &Kernel, network: bool) -> vm_model::Result<Vec<Module>> {
    let all = Modules::of(kernel);
    let sums = CHECK_SUMS
        .into_iter()
        .filter(|name| all.with_needs(&[name]).is_ok());
    let mut wanted: Vec<&str> = sums.chain(DISK_MODULES).collect();
    if network {
        wanted.push(NETWORK_MODULE);
    }
    all.with_needs(&wanted)
}

/// A kernel whose modules for disks and cards can be had: `kernel`, else one that is fetched now,
/// which takes apt and the network.
///
/// # Errors
/// [`vm_model::Error::Module`] where none can be had.
pub fn kernel_with_modules(kernel: Kernel) -> Result<Kernel> {
    let Err(missing) = modules(&kernel, true) else {
        return Ok(kernel);
    };
    let Some(store) = kernel::store() else {
        return Err(missing.into());
    };
    stderr::tell(format_args!(
        "note: {missing}: getting a kernel from the distribution"
    ));
    let fetched = kernel::fetch(&store).map_err(|error| {
        crate::hint::with(
            format!("{missing}; and none can be fetched: {error}"),
            vm_model::Error::hint(&error).unwrap_or_default(),
        )
    })?;
    modules(&fetched, true)?;
    let unpacked = fetched.unpacked(&store.join(&fetched.release));
    Ok(unpacked.unwrap_or(fetched))
}
