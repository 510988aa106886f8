//! The command lines of QEMU and of the kernel, and why each word is on them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::port::{END_PORT, PORT};
use super::{Accel, Guest, Machine, trace};
use crate::qemu::{Qemu, Version};

/// A PC as distributions expect it, without what a guest of ours never uses.
const Q35: &str = "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,graphics=off";

/// The small machine, with the timers that a kernel calibrates by. With its ACPI tables, which name
/// none of them, kernels calibrate for ever under the translator.
const MICROVM: &str = "microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,acpi=off";

/// What the kernel is told.
const KERNEL_OPTIONS: [&str; 10] = [
    "console=ttyS0",
    // Emergencies only, since each character costs a trap; at 0 even a panic would say nothing.
    "loglevel=1",
    // A panic ends the guest at once (with -no-reboot) instead of hanging it.
    "panic=-1",
    // Seeds the random numbers from the processor: without, Python waits for entropy.
    "random.trust_cpu=on",
    // The self-tests of the cryptographic code: a tenth and more of an emulated boot.
    "cryptomgr.notests",
    // The virtual clocks are as good as they say; checking them takes waiting.
    "tsc=reliable",
    "no_timer_check",
    // There is no keyboard and no mouse to be waited for.
    "i8042.nokbd",
    "i8042.noaux",
    // Thousands of lock prefixes stay in a kernel with one processor: each that is taken out of
    // the code makes the translator discard what it translated.
    "noreplace-smp",
];

impl Guest {
    /// The kernel's command line, init's environment and arguments included.
    pub(crate) fn kernel_command_line(&self) -> String {
        let mut words: Vec<&str> = KERNEL_OPTIONS.to_vec();
        words.extend(self.kernel_options.iter().map(String::as_str));
        words.extend(self.env.iter().map(String::as_str));
        if !self.args.is_empty() {
            words.push("--");
            words.extend(self.args.iter().map(String::as_str));
        }
        words.join(" ")
    }

    /// QEMU and its arguments, launcher first; nothing if there is no QEMU.
    pub(crate) fn argv(&self) -> Option<Vec<OsString>> {
        let qemu = self.qemu.as_ref()?;
        let mut argv = self.launcher.clone();
        argv.push(qemu.path.clone().into());
        let mut add = |words: &[&OsStr]| argv.extend(words.iter().map(|&word| word.to_owned()));
        let word = OsStr::new;
        // Nothing that is not named here: no disk, no card, no display, no configuration file.
        add(&["-nodefaults", "-no-user-config", "-no-reboot"].map(word));
        let machine = match self.machine {
            Machine::Q35 => Q35,
            Machine::MicroVm => MICROVM,
        };
        add(&["-display", "none", "-machine", machine].map(word));
        if qemu.qboot {
            // Firmware that does nothing but start a kernel, where QEMU brings it along.
            add(&["-bios", "qboot.rom"].map(word));
        }
        let (accel, cpu) = self.processor(qemu);
        add(&["-accel", accel, "-cpu", cpu].map(word));
        add(&[
            "-m",
            &self.memory_mib.to_string(),
            "-smp",
            &self.vcpus.to_string(),
        ]
        .map(word));
        add(&[word("-kernel"), self.kernel.path.as_os_str()]);
        add(&[word("-initrd"), self.initrd.as_os_str()]);
        add(&["-append", &self.kernel_command_line()].map(word));
        if let Some(disk) = &self.disk {
            add(&[word("-drive"), &drive(disk)]);
        }
        if let Some(network) = &self.network {
            add(&network.words().each_ref().map(OsString::as_os_str));
        }
        add(&[word("-chardev"), &file_backend("console", &self.console)]);
        add(&["-serial", "chardev:console"].map(word));
        add(&["-chardev", "stdio,id=channel,signal=off"].map(word));
        match self.machine {
            Machine::Q35 => add(&["-serial", "chardev:channel"].map(word)),
            // It makes one serial port of what it is told; the second is a device like others.
            Machine::MicroVm => add(&["-device", "isa-serial,index=1,chardev=channel"].map(word)),
        }
        add(&[
            word("-chardev"),
            &file_backend("port", &port_path(&self.console)),
        ]);
        let port = format!("isa-debugcon,iobase={PORT:#x},chardev=port");
        let end = format!("isa-debug-exit,iobase={END_PORT:#x},iosize=0x04");
        add(&["-device", &port, "-device", &end].map(word));
        add(&["-trace", trace::EVENT].map(word));
        argv.extend(self.options.iter().cloned());
        Some(argv)
    }

    /// What executes its instructions, and as which processor.
    fn processor<'a>(&'a self, qemu: &Qemu) -> (&'a str, &'a str) {
        match self.accel {
            Accel::Kvm => ("kvm", "host"),
            Accel::Tcg => {
                let asked = self.translated_cpu.as_deref();
                ("tcg", asked.unwrap_or_else(|| translated_cpu(qemu.version)))
            }
        }
    }
}

/// Where the named pipe of init's lines is: beside the console's.
pub(super) fn port_path(console: &Path) -> PathBuf {
    joined(console.as_os_str().to_owned(), ".port").into()
}

/// Two parts of a word.
pub(super) fn joined(mut front: OsString, back: &str) -> OsString {
    front.push(back);
    front
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

/// The option that makes a file a backend for a device.
fn file_backend(id: &str, path: &Path) -> OsString {
    with_path(&format!("file,id={id},path="), path)
}

/// The option that makes an image a disk. The format is named, or a guest could write a header
/// into a raw disk that QEMU takes for another format's at the next start.
fn drive(image: &Path) -> OsString {
    with_path("if=virtio,format=qcow2,file=", image)
}

/// An option that ends with a path. A comma separates options there: it is doubled.
pub(super) fn with_path(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    for (index, part) in path.to_string_lossy().split(',').enumerate() {
        if index > 0 {
            option.push(",,");
        }
        option.push(part);
    }
    option
}

/// Words as a shell takes them.
pub(super) fn quoted(argv: &[OsString]) -> String {
    let quote = |word: &OsString| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_the_consoles_path_does_not_begin_an_option() {
        let option = file_backend("console", Path::new("/tmp/a,b/console"));
        assert_eq!(option, "file,id=console,path=/tmp/a,,b/console");
    }

    #[test]
    fn a_disks_format_is_named_and_its_path_cannot_add_options() {
        let option = drive(Path::new("/tmp/a,snapshot=on"));
        assert_eq!(option, "if=virtio,format=qcow2,file=/tmp/a,,snapshot=on");
    }

    #[test]
    fn quoted_words_survive_a_shell() {
        let words: Vec<OsString> = ["plain", "two words", "it's", ""].map(Into::into).to_vec();
        assert_eq!(quoted(&words), r"plain 'two words' 'it'\''s' ''");
        let echoed = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf '[%s]' {}", quoted(&words)))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&echoed.stdout),
            "[plain][two words][it's][]"
        );
    }
}
