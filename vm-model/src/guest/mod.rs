//! A guest: what it is made of, and the command line that follows from it.
//!
//! The guest has two serial ports. The first is the kernel's console, of which the end is kept.
//! The second is the standard input and output of the workload, joined to pipes: one byte out
//! says ready, one line in says go on. A serial port needs no driver module and no protocol, and
//! every distribution's kernel has it built in. Beside them init tells on an I/O port when it
//! begins, when the workload does, and how that ended ([`port`]); with what QEMU itself says that
//! gives the [`phases`] of each boot.

mod boot;
mod channel;
mod clock;
pub(crate) mod command_line;
mod ending;
mod fifo;
mod gone;
pub(crate) mod hardware;
mod network;
pub mod phases;
pub mod port;
pub mod power;
mod run_file;
mod running;
mod starting;
mod tail;
mod trace;
mod typed;
mod waiting;
pub(crate) mod words;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::qemu::Qemu;
pub use boot::Booted;
pub(crate) use channel::STOPPED;
pub use clock::kilohertz as emulated_clock_khz;
pub(crate) use ending::PANICKED;
pub(crate) use fifo::Pipes;
pub use gone::Ended;
pub use hardware::Hardware;
pub use network::{Forward, Network};
pub use phases::Phases;
pub use run_file::{PATH as RUN_FILE, RunFile};
pub use running::RunningGuest;
pub(crate) use starting::start_with_monitor;
pub use typed::{INTERRUPT, Typed};
pub use waiting::Word;

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// The processor itself, through the kernel's `/dev/kvm`.
    Kvm,
    /// QEMU's translator: works everywhere, and times the emulator rather than virtualization.
    Tcg,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

/// What the guest's hardware looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// A PC as distributions expect it.
    Q35,
    /// QEMU's machine for small guests: no PCI, and no firmware but what starts a kernel. Under the
    /// translator a distribution's kernel hangs on it now and then, when it calibrates its timers,
    /// unless it is told how fast its clock ticks, as ours are.
    MicroVm,
}

impl Machine {
    /// QEMU's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::MicroVm => "microvm",
        }
    }
}

/// The command that starts a guest, whichever program runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments, launcher first.
    pub argv: Vec<OsString>,
}

/// A guest to start, as often as wanted.
///
/// ```no_run
/// # use std::{path::Path, time::Duration};
/// # use vm_model::{guest::{Accel, Guest}, initramfs::Archive, kernel, qemu};
/// # fn main() -> vm_model::Result<()> {
/// # let init = b"";
/// Archive::guest(init)?.write_file(Path::new("work/initrd"))?;
/// let guest = Guest::new(qemu::find()?, kernel::find()?, "work/initrd", "work/console.log")
///     .args(["guest", "/true", "hold"])
///     .accel(Accel::Tcg);
/// let mut running = guest.start()?;
/// println!("ready after {:?}", running.wait_ready(Duration::from_secs(20))?);
/// running.release()?;
/// running.wait(Duration::from_secs(5))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Guest {
    qemu: Option<Qemu>,
    machine: Machine,
    kernel: Kernel,
    initrd: PathBuf,
    disk: Option<PathBuf>,
    console: PathBuf,
    args: Vec<String>,
    kernel_options: Vec<String>,
    env: Vec<String>,
    memory_mib: u32,
    vcpus: u32,
    accel: Accel,
    translated_cpu: Option<String>,
    options: Vec<OsString>,
    launcher: Vec<OsString>,
    network: Option<Network>,
}

impl Guest {
    /// A guest of one processor and 256 MiB under the translator, which boots `kernel` with the
    /// archive `initrd`. Its console and its port are named pipes beside `console`, made anew at
    /// each start; what comes out of them, [`RunningGuest`] has.
    #[must_use]
    pub fn new(
        qemu: Qemu,
        kernel: Kernel,
        initrd: impl Into<PathBuf>,
        console: impl Into<PathBuf>,
    ) -> Self {
        Self {
            qemu: Some(qemu),
            ..Self::without_qemu(kernel, initrd, console)
        }
    }

