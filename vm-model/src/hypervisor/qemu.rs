//! QEMU, with either of the two machines that serve here. Its command line is in
//! [`guest`](crate::guest), which the rest of the lab starts without a choice.

use super::{Hypervisor, Shows, refused};
use crate::error::Result;
use crate::guest::{Guest, Launch, Machine};
use crate::qemu::Qemu;

/// A QEMU that plays one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuMachine {
    qemu: Qemu,
    machine: Machine,
}

impl QemuMachine {
    /// `qemu`, playing `machine`.
    #[must_use]
    pub fn new(qemu: Qemu, machine: Machine) -> Self {
        Self { qemu, machine }
    }
}

impl Hypervisor for QemuMachine {
    fn name(&self) -> &'static str {
        match self.machine {
            Machine::Q35 => "QEMU q35",
            Machine::MicroVm => "QEMU microvm",
        }
    }

    fn version(&self) -> &str {
        &self.qemu.name
    }

    fn shows(&self) -> Shows {
        Shows {
            firmware: true,
            life: true,
            emulates: true,
        }
    }

    fn launch(&self, guest: &Guest) -> Result<Launch> {
        let guest = guest
            .clone()
            .machine(self.machine)
            .with_qemu(self.qemu.clone());
        let argv = guest.argv();
        let argv = argv.ok_or_else(|| refused(&self.qemu.path, "it was not given to the guest"))?;
        Ok(Launch { argv })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::tests::guest;
    use crate::qemu::Version;

    #[test]
    fn each_machine_has_its_second_serial_port_and_init_its_ports() {
        let dir = tempfile::tempdir().unwrap();
        let qemu = Qemu {
            path: "/usr/bin/qemu-system-x86_64".into(),
            version: Version { major: 7, minor: 2 },
            name: "QEMU emulator version 7.2".to_owned(),
            qboot: false,
        };
        for (machine, name, serial) in [
            (Machine::Q35, "q35,", "-serial chardev:channel"),
            (
                Machine::MicroVm,
                "microvm,",
                "-device isa-serial,index=1,chardev=channel",
            ),
        ] {
            let launch = QemuMachine::new(qemu.clone(), machine)
                .launch(&guest(dir.path()))
                .unwrap();
            let words: Vec<_> = launch
                .argv
                .iter()
                .map(|word| word.to_string_lossy())
                .collect();
            let line = words.join(" ");
            for part in [
                name,
                serial,
                "isa-debugcon,iobase=0xe9",
                "isa-debug-exit,iobase=0xf4",
            ] {
                assert!(line.contains(part), "`{part}` is missing in: {line}");
            }
        }
    }
}
