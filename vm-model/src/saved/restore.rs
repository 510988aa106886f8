//! Restoring a guest: QEMU is given the state and the memory, and all its orders before it runs.
//!
//! Nothing is waited for but what happens: the first orders lie in the monitor's socket when QEMU
//! starts, the snapshot is looked at while it does, and its event says when the guest runs.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::files::{self, Identity, LONGEST_STATE};
use super::{MEMORY, STATE, Snapshot, TAKE_AGAIN, refused};
use crate::error::{Error, Result};
use crate::guest::hardware::MemoryFile;
use crate::guest::{Pipes, RunningGuest, Word, start_with_monitor};
use crate::qmp::Monitor;

/// The name by which QEMU knows the file of the state.
const FILE: &str = "s";

/// The longest wait before a caller is asked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// What helps where memory is short.
const LESS: &str = "end other programs, or take a snapshot of a guest with less memory: `-m`";

/// A snapshot that was seen to be whole and to fit this machine.
#[derive(Debug)]
pub struct Ready<'a> {
    snapshot: &'a Snapshot,
    qemu: PathBuf,
}

/// A QEMU that was started for a guest of a snapshot and was not given it yet. Dropping it ends
/// QEMU.
#[derive(Debug)]
pub struct Begun {
    running: RunningGuest,
    monitor: Monitor,
}

/// A guest that was restored, or is being.
#[derive(Debug)]
pub struct Restored {
    running: RunningGuest,
    monitor: Monitor,
}

impl Snapshot {
    /// Looks whether it can be restored here. The memory is read only if its file is not known
    /// to be the one that was written.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file is missing, damaged or cut off, if another QEMU or processor
    /// took it, or if its memory is more than this machine has left.
    pub fn ready(&self) -> Result<Ready<'_>> {
        let qemu = self.manifest.checked_qemu(&self.dir)?;
        self.manifest.check_processor(&self.dir)?;
        self.check_room()?;
        self.check_state()?;
        self.check_memory()?;
        Ok(Ready {
            snapshot: self,
            qemu,
        })
    }

    /// Whether its memory is by all signs the file that was written, so that [`ready`](Self::ready)
    /// need not read it.
    #[must_use]
    pub fn is_as_written(&self) -> bool {
        let found = self.memory_file();
        found.is_ok_and(|found| Identity::of(&found) == self.manifest.memory_identity)
    }

    /// Starts a QEMU for a guest of it, which takes longer than to look whether the snapshot is
    /// whole, if it [is as it was written](Self::is_as_written): [`ready`](Self::ready) is for
    /// meanwhile. The clock starts just before QEMU is spawned.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if another QEMU took it, or if its memory is not there,
    /// [`Error::Qemu`] if the program does not start, [`Error::Wait`] and [`Error::Monitor`] if the
    /// kernel gives no pipes or sockets.
    pub fn begin(&self, launcher: &[OsString]) -> Result<Begun> {
        let qemu = self.manifest.checked_qemu(&self.dir)?;
        // QEMU would make a file that is not there, and lengthen one that is too short. It takes
        // none of the memory before it is given the guest.
        self.memory_file()?;
        self.begin_by(&qemu, launcher)
    }

    fn begin_by(&self, qemu: &Path, launcher: &[OsString]) -> Result<Begun> {
        let (mut monitor, other) = Monitor::pair()?;
        let ignoring = json!({ "capability": "x-ignore-shared", "state": true });
        let capabilities = json!({ "capabilities": [ignoring] });
        monitor.ask("migrate-set-capabilities", &capabilities)?;
        let pipes = Pipes::unnamed()?;
        let argv = self.argv(qemu, launcher, &pipes);
        let running = start_with_monitor(argv, pipes, other)?;
        Ok(Begun { running, monitor })
    }

    /// The program and its arguments by which it is restored, but for its two sockets; `launcher`
    /// stands before them.
    fn argv(&self, qemu: &Path, launcher: &[OsString], pipes: &Pipes) -> Vec<OsString> {
        let path = self.dir.join(MEMORY);
        let memory = MemoryFile {
            path: &path,
            shared: false,
        };
        let mut argv = launcher.to_vec();
        argv.push(qemu.into());
        argv.extend(self.manifest.hardware.words(Some(memory)));
        argv.extend(pipes.words());
        // Neither kernel nor archive: both are in the memory.
        argv.extend(["-incoming", "defer"].map(OsString::from));
        argv
    }

    fn check_state(&self) -> Result<()> {
        let expected = &self.manifest.state;
        let mut bytes = Vec::new();
        let read = files::open(&self.dir.join(STATE))
            .and_then(|file| file.take(LONGEST_STATE).read_to_end(&mut bytes));
        read.map_err(|error| self.damaged(STATE, &error.to_string()))?;
        if bytes.len() as u64 != expected.bytes {
            let (is, was) = (bytes.len(), expected.bytes);
            return Err(self.damaged(STATE, &format!("it has {is} bytes and had {was}")));
        }
        match files::sha256(&bytes) == expected.sha256 {
            true => Ok(()),
            false => Err(self.damaged(STATE, "its digest is another")),
        }
    }

    fn check_memory(&self) -> Result<()> {
        let found = self.memory_file()?;
        if Identity::of(&found) == self.manifest.memory_identity {
            return Ok(());
        }
        match files::memory(&self.dir.join(MEMORY), false)? == self.manifest.memory {
            true => Ok(()),
            false => Err(self.damaged(MEMORY, "its digest is another")),
        }
    }

    /// The memory's file, which is there and as long as it has to be.
    fn memory_file(&self) -> Result<Metadata> {
        let found = files::open(&self.dir.join(MEMORY)).and_then(|file| file.metadata());
        let found = found.map_err(|error| self.damaged(MEMORY, &error.to_string()))?;
        let (is, was) = (found.len(), self.manifest.memory.bytes);
        if is != was || was != self.manifest.hardware.ram_bytes() {
            return Err(self.damaged(MEMORY, &format!("it has {is} bytes and had {was}")));
        }
        Ok(found)
    }

    fn check_room(&self) -> Result<()> {
        let needed = self.manifest.hardware.ram_bytes();
        match available() {
            Some(available) if available < needed => {
                let (needed, available) = (needed >> 20, available >> 20);
                let reason =
                    format!("its memory of {needed} MiB is more than the {available} MiB left");
                Err(refused(&self.dir, reason, LESS))
            }
            _ => Ok(()),
        }
    }

    fn damaged(&self, file: &str, why: &str) -> Error {
        refused(
            &self.dir,
            format!("its file `{file}` is damaged: {why}"),
            TAKE_AGAIN,
        )
    }
}

