//! Saving a guest: boot, wait until it is ready, keep its devices' state and its memory, end it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use serde_json::json;

use super::files::{self, Content, Until};
use super::manifest::{Found, Manifest};
use super::partial::Partial;
use super::{MEMORY, STATE, Snapshot};
use crate::error::{Error, Result};
use crate::guest::hardware::MemoryFile;
use crate::guest::words::quoted;
use crate::guest::{Guest, Pipes, RunningGuest, start_with_monitor};
use crate::qemu::{Qemu, Version};
use crate::qmp::Monitor;

/// The oldest QEMU whose machines take their memory from a file that is named.
const OLDEST: Version = Version { major: 5, minor: 0 };

/// How long QEMU may take to save what is no memory.
const SAVING: Duration = Duration::from_secs(30);

/// The name by which QEMU knows the pipe for the state.
const PIPE: &str = "state";

/// How long a guest may be silent, and how often it is booted again if it was.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the spawn to the ready byte.
    pub watchdog: Duration,
    /// How many boots at most.
    pub tries: usize,
}

/// A guest that was saved, and what it took.
#[derive(Debug)]
pub struct Taken {
    /// The guest.
    pub snapshot: Snapshot,
    /// The boots that hung before the one that did not: to be reported.
    pub failures: Vec<Error>,
}

/// Boots `guest`, waits until it is ready and saves it as `target`, a directory that appears when
/// all of it is on the disk. The guest is ended. Asks several times a second whether to stop.
///
/// # Errors
/// [`Error::Snapshot`] if something is there already, if the guest has a disk or QEMU is too old;
/// as [`Guest::boot_with_retries`] if it does not boot; [`Error::Monitor`] if QEMU does not save
/// it; [`Error::File`] if there is no space. Nothing is left in each of these cases.
pub fn take(
    guest: &Guest,
    target: &Path,
    patience: Patience,
    stop: &dyn Fn() -> bool,
) -> Result<Taken> {
    check(guest, target)?;
    let guest = &guest.to_be_saved();
    let partial = Partial::beside(target)?;
    let mut failures = Vec::new();
    let mut saving = loop {
        match Saving::boot(guest, partial.path(), patience.watchdog, stop) {
            Ok(saving) => break saving,
            Err(error @ Error::Watchdog { .. }) if !stop() => failures.push(error),
            Err(error) => return Err(error),
        }
        if failures.len() >= patience.tries.max(1)
            && let Some(last) = failures.pop()
        {
            let tries = failures.len() + 1;
            let last = Box::new(last);
            return Err(Error::Tries { tries, last });
        }
    };
    let begun = Instant::now();
    let state = saving.save_state(partial.path())?;
    saving.end()?;
    let memory_path = partial.path().join(MEMORY);
    let memory = files::memory(&memory_path, true)?;
    let synced = File::open(&memory_path).and_then(|file| file.sync_all());
    synced.map_err(Error::file("write", &memory_path))?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let found = Found {
        command: saving.command,
        startup_ms: milliseconds(saving.startup),
        saving_ms: milliseconds(begun.elapsed()),
        state,
        memory,
    };
    let manifest = Manifest::of(guest, partial.path(), found)?;
    manifest.write(partial.path())?;
    partial
        .publish(target)
        .map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                taken_already(target)
            }
            _ => Error::file("write", target)(error),
        })?;
    let snapshot = Snapshot {
        dir: target.to_owned(),
        manifest,
    };
    Ok(Taken { snapshot, failures })
}

/// Refuses what cannot be saved, before anything is begun.
fn check(guest: &Guest, target: &Path) -> Result<()> {
    if target.exists() {
        return Err(taken_already(target));
    }
    let version = qemu_of(guest, target)?.version;
    if version < OLDEST {
        let reason = format!("QEMU is {version}, and {OLDEST} is the oldest that saves guests");
        return Err(refused(target, reason, "install a newer QEMU"));
    }
    // QEMU writes to its memory, and has no word for a disk that is full.
    let needed = guest.ram_bytes();
    let room = target.ancestors().skip(1).find_map(|dir| statvfs(dir).ok());
    let room = room.map(|there| there.blocks_available() * there.fragment_size());
    if let Some(room) = room.filter(|room| *room < needed) {
        let (needed, room) = (needed >> 20, room >> 20);
        let reason = format!("its {needed} MiB are more than the {room} MiB that the disk has");
        return Err(refused(
            target,
            reason,
            "free some space, or take less with -m",
        ));
    }
    if guest.has_disk() {
        return Err(refused(
            target,
            "the guest has a disk, which clones of it would write to at once",
            "save a guest without one",
        ));
    }
    guest.check()
}

