//! What a guest is made of, in QEMU's words: its machine, processor, memory and serial ports.
//!
//! It stands apart from what the guest is given to boot, since it is what a saved guest and the
//! one that is made of it must agree in, word by word.

use std::ffi::OsString;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::port::{END_PORT, PORT};
use super::words::with_path;
use super::{Accel, Guest, Machine};
use crate::qemu::Version;

/// A PC as distributions expect it, without what a guest of ours never uses.
const Q35: &str = "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,graphics=off";

/// The small machine, with the timers that a kernel calibrates by. With its ACPI tables, which name
/// none of them, kernels calibrate for ever under the translator.
const MICROVM: &str = "microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,acpi=off";

/// The name of the memory that is kept in a file.
const MEMORY: &str = "memory";

/// A guest's hardware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// What executes its instructions.
    pub accel: Accel,
    /// The machine that QEMU plays.
    pub machine: Machine,
    /// Its processor, in the words of QEMU's `-cpu`.
    pub cpu: String,
    /// The number of its processors.
    pub vcpus: u32,
    /// Its memory, in MiB.
    pub memory_mib: u32,
    /// Whether its firmware is the small one.
    pub qboot: bool,
}

/// A file that holds a guest's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryFile<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Whether what the guest writes is written to the file. If not, each page that it writes
    /// becomes its own, and the file stays as it is.
    pub(crate) shared: bool,
}

impl Hardware {
    /// That of `guest`; nothing if no QEMU runs it.
    pub(super) fn of(guest: &Guest) -> Option<Self> {
        let qemu = guest.qemu.as_ref()?;
        let cpu = match guest.accel {
            Accel::Kvm => "host",
            Accel::Tcg => {
                let asked = guest.translated_cpu.as_deref();
                asked.unwrap_or_else(|| translated_cpu(qemu.version))
            }
        };
        Some(Self {
            accel: guest.accel,
            machine: guest.machine,
            cpu: cpu.to_owned(),
            vcpus: guest.vcpus,
            memory_mib: guest.memory_mib,
            qboot: qemu.qboot,
        })
    }

    /// The size of its memory, in bytes.
    #[must_use]
    pub fn ram_bytes(&self) -> u64 {
        u64::from(self.memory_mib) << 20
    }

    /// Its words. The two serial ports and the port of init's lines are joined to the character
    /// devices `console`, `channel` and `port`.
    pub(crate) fn words(&self, memory: Option<MemoryFile<'_>>) -> Vec<OsString> {
        // Nothing that is not named here: no disk, no card, no display, no configuration file.
        let alone = ["-nodefaults", "-no-user-config", "-no-reboot"];
        let mut words = alone.map(OsString::from).to_vec();
        let mut add = |option: &str, value: OsString| words.extend([option.into(), value]);
        let machine = match self.machine {
            Machine::Q35 => Q35,
            Machine::MicroVm => MICROVM,
        };
        add("-display", "none".into());
        match memory {
            None => add("-machine", machine.into()),
            Some(file) => {
                // A state that describes itself is three times as long, for debuggers.
                let more = format!("memory-backend={MEMORY},suppress-vmdesc=on");
                add("-machine", format!("{machine},{more}").into());
                add("-object", file.object(self.memory_mib));
            }
        }
        if self.qboot {
            // Firmware that does nothing but start a kernel, where QEMU brings it along.
            add("-bios", "qboot.rom".into());
        }
        add("-accel", self.accel.to_string().into());
        add("-cpu", self.cpu.clone().into());
        add("-m", self.memory_mib.to_string().into());
        add("-smp", self.vcpus.to_string().into());
        add("-serial", "chardev:console".into());
        match self.machine {
            Machine::Q35 => add("-serial", "chardev:channel".into()),
            // It makes one serial port of what it is told; the second is a device like others.
            Machine::MicroVm => add("-device", "isa-serial,index=1,chardev=channel".into()),
        }
        let port = format!("isa-debugcon,iobase={PORT:#x},chardev=port");
        add("-device", port.into());
        let end = format!("isa-debug-exit,iobase={END_PORT:#x},iosize=0x04");
        add("-device", end.into());
        words
    }
}

impl MemoryFile<'_> {
    /// The option that makes the file a guest's memory.
    fn object(self, memory_mib: u32) -> OsString {
        let share = if self.shared { "on" } else { "off" };
        let option =
            format!("memory-backend-file,id={MEMORY},size={memory_mib}M,share={share},mem-path=");
        with_path(&option, self.path)
    }
}

/// The processor that the translator plays: with all that it can do, or the kernel finds no
/// random numbers and a recent distribution's programs do not start; but without
///
/// - a fifth level of page tables, which each address would be looked up in;
/// - fast string instructions: a kernel that is told of them copies by `rep movsb`, and the
///   translator executes that byte by byte.
fn translated_cpu(version: Version) -> &'static str {
    if version < (Version { major: 6, minor: 0 }) {
        return "max,la57=off,erms=off"; // knows no `fsrm`
    }
    "max,la57=off,erms=off,fsrm=off"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_memory_differs_between_who_is_saved_and_who_is_restored() {
        let hardware = Hardware {
            accel: Accel::Tcg,
            machine: Machine::Q35,
            cpu: "max".to_owned(),
            vcpus: 1,
            memory_mib: 64,
            qboot: false,
        };
        let words = |shared| {
            let path = Path::new("/tmp/a,b/ram");
            hardware.words(Some(MemoryFile { path, shared }))
        };
        let differing: Vec<_> = std::iter::zip(words(true), words(false))
            .filter(|(one, other)| one != other)
            .collect();
        let memory = |share: &str| {
            format!("memory-backend-file,id=memory,size=64M,share={share},mem-path=/tmp/a,,b/ram")
        };
        assert_eq!(
            differing,
            [(memory("on").into(), memory("off").into())] as [(OsString, OsString); 1]
        );
    }
}
