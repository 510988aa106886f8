//! The command lines of QEMU and of the kernel, and why each word is on them. What a guest is made
//! of stands apart, in [`hardware`](super::hardware).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::hardware::MemoryFile;
use super::words::with_path;
use super::{Accel, Guest, clock, trace};

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

/// What an emulated kernel is told that is to be saved: it would guard against faults that only
/// real processors have, and what is translated anew at each restore is that much longer. A boot
/// gains nothing by it.
const UNGUARDED: &str = "mitigations=off";

impl Guest {
    /// This guest so that it is restored soonest. What its own kernel options say still wins.
    pub(crate) fn to_be_saved(&self) -> Self {
        let mut guest = self.clone();
        if self.accel == Accel::Tcg {
            guest.kernel_options.insert(0, UNGUARDED.to_owned());
        }
        guest
    }

    /// The kernel's command line, init's environment and arguments included.
    pub(crate) fn kernel_command_line(&self) -> String {
        let mut words: Vec<&str> = KERNEL_OPTIONS.to_vec();
        let clock = match self.accel {
            Accel::Kvm => None, // which tells the kernel itself
            Accel::Tcg => clock::kilohertz().map(|clock| format!("tsc_early_khz={clock}")),
        };
        words.extend(clock.as_deref());
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
        let mut argv = self.argv_but_channel(None)?;
        let channel = "stdio,id=channel,signal=off";
        argv.extend(["-chardev", channel, "-trace", trace::EVENT].map(OsString::from));
        argv.extend(self.options.iter().cloned());
        Some(argv)
    }

    /// The same without the channel's other end, and with the memory in a file where one is named.
    pub(crate) fn argv_but_channel(&self, memory: Option<MemoryFile<'_>>) -> Option<Vec<OsString>> {
        let mut argv = self.launcher.clone();
        argv.push(self.qemu.as_ref()?.path.clone().into());
        argv.extend(self.hardware()?.words(memory));
        let mut add = |words: &[&OsStr]| argv.extend(words.iter().map(|&word| word.to_owned()));
        let word = OsStr::new;
        add(&[word("-kernel"), self.kernel.path.as_os_str()]);
        add(&[word("-initrd"), self.initrd.as_os_str()]);
        add(&["-append", &self.kernel_command_line()].map(word));
        if let Some(disk) = &self.disk {
            add(&[word("-drive"), &drive(disk)]);
        }
        if let Some(network) = &self.network {
            argv.extend(network.words());
        }
        argv.extend(stream_words(&self.console, &port_path(&self.console)));
        Some(argv)
    }
}

/// The words by which the console and init's lines go to pipes at these paths.
pub(crate) fn stream_words(console: &Path, port: &Path) -> [OsString; 4] {
    let option = OsString::from("-chardev");
    let [console, port] =
        [("console", console), ("port", port)].map(|(id, path)| file_backend(id, path));
    [option.clone(), console, option, port]
}

/// Where the named pipe of init's lines is: beside the console's.
pub(crate) fn port_path(console: &Path) -> PathBuf {
    joined(console.as_os_str().to_owned(), ".port").into()
}

/// Two parts of a word.
pub(super) fn joined(mut front: OsString, back: &str) -> OsString {
    front.push(back);
    front
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    #[test]
    fn a_guest_that_is_saved_guards_itself_where_a_processor_executes_it_or_it_is_asked_to() {
        let kernel = Kernel {
            path: "vmlinux".into(),
            release: "6".to_owned(),
            bytes: 4,
        };
        let guest = Guest::without_qemu(kernel, "initrd", "console");
        let told = |guest: Guest| {
            let line = guest.to_be_saved().kernel_command_line();
            let words = line
                .split(' ')
                .filter_map(|w| w.strip_prefix("mitigations="));
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(told(guest.clone().accel(Accel::Tcg)), ["off"]);
        assert_eq!(told(guest.clone().accel(Accel::Kvm)), [""; 0]);
        // The kernel goes by the last.
        let asked = guest.accel(Accel::Tcg).kernel_options(["mitigations=auto"]);
        assert_eq!(told(asked), ["off", "auto"]);
    }

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
}