/// The QEMU that runs the guest: no other program's guests are saved.
pub(super) fn qemu_of<'a>(guest: &'a Guest, target: &Path) -> Result<&'a Qemu> {
    let other = || refused(target, "it does not run under QEMU", "save a guest of QEMU");
    guest.qemu().ok_or_else(other)
}

fn taken_already(target: &Path) -> Error {
    refused(
        target,
        "something of this name is there already",
        "choose another name, or remove that one: `isolab vm snapshot rm NAME`",
    )
}

fn refused(target: &Path, reason: impl Into<String>, remedy: &'static str) -> Error {
    Error::Snapshot {
        action: "take",
        path: target.to_owned(),
        reason: reason.into(),
        remedy,
    }
}

/// A guest that is ready, and QEMU's monitor.
struct Saving {
    running: RunningGuest,
    monitor: Monitor,
    startup: Duration,
    command: String,
}

impl Saving {
    /// Boots the guest with its memory in a file of `dir`.
    fn boot(
        guest: &Guest,
        dir: &Path,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let path = dir.join(MEMORY);
        // Of a try that hung there is one already, and QEMU would take it as it is.
        File::create(&path).map_err(Error::file("write", &path))?;
        let memory = MemoryFile {
            path: &path,
            shared: true,
        };
        let pipes = Pipes::at(guest.console_path())?;
        let argv = guest.argv_but_channel(Some(memory)).unwrap_or_default();
        let (monitor, other) = Monitor::pair()?;
        let command = quoted(&argv);
        let mut running = start_with_monitor(argv, pipes, other)?;
        let startup = running.wait_ready_unless(watchdog, stop)?;
        Ok(Self {
            running,
            monitor,
            startup,
            command,
        })
    }

    /// Saves all but the memory into a file of `dir`. The guest does not run any more then.
    fn save_state(&mut self, dir: &Path) -> Result<Content> {
        let path = dir.join(STATE);
        self.try_to_save(&path)
            .map_err(|error| self.running.gone_wrong(error))
    }

    fn try_to_save(&mut self, path: &Path) -> Result<Content> {
        let deadline = Instant::now() + SAVING;
        let monitor = &mut self.monitor;
        let on = |capability| json!({ "capability": capability, "state": true });
        let capabilities = json!({ "capabilities": [on("x-ignore-shared"), on("events")] });
        monitor.ask("migrate-set-capabilities", &capabilities)?;
        let (reader, writer) = io::pipe().map_err(|source| Error::Wait { source })?;
        monitor.hand_over(PIPE, writer.as_fd())?;
        // No `stop` before it: a guest that was stopped would be restored as one, and have to be
        // told to run. QEMU stops it for the last part, which here is all.
        monitor.ask("migrate", &json!({ "uri": format!("fd:{PIPE}") }))?;
        monitor.settle(deadline)?;
        // What is left is QEMU's: its end is the end of the state.
        drop(writer);
        let file = File::create_new(path).map_err(Error::file("write", path))?;
        let pipe = Until {
            pipe: &reader,
            deadline,
        };
        let state = files::copied(pipe, &file).map_err(Error::file("write", path))?;
        file.sync_all().map_err(Error::file("write", path))?;
        loop {
            let event = monitor.wait_event(&["MIGRATION"], deadline)?;
            match event.data.get("status").and_then(serde_json::Value::as_str) {
                Some("completed") => return Ok(state),
                Some(status @ ("failed" | "cancelled")) => {
                    return Err(Error::Monitor {
                        command: "migrate".to_owned(),
                        reason: format!("it {status}"),
                    });
                }
                _ => {}
            }
        }
    }

    /// Ends QEMU, so that nobody writes to the memory any more.
    fn end(&mut self) -> Result<()> {
        self.monitor.quit();
        self.running.wait(SAVING).map(drop)
    }
}
