//! Cloud Hypervisor: a machine with one serial port, and a port on which init can talk.
//!
//! The guest's console and its workload share the serial port. It has no port that ends it, so
//! init powers off. It runs under KVM only.
//!
//! Source: Cloud Hypervisor's `docs/debug-port.md`, and its `--help`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Hypervisor, Shows, check_kvm, numbers, refused, text_of, version_of};
use crate::error::Result;
use crate::guest::port::PORT;
use crate::guest::{Guest, Launch};

/// What init is told in place of `guest`: there is one serial port.
const INIT: &str = "console";

/// The first release that has `--debug-console`.
const OLDEST: u32 = 37;

/// An installed Cloud Hypervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudHypervisor {
    path: PathBuf,
    version: String,
}

impl CloudHypervisor {
    /// The one at `path`.
    ///
    /// # Errors
    /// [`Error::Hypervisor`](crate::Error::Hypervisor) if it does not run, is too old, or is
    /// something else.
    pub fn at(path: &Path) -> Result<Self> {
        let version = version_of(path)?;
        match numbers(&version) {
            Some((major, _)) if version.starts_with("cloud-hypervisor v") && major >= OLDEST => {
                let path = path.to_owned();
                Ok(Self { path, version })
            }
            Some(_) => {
                let reason = format!("it is {version}, and v{OLDEST} is the oldest that serves");
                Err(refused(path, reason))
            }
            None => Err(refused(path, format!("it names no version: `{version}`"))),
        }
    }
}

impl Hypervisor for CloudHypervisor {
    fn name(&self) -> &'static str {
        "Cloud Hypervisor"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn shows(&self) -> Shows {
        Shows {
            firmware: false,
            life: true,
            emulates: false,
        }
    }

    fn launch(&self, guest: &Guest) -> Result<Launch> {
        check_kvm(&self.path, guest)?;
        let port = guest.port();
        let port = text_of(&self.path, &port)?;
        if port.contains(',') {
            return Err(refused(
                &self.path,
                format!("a comma in {port} begins an option"),
            ));
        }
        let mut argv = guest.launcher_words();
        argv.push(self.path.clone().into());
        let mut add = |option: &str, value: OsString| argv.extend([option.into(), value]);
        add("--kernel", guest.kernel().path.clone().into());
        add("--initramfs", guest.initrd().into());
        let words = guest.clone().init_word(INIT).kernel_command_line();
        add("--cmdline", words.into());
        add("--cpus", format!("boot={}", guest.processors()).into());
        add(
            "--memory",
            format!("size={}M", guest.ram_bytes() >> 20).into(),
        );
        add("--console", "off".into());
        add("--serial", "tty".into());
        add(
            "--debug-console",
            format!("file={port},iobase={PORT:#x}").into(),
        );
        Ok(Launch { argv })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::tests::{guest, program};

    #[test]
    fn the_command_line_says_what_the_guest_is() {
        let (dir, path) = program("cloud-hypervisor v38.0.0");
        let hypervisor = CloudHypervisor::at(&path).unwrap();
        let launch = hypervisor.launch(&guest(dir.path())).unwrap();
        let words: Vec<_> = launch
            .argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let behind = |option: &str| {
            let at = words.iter().position(|word| word == option).unwrap();
            words[at + 1].to_string()
        };
        assert_eq!(behind("--cpus"), "boot=2");
        assert_eq!(behind("--memory"), "size=128M");
        assert!(behind("--cmdline").ends_with(" -- console /true exit"));
        let port = format!(
            "file={}.port,iobase=0xe9",
            dir.path().join("console").display()
        );
        assert_eq!(behind("--debug-console"), port);
    }

    #[test]
    fn one_without_the_port_is_too_old() {
        let (_dir, path) = program("cloud-hypervisor v30.0.0");
        let error = CloudHypervisor::at(&path).unwrap_err();
        assert!(error.to_string().contains("v37"), "{error}");
    }
}
