//! The programs that run guests, behind one trait.
//!
//! What a guest is made of is the same for all: a kernel, an archive, words for both, memory and
//! processors. What differs is how a program is told, what of a guest's life it lets one see, and
//! whether it can do without KVM. Timing, waiting and ending are the same for all and stand in
//! [`guest`](crate::guest).

mod cloud_hypervisor;
mod firecracker;
mod qemu;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guest::{Accel, Guest, Launch, Machine, RunningGuest};
use crate::tool;
pub use cloud_hypervisor::CloudHypervisor;
pub use firecracker::Firecracker;
pub use qemu::QemuMachine;

/// A program that runs guests, as it is installed here.
pub trait Hypervisor: fmt::Debug {
    /// Its name, and its machine's.
    fn name(&self) -> &'static str;

    /// How it names its version.
    fn version(&self) -> &str;

    /// What of a guest's life can be seen from outside.
    fn shows(&self) -> Shows;

    /// The command that starts `guest`; files that it needs are written into the directory of the
    /// guest's console.
    ///
    /// # Errors
    /// [`Error::Hypervisor`] if it cannot run such a guest, [`Error::File`] if a file cannot be
    /// written.
    fn launch(&self, guest: &Guest) -> Result<Launch>;

    /// Starts `guest`.
    ///
    /// # Errors
    /// As [`launch`](Self::launch) and [`Guest::start`].
    fn start(&self, guest: &Guest) -> Result<RunningGuest> {
        let guest = guest.with_own_pipes();
        guest.start_as(&self.launch(&guest)?)
    }
}

/// What can be seen of a guest's life, and so told as a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shows {
    /// When the machine begins to run, and when its firmware ends.
    pub firmware: bool,
    /// When init begins, when the workload does, and its status.
    pub life: bool,
    /// Whether it can emulate a processor: what it shows then is the emulator's speed.
    pub emulates: bool,
}

/// The hypervisors that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// QEMU's PC.
    Q35,
    /// QEMU's small machine.
    MicroVm,
    /// Firecracker.
    Firecracker,
    /// Cloud Hypervisor.
    CloudHypervisor,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Q35,
        Self::MicroVm,
        Self::Firecracker,
        Self::CloudHypervisor,
    ];

    /// Looks for it along `$PATH`, in absolute directories only.
    ///
    /// # Errors
    /// [`Error::Qemu`] or [`Error::Hypervisor`] if it is not there or cannot be used.
    pub fn find(self) -> Result<Box<dyn Hypervisor>> {
        Ok(match self {
            Self::Q35 => Box::new(QemuMachine::new(crate::qemu::find()?, Machine::Q35)),
            Self::MicroVm => Box::new(QemuMachine::new(crate::qemu::find()?, Machine::MicroVm)),
            Self::Firecracker => Box::new(Firecracker::at(&along("firecracker")?)?),
            Self::CloudHypervisor => Box::new(CloudHypervisor::at(&along("cloud-hypervisor")?)?),
        })
    }
}

/// The program of that name along `$PATH`.
fn along(name: &'static str) -> Result<PathBuf> {
    tool::find(name).ok_or_else(|| {
        refused(
            Path::new(name),
            "it is not installed (not found along PATH)",
        )
    })
}

/// The first line that a program prints when it is asked for its version.
fn version_of(program: &Path) -> Result<String> {
    tool::version(program).map_err(|reason| refused(program, reason))
}

/// The number behind the `v` in `Firecracker v1.7.0`, and the one behind its point.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let (_, numbers) = version.split_once(" v")?;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Refuses what only KVM can run.
fn check_kvm(program: &Path, guest: &Guest) -> Result<()> {
    match guest.accelerator() {
        Accel::Kvm => Ok(()),
        Accel::Tcg => Err(refused(program, "it cannot emulate: it needs KVM")),
    }
}

/// A path as the text that a configuration carries.
fn text_of<'a>(program: &Path, path: &'a Path) -> Result<&'a str> {
    let not_text = || refused(program, format!("{} is not UTF-8", path.display()));
    path.to_str().ok_or_else(not_text)
}

fn refused(program: &Path, reason: impl Into<String>) -> Error {
    Error::Hypervisor {
        program: program.display().to_string(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::kernel::Kernel;

    /// A program that names its version so, and the directory that it lies in.
    pub(super) fn program(version: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (dir, path)
    }

    /// A guest with its files in `dir`, whose kernel is not compressed.
    pub(super) fn guest(dir: &Path) -> Guest {
        std::fs::write(dir.join("vmlinux"), b"\x7fELF").unwrap();
        let kernel = Kernel {
            path: dir.join("vmlinux"),
            release: "6".to_owned(),
            bytes: 4,
        };
        Guest::without_qemu(kernel, dir.join("initrd"), dir.join("console"))
            .args(["guest", "/true", "exit"])
            .accel(Accel::Kvm)
            .memory_mib(128)
            .vcpus(2)
    }

    #[test]
    fn versions_are_read_from_what_the_programs_print() {
        assert_eq!(numbers("Firecracker v1.7.0"), Some((1, 7)));
        assert_eq!(numbers("cloud-hypervisor v38.0.0"), Some((38, 0)));
        assert_eq!(numbers("cloud-hypervisor v41.0-dirty"), Some((41, 0)));
        assert_eq!(numbers("bash: not found"), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_what_to_do() {
        let error = Firecracker::at(Path::new("/nonexistent/firecracker")).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        let (_dir, path) = program("something else");
        assert!(Firecracker::at(&path).is_err());
        assert!(CloudHypervisor::at(&path).is_err());
    }

    #[test]
    fn who_cannot_emulate_says_so() {
        let (dir, path) = program("Firecracker v1.7.0");
        let emulated = guest(dir.path()).accel(Accel::Tcg);
        let error = Firecracker::at(&path)
            .unwrap()
            .launch(&emulated)
            .unwrap_err();
        assert!(error.to_string().contains("needs KVM"), "{error}");
    }
}
