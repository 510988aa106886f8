//! Firecracker: a machine with one serial port, told by a file.
//!
//! It has no port on which init could talk and no power switch: the guest's console and its
//! workload share the serial port, and init restarts the machine, which ends it. It boots
//! uncompressed kernels only, and under KVM only.
//!
//! Source: Firecracker's `docs/getting-started.md`, `docs/api_requests/` and
//! `src/firecracker/swagger/firecracker.yaml`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Hypervisor, Shows, check_kvm, numbers, refused, text_of, version_of};
use crate::error::Result;
use crate::guest::{Guest, Launch};
use crate::whole_file;

/// What init is told in place of `guest`: there is one serial port, and the end is a restart.
const INIT: &str = "firecracker";

/// An installed Firecracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firecracker {
    path: PathBuf,
    version: String,
}

impl Firecracker {
    /// The one at `path`.
    ///
    /// # Errors
    /// [`Error::Hypervisor`](crate::Error::Hypervisor) if it does not run or is something else.
    pub fn at(path: &Path) -> Result<Self> {
        let version = version_of(path)?;
        if !version.starts_with("Firecracker v") || numbers(&version).is_none() {
            return Err(refused(path, format!("it names no version: `{version}`")));
        }
        let path = path.to_owned();
        Ok(Self { path, version })
    }

    /// The configuration of `guest`.
    fn configuration(&self, guest: &Guest) -> Result<serde_json::Value> {
        if guest.kernel().is_compressed() {
            return Err(refused(&self.path, "it boots uncompressed kernels only"));
        }
        let words = guest.clone().init_word(INIT).kernel_command_line();
        Ok(json!({
            "boot-source": {
                "kernel_image_path": text_of(&self.path, &guest.kernel().path)?,
                "initrd_path": text_of(&self.path, guest.initrd())?,
                // The keyboard controller is how a restart reaches it.
                "boot_args": format!("reboot=k pci=off {words}"),
            },
            "drives": [],
            "machine-config": {
                "vcpu_count": guest.processors(),
                "mem_size_mib": guest.ram_bytes() >> 20,
            },
        }))
    }
}

impl Hypervisor for Firecracker {
    fn name(&self) -> &'static str {
        "Firecracker"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn shows(&self) -> Shows {
        Shows {
            firmware: false,
            life: false,
            emulates: false,
        }
    }

    fn launch(&self, guest: &Guest) -> Result<Launch> {
        check_kvm(&self.path, guest)?;
        let mut file = guest.console_path().as_os_str().to_owned();
        file.push(".firecracker.json");
        let configuration = self.configuration(guest)?;
        whole_file::write(Path::new(&file), format!("{configuration:#}\n").as_bytes())?;
        let mut argv = guest.launcher_words();
        argv.push(self.path.clone().into());
        argv.extend(["--no-api", "--config-file"].map(Into::into));
        argv.push(file);
        Ok(Launch { argv })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::tests::{guest, program};

    #[test]
    fn the_configuration_says_what_the_guest_is() {
        let (dir, path) = program("Firecracker v1.7.0");
        let firecracker = Firecracker::at(&path).unwrap();
        let guest = guest(dir.path()).env(["A=1"]);
        let launch = firecracker.launch(&guest).unwrap();
        assert_eq!(launch.argv[0], path);
        let file = launch.argv.last().unwrap();
        let written: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let source = &written["boot-source"];
        assert_eq!(
            source["initrd_path"],
            dir.path().join("initrd").to_str().unwrap()
        );
        let words = source["boot_args"].as_str().unwrap();
        assert!(words.starts_with("reboot=k "), "{words}");
        assert!(words.ends_with(" A=1 -- firecracker /true exit"), "{words}");
        assert_eq!(written["machine-config"]["vcpu_count"], 2);
        assert_eq!(written["machine-config"]["mem_size_mib"], 128);
    }

    #[test]
    fn a_compressed_kernel_is_refused() {
        let (dir, path) = program("Firecracker v1.7.0");
        let guest = guest(dir.path());
        std::fs::write(dir.path().join("vmlinux"), b"bzImage").unwrap();
        let error = Firecracker::at(&path).unwrap().launch(&guest).unwrap_err();
        assert!(error.to_string().contains("uncompressed"), "{error}");
    }
}