    /// The same for another hypervisor.
    #[must_use]
    pub fn without_qemu(
        kernel: Kernel,
        initrd: impl Into<PathBuf>,
        console: impl Into<PathBuf>,
    ) -> Self {
        clock::begin();
        Self {
            qemu: None,
            machine: Machine::Q35,
            kernel,
            initrd: initrd.into(),
            disk: None,
            console: console.into(),
            args: Vec::new(),
            kernel_options: Vec::new(),
            env: Vec::new(),
            memory_mib: 256,
            vcpus: 1,
            accel: Accel::Tcg,
            translated_cpu: None,
            options: Vec::new(),
            launcher: Vec::new(),
            network: None,
        }
    }

    /// The arguments of the guest's init, which the kernel takes from behind `--`.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Further options for the kernel, after ours, so that they win.
    #[must_use]
    pub fn kernel_options<S: Into<String>>(mut self, options: impl IntoIterator<Item = S>) -> Self {
        self.kernel_options = options.into_iter().map(Into::into).collect();
        self
    }

    /// The environment of the guest's init, as `KEY=value`, beside the kernel's own `HOME=/` and
    /// `TERM=linux`. Keys are of capital letters, digits and underscores, since the kernel takes
    /// its own options, all in small letters, out of the same line.
    ///
    /// Source: `unknown_bootoption` in the kernel's `init/main.c`: what it does not know and has
    /// no dot in its key becomes the environment of init.
    #[must_use]
    pub fn env<S: Into<String>>(mut self, env: impl IntoIterator<Item = S>) -> Self {
        self.env = env.into_iter().map(Into::into).collect();
        self
    }

    /// The guest's memory, in MiB.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// A qcow2 image as the guest's first disk, `/dev/vda` to a kernel with virtio drivers.
    #[must_use]
    pub fn disk(mut self, image: impl Into<PathBuf>) -> Self {
        self.disk = Some(image.into());
        self
    }

    /// A network; it has none otherwise, not even a card.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// The number of virtual processors.
    #[must_use]
    pub fn vcpus(mut self, vcpus: u32) -> Self {
        self.vcpus = vcpus;
        self
    }

