//! Guests by hand: command lines of QEMU as somebody writes them who wants the same guest soonest,
//! with everything that was found to help, and without anything of ours but the program in the
//! guest. Whatever wins here is to become ours.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// What every guest of the races has.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) qemu: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    /// Its memory, in MiB.
    pub(super) memory: u32,
    /// How fast an emulated guest's clock ticks, in kHz.
    pub(super) clock: Option<u64>,
}

/// A way to put QEMU's options.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) name: &'static str,
    machine: &'static str,
    /// The second serial port: the small machine knows one only.
    second_port: [&'static str; 2],
    kernel: &'static str,
    /// Its memory is in a file, of which there are no huge pages. That of a saved guest always is.
    small_pages: bool,
    pub(super) note: &'static str,
}

/// The options of the kernel that are in all of them.
const KERNEL: &str = "console=ttyS0 loglevel=1 panic=-1 random.trust_cpu=on cryptomgr.notests \
                      tsc=reliable no_timer_check i8042.nokbd i8042.noaux noreplace-smp";

/// A PC without what the guest does not use.
const PC: &str = "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,graphics=off";
/// QEMU's machine for small guests.
const SMALL: &str = "microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,acpi=off";

/// The processor: what costs an emulator most is left out.
const CPU: &str = "max,la57=off,erms=off,fsrm=off";

/// The command lines that are raced, the plainest first.
pub(super) const LINES: [Line; 5] = [
    Line {
        name: "q35 by hand",
        machine: PC,
        second_port: ["-serial", "chardev:channel"],
        kernel: "",
        small_pages: false,
        note: "QEMU's PC without what is not used, qboot, an unpacked kernel, a quiet console",
    },
    Line {
        name: "q35 by hand, lean",
        machine: PC,
        second_port: ["-serial", "chardev:channel"],
        kernel: "mitigations=off",
        small_pages: false,
        note: "the same; its kernel does not guard against faults of real processors",
    },
    Line {
        name: "microvm by hand",
        machine: SMALL,
        second_port: ["-device", "isa-serial,index=1,chardev=channel"],
        kernel: "",
        small_pages: false,
        note: "QEMU's machine for small guests, without a watchdog",
    },
    Line {
        name: "microvm by hand, small pages",
        machine: SMALL,
        second_port: ["-device", "isa-serial,index=1,chardev=channel"],
        kernel: "",
        small_pages: true,
        note: "the same; its memory is in a sparse file, mapped for itself alone: no huge pages",
    },
    Line {
        name: "microvm by hand, lean",
        machine: SMALL,
        second_port: ["-device", "isa-serial,index=1,chardev=channel"],
        kernel: "mitigations=off",
        small_pages: false,
        note: "small guests' machine; its kernel does not guard against faults of real processors",
    },
];

/// How long a guest may take to be ready or saved.
const PATIENCE: Duration = Duration::from_secs(30);

