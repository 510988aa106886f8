//! All that has to be known to boot a guest, as it is handed to whoever keeps it.

use std::fs::{self, File};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use vm_model::accel::AccelChoice;
use vm_model::disk::{Format, overlay};
use vm_model::guest::{Accel, Guest, Machine, Network};
use vm_model::kernel::Kernel;
use vm_model::qemu;

use crate::{guard, hint};

/// A disk that clones are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The file, byte for byte the disk.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// The clone of a disk, in the guest's directory.
const CLONE: &str = "clone.qcow2";

/// A guest as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// The program and its arguments, as they were typed; empty if its init is somebody else's.
    pub command: Vec<String>,
    /// The kernel.
    pub kernel: PathBuf,
    /// Which one that is.
    pub release: String,
    /// The archive it boots with; if not absolute, in the guest's directory.
    pub initrd: PathBuf,
    /// What hardware it sees.
    pub machine: Machine,
    /// What executes it, and why.
    pub accel: AccelChoice,
    /// Its memory.
    pub memory_mib: u32,
    /// Its processors.
    pub cpus: u32,
    /// What init is told.
    pub init: Vec<String>,
    /// Init's environment.
    pub env: Vec<String>,
    /// Further options for the kernel.
    pub append: Vec<String>,
    /// Its disk, if it has one, of which each start gets a copy-on-write clone.
    #[serde(default)]
    pub disk: Option<Base>,
    /// Its network, if it has one.
    #[serde(default)]
    pub network: Option<Network>,
    /// Whether its init is ours, and says when it begins.
    pub speaks: bool,
    /// How long it may live, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether it is forgotten when it is over.
    pub forget: bool,
}

/// In a guest's directory, the socket on which QEMU takes commands where its init is not ours.
pub const MONITOR: &str = "qmp";

/// Where it is in `directory`.
fn monitor(directory: &Path) -> Result<PathBuf> {
    let path = directory.join(MONITOR);
    if SocketAddr::from_pathname(&path).is_err() {
        return Err(hint::with(
            format!(
                "cannot make a socket at {}: the path is too long",
                path.display()
            ),
            "choose a shorter --name, or a shorter place: export XDG_CACHE_HOME=/a/directory/of/yours",
        ));
    }
    Ok(path)
}

impl Wanted {
    /// The guest, with its files in `directory`. It dies with this process.
    ///
    /// # Errors
    /// If there is no QEMU that can be used, or no clone of its disk can be made.
    pub fn guest(&self, directory: &Path) -> Result<Guest> {
        let kernel = Kernel {
            path: self.kernel.clone(),
            release: self.release.clone(),
            bytes: 0,
        };
        let initrd = directory.join(&self.initrd);
        let guest = Guest::new(qemu::find()?, kernel, initrd, directory.join("console"));
        let mut guest = guest;
        if self.disk.is_some() {
            self.clone_disk(directory)?;
            guest = guest.disk(directory.join(CLONE));
        }
        if let Some(network) = &self.network {
            guest = guest.network(network.clone());
        }
        if !self.speaks {
            // Ours is asked through its own port; another's has a power button.
            guest = guest.qmp(&monitor(directory)?);
        }
        Ok(guest
            .machine(self.machine)
            .accel(self.accel.accel)
            .memory_mib(self.memory_mib)
            .vcpus(self.cpus)
            .args(self.init.iter().cloned())
            .env(self.env.iter().cloned())
            .kernel_options(self.append.iter().cloned())
            .launcher(guard::quick_words()?))
    }

    /// Makes the clone of its disk anew, if it has one: a start that hung may have written
    /// half of something.
    ///
    /// # Errors
    /// If none can be made.
    pub fn clone_disk(&self, directory: &Path) -> Result<()> {
        let Some(base) = &self.disk else {
            return Ok(());
        };
        let clone = directory.join(CLONE);
        let _ = fs::remove_file(&clone);
        Ok(overlay(&base.path, Format::Raw, base.bytes, &clone)?)
    }

    /// Keeps others from removing its disk for as long as what is returned lives.
    #[must_use]
    pub fn disk_in_use(&self) -> Option<File> {
        let mut lock = self.disk.as_ref()?.path.parent()?.as_os_str().to_owned();
        lock.push(".lock");
        let lock = File::open(lock).ok()?;
        lock.lock_shared().ok()?;
        Some(lock)
    }

    /// How long it may live.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// Whether it is executed by an emulator, whose speed is no virtual machine's.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.accel.accel == Accel::Tcg
    }
}