    /// What executes the guest's instructions.
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = accel;
        self
    }

    /// The processor that the translator is to play, in the words of QEMU's `-cpu`, in place of
    /// the one that boots fastest.
    #[must_use]
    pub fn translated_cpu(mut self, cpu: impl Into<String>) -> Self {
        self.translated_cpu = Some(cpu.into());
        self
    }

    /// The machine that QEMU plays: q35, if nothing else is said.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Further words for the end of QEMU's command line.
    #[must_use]
    pub fn options<S: Into<OsString>>(mut self, options: impl IntoIterator<Item = S>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// A socket at `path` on which QEMU takes commands (QMP).
    #[must_use]
    pub fn qmp(self, path: &Path) -> Self {
        let socket = words::with_path("unix:", path);
        let socket = command_line::joined(socket, ",server=on,wait=off");
        self.options([OsString::from("-qmp"), socket])
    }

    /// A program and its arguments to put before QEMU's command line. It must `exec` what follows
    /// it, keeping its own process and standard streams.
    #[must_use]
    pub fn launcher<S: Into<OsString>>(mut self, launcher: impl IntoIterator<Item = S>) -> Self {
        self.launcher = launcher.into_iter().map(Into::into).collect();
        self
    }

    /// Where the console's named pipe is made.
    #[must_use]
    pub fn console(mut self, console: impl Into<PathBuf>) -> Self {
        self.console = console.into();
        self
    }

    /// What executes this guest's instructions.
    #[must_use]
    pub fn accelerator(&self) -> Accel {
        self.accel
    }

    /// The size of its memory, in bytes.
    #[must_use]
    pub fn ram_bytes(&self) -> u64 {
        u64::from(self.memory_mib) << 20
    }

    /// What it is made of; nothing if no QEMU runs it.
    #[must_use]
    pub fn hardware(&self) -> Option<Hardware> {
        Hardware::of(self)
    }

    /// Whether it has a disk.
    #[must_use]
    pub fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// The kernel that it boots.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The QEMU that runs it, if one does.
    #[must_use]
    pub fn qemu(&self) -> Option<&Qemu> {
        self.qemu.as_ref()
    }

    /// The machine that QEMU plays.
    #[must_use]
    pub fn machine_type(&self) -> Machine {
        self.machine
    }

    /// This QEMU runs it.
    pub(crate) fn with_qemu(mut self, qemu: Qemu) -> Self {
        self.qemu = Some(qemu);
        self
    }

    /// The same with named pipes that no other start has: of two that begin at once with one name,
    /// the second would take the pipe away before the first QEMU has opened it.
    pub(crate) fn with_own_pipes(&self) -> Self {
        static STARTS: AtomicU64 = AtomicU64::new(0);
        let mut console = self.console.clone().into_os_string();
        console.push(format!(".{}", STARTS.fetch_add(1, Ordering::Relaxed)));
        self.clone().console(console)
    }

    /// Another first word for our init, which says how it talks and ends.
    pub(crate) fn init_word(mut self, word: &str) -> Self {
        if let Some(first) = self.args.first_mut() {
            word.clone_into(first);
        }
        self
    }

    /// The words before the hypervisor's own.
    pub(crate) fn launcher_words(&self) -> Vec<OsString> {
        self.launcher.clone()
    }

    /// Where the console's named pipe is made.
    pub(crate) fn console_path(&self) -> &Path {
        &self.console
    }

    /// The archive that it boots with.
    #[must_use]
    pub fn initrd(&self) -> &Path {
        &self.initrd
    }

    /// The number of its virtual processors.
    #[must_use]
    pub fn processors(&self) -> u32 {
        self.vcpus
    }

    /// Where the named pipe of init's lines is made.
    #[must_use]
    pub fn port(&self) -> PathBuf {
        command_line::port_path(&self.console)
    }

    /// The whole command line from QEMU on as a shell would take it: evidence for the report, and
    /// what to type to see the same boot by hand.
    #[must_use]
    pub fn describe(&self) -> String {
        let argv = self.argv().unwrap_or_default();
        words::quoted(argv.get(self.launcher.len()..).unwrap_or_default())
    }

    /// Starts the guest. The clock starts just before the process is spawned.
    ///
    /// # Errors
    /// [`Error::File`] if the kernel, the archive or the console file is out of reach,
    /// [`Error::Guest`] for an argument or a variable that the kernel's command line cannot carry,
    /// [`Error::Qemu`] if the program does not start.
    pub fn start(&self) -> Result<RunningGuest> {
        let guest = self.with_own_pipes();
        let argv = guest.argv().ok_or_else(|| Error::Guest {
            reason: "no QEMU was given".to_owned(),
        })?;
        guest.start_as(&Launch { argv })
    }

    /// As [`start`](Self::start), by another command than QEMU's: one that joins the workload to
    /// its standard input and output, and init's lines to [`port`](Self::port) if it can. Nobody
    /// else may be starting on the same [`console`](Self::console).
    ///
    /// # Errors
    /// As there.
    pub fn start_as(&self, launch: &Launch) -> Result<RunningGuest> {
        self.check()?;
        starting::start(self, launch)
    }

    /// Starts the guest and waits until it is ready, again after a hang: up to `tries` times,
    /// each within `watchdog`.
    ///
    /// Only a guest that stays silent is started again; one that fails says why, and would fail
    /// again. What was lost is in [`Booted::failures`], never hidden.
    ///
    /// # Errors
    /// As [`Guest::start`] and [`RunningGuest::wait_ready`]; [`Error::Tries`] if each try hung.
    pub fn boot_with_retries(&self, watchdog: Duration, tries: u32) -> Result<Booted> {
        boot::with_retries(self, watchdog, tries)
    }
}

impl Guest {
    /// Refuses what would not reach init as it was given.
    pub(crate) fn check(&self) -> Result<()> {
        let refused = |reason: String| Err(Error::Guest { reason });
        let words = self.args.iter().chain(&self.kernel_options);
        for arg in words.chain(&self.env) {
            if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || c == '"' || c == '\0')
            {
                return refused(format!("the kernel's command line cannot carry `{arg}`"));
            }
        }
        for word in &self.env {
            let key = word.split_once('=').map_or("", |(key, _)| key);
            let named = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if key.is_empty() || !key.chars().all(named) {
                return refused(format!("the kernel would not hand `{word}` to its init"));
            }
        }
        // MAX_INIT_ARGS, MAX_INIT_ENVS (two are taken) and COMMAND_LINE_SIZE in the kernel's
        // sources.
        if self.args.len() > 32 || self.env.len() > 30 {
            return refused("its init takes at most 32 arguments and 30 variables".to_owned());
        }
        if self.kernel_command_line().len() >= 2048 {
            return refused("the kernel's command line is 2048 bytes or longer".to_owned());
        }
        if self.vcpus == 0 || self.memory_mib < 64 {
            return refused("it needs a processor and at least 64 MiB".to_owned());
        }
        Ok(())
    }
}