impl Line {
    /// QEMU and what the guest is made of; its memory in a file, where one is named.
    fn hardware(&self, setting: &Setting, memory: Option<(&Path, &str)>) -> Command {
        let mut command = Command::new(&setting.qemu);
        let size = setting.memory.to_string();
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ]);
        command.args(["-bios", "qboot.rom", "-accel", "tcg", "-cpu", CPU]);
        command.args(["-m", &size, "-smp", "1"]);
        match memory {
            None => command.args(["-machine", self.machine]),
            Some((path, share)) => {
                let machine = format!("{},memory-backend=ram,suppress-vmdesc=on", self.machine);
                let path = path.display();
                let object = format!(
                    "memory-backend-file,id=ram,size={size}M,share={share},mem-path={path}"
                );
                command.args(["-machine", &machine, "-object", &object])
            }
        };
        command.args(["-chardev", "null,id=console", "-serial", "chardev:console"]);
        command.args(self.second_port);
        // Through these the guest's init ends the machine, which takes less than to power off.
        command.args(["-chardev", "null,id=port"]);
        command.args(["-device", "isa-debugcon,iobase=0xe9,chardev=port"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        command
    }

    fn software(&self, command: &mut Command, setting: &Setting, program: &str) {
        command.arg("-kernel").arg(&setting.kernel);
        command.arg("-initrd").arg(&setting.initrd);
        let clock = setting.clock.map(|clock| format!("tsc_early_khz={clock}"));
        let clock = clock.unwrap_or_default();
        let words = format!("{KERNEL} {clock} {} -- guest /true {program}", self.kernel);
        command.args(["-append", &words]);
    }

    /// Whether guests of it are saved and restored: with small pages it would be another's double.
    pub(super) fn is_restored(&self) -> bool {
        !self.small_pages
    }

    /// A boot of a guest that ends when its program has said its byte; `memory` is a
    /// sparse file as long as its memory.
    pub(super) fn boot(&self, setting: &Setting, memory: &Path) -> Command {
        let memory = self.small_pages.then_some((memory, "off"));
        let mut command = self.hardware(setting, memory);
        self.software(&mut command, setting, "exit");
        command.args(["-chardev", "null,id=channel"]);
        command
    }

    /// Saves a guest that is ready into `dir`.
    pub(super) fn save(&self, setting: &Setting, dir: &Path) -> Result<()> {
        fs::create_dir(dir)?;
        let mut command = self.hardware(setting, Some((&dir.join("ram"), "on")));
        self.software(&mut command, setting, "hold");
        let socket = dir.join("socket");
        let channel = format!(
            "socket,path={},server=on,wait=off,id=channel",
            socket.display()
        );
        command.args(["-chardev", &channel, "-qmp", "stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start QEMU")?;
        let saved = save(&mut child, &socket, &dir.join("state"));
        // Whatever became of it.
        let _ = child.kill();
        child.wait()?;
        saved?;
        // A pipe is two files: what QEMU reads, and what it writes to.
        let orders = format!(
            "{}\n{}\n{}\n",
            r#"{"execute": "qmp_capabilities"}"#,
            IGNORE_SHARED,
            r#"{"execute": "migrate-incoming", "arguments": {"uri": "fd:0"}}"#
        );
        // What comes before the state is loaded is lost: so the line is there several times.
        for (name, text) in [("orders", &*orders), ("channel", &"\n".repeat(16))] {
            fs::write(dir.join(format!("{name}.in")), text)?;
            symlink("/dev/null", dir.join(format!("{name}.out")))?;
        }
        Ok(())
    }

    /// A restore of what was saved in `dir`, with the state as standard input.
    pub(super) fn restore(&self, setting: &Setting, dir: &Path) -> Command {
        let mut command = self.hardware(setting, Some((&dir.join("ram"), "off")));
        for (id, more) in [("channel", &[][..]), ("orders", &["-mon", MONITOR])] {
            let pipe = format!("pipe,id={id},path={}", dir.join(id).display());
            command.args(["-chardev", &pipe]).args(more);
        }
        command.args(["-incoming", "defer"]);
        command
    }
}

const MONITOR: &str = "chardev=orders,mode=control";
const IGNORE_SHARED: &str = r#"{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "x-ignore-shared", "state": true}]}}"#;

/// Waits until the guest is ready, and has QEMU write its state.
fn save(child: &mut Child, socket: &Path, state: &Path) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut input = child.stdin.take().context("its input is piped")?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let mut channel = loop {
        match UnixStream::connect(socket) {
            Ok(channel) => break channel,
            Err(error) if Instant::now() > end => return Err(error).context("QEMU is silent"),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    channel.set_read_timeout(Some(PATIENCE))?;
    let mut ready = [0];
    channel
        .read_exact(&mut ready)
        .context("the guest is not ready")?;
    ensure!(ready == *b"R", "the guest said something else");
    let mut order = |line: &str| -> Result<String> {
        writeln!(input, "{line}")?;
        loop {
            let line = lines.next().context("QEMU is gone")??;
            ensure!(!line.contains(r#""error""#), "QEMU refuses: {line}");
            if line.contains(r#""return""#) {
                return Ok(line);
            }
        }
    };
    let uri = format!("exec:cat > '{}'", state.display());
    order(r#"{"execute": "qmp_capabilities"}"#)?;
    order(IGNORE_SHARED)?;
    order(&format!(
        r#"{{"execute": "migrate", "arguments": {{"uri": "{uri}"}}}}"#
    ))?;
    while Instant::now() < end {
        let told = order(r#"{"execute": "query-migrate"}"#)?;
        if told.contains(r#""completed""#) {
            File::open(state)?.sync_all()?;
            return Ok(());
        }
        ensure!(!told.contains(r#""failed""#), "QEMU cannot save it: {told}");
        thread::sleep(Duration::from_millis(20));
    }
    bail!("QEMU does not save it in time")
}