/// What this machine could give to new programs, in bytes.
///
/// Source: `proc_meminfo(5)`, field `MemAvailable`.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

impl Ready<'_> {
    /// Starts a guest of it, as [`Snapshot::begin`] and [`Begun::restore`] do.
    ///
    /// # Errors
    /// As there.
    pub fn start(&self, launcher: &[OsString]) -> Result<Restored> {
        self.snapshot.begin_by(&self.qemu, launcher)?.restore(self)
    }
}

impl Begun {
    /// Gives QEMU the state of a snapshot that was seen to be whole.
    ///
    /// # Errors
    /// [`Error::File`] if the state is out of reach, [`Error::Boot`] with QEMU's words if it has
    /// ended, [`Error::Monitor`] if it does not listen.
    pub fn restore(mut self, ready: &Ready<'_>) -> Result<Restored> {
        let path = ready.snapshot.dir.join(STATE);
        let state = File::open(&path).map_err(Error::file("read", &path))?;
        match self.order(&state) {
            Ok(()) => Ok(Restored {
                running: self.running,
                monitor: self.monitor,
            }),
            Err(error) => Err(self.running.gone_wrong(error)),
        }
    }

    fn order(&mut self, state: &File) -> Result<()> {
        self.monitor.hand_over(FILE, state.as_fd())?;
        let uri = json!({ "uri": format!("fd:{FILE}") });
        self.monitor.ask("migrate-incoming", &uri)
    }
}

impl Restored {
    /// The process id of QEMU (of the launcher, until it has executed QEMU).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until the guest runs, and returns the time since the spawn. Asks several times a
    /// second whether to stop.
    ///
    /// # Errors
    /// [`Error::Monitor`] if QEMU does not restore it, [`Error::Boot`] if QEMU ended,
    /// [`Error::Watchdog`] if nothing happened until `watchdog` after the spawn, or if it was told
    /// to stop. The guest is killed then.
    pub fn wait_running_unless(
        &mut self,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Duration> {
        let deadline = self.running.spawned() + watchdog;
        loop {
            let glance = deadline.min(Instant::now() + GLANCE);
            match self.monitor.event_until(&["RESUME"], glance) {
                Ok(Some(_)) => return Ok(self.running.spawned().elapsed()),
                Ok(None) if Instant::now() < deadline && !stop() => {}
                Ok(None) => return Err(self.running.too_late("to be restored")),
                Err(error) => return Err(self.running.gone_wrong(error)),
            }
        }
    }

    /// Tells the workload to go on, and returns the moment.
    ///
    /// # Errors
    /// [`Error::Boot`] if the guest is gone.
    pub fn go_on(&mut self) -> Result<Instant> {
        self.running.release()
    }

    /// Waits for the workload's first word, or the end of its guest, and returns the time since
    /// the spawn. Asks several times a second whether to stop.
    ///
    /// # Errors
    /// As [`RunningGuest::wait_word_unless`].
    pub fn wait_word_unless(
        &mut self,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Word, Duration)> {
        self.running.wait_word_unless(watchdog, stop)
    }

    /// What the workload said since it was restored.
    #[must_use]
    pub fn said(&self) -> &[u8] {
        self.running.said()
    }

    /// Ends the guest. Does nothing if it is gone.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// The same without waiting until it is gone: dropping this waits.
    pub fn begin_to_kill(&mut self) {
        self.running.begin_to_kill();
    }
}
