//! A guest that runs: its clock, its two messages, and its certain end.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::Guest;
use super::channel::{Channel, Event};
use crate::error::{Error, Result};

/// The byte that a workload writes when it is ready.
const READY: u8 = b'R';

/// The longest wait before a caller is asked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// How a kernel says that it gives up.
const PANIC: &str = "Kernel panic - not syncing: ";

/// How we say that it did.
pub(crate) const PANICKED: &str = "its kernel panicked";

/// A running guest. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct RunningGuest {
    child: Child,
    channel: Channel,
    spawned: Instant,
    console: PathBuf,
}

/// How a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// QEMU's exit status. It is 0 after a power-off and after a guest's panic alike.
    pub status: ExitStatus,
    /// When QEMU was gone and reaped.
    pub at: Instant,
}

/// Starts QEMU with the channel on its standard streams.
pub(super) fn start(guest: &Guest) -> Result<RunningGuest> {
    for path in [&guest.kernel.path, &guest.initrd] {
        File::open(path).map_err(Error::file("read", path))?;
    }
    File::create(&guest.console).map_err(Error::file("create", &guest.console))?;
    let argv = guest.argv();
    let mut command = Command::new(&argv[0]);
    command
        .args(&argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let spawned = Instant::now();
    let mut child = command.spawn().map_err(|error| Error::Qemu {
        program: argv[0].to_string_lossy().into_owned(),
        reason: format!("it does not start: {error}"),
    })?;
    Ok(RunningGuest {
        channel: Channel::of(&mut child),
        child,
        spawned,
        console: guest.console.clone(),
    })
}

impl RunningGuest {
    /// The process id of QEMU (of the launcher, until it has executed QEMU).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The moment just before QEMU was spawned.
    #[must_use]
    pub fn spawned(&self) -> Instant {
        self.spawned
    }

    /// Waits for the workload's ready byte and returns the time from the spawn to its arrival.
    /// The watchdog counts from the spawn as well.
    ///
    /// # Errors
    /// [`Error::Watchdog`] if nothing came in time, [`Error::Boot`] if the guest ended first, was
    /// stopped by KVM, or said something else. The guest is killed in each of these cases.
    pub fn wait_ready(&mut self, watchdog: Duration) -> Result<Duration> {
        self.wait_ready_unless(watchdog, &|| false)
    }

    /// As [`wait_ready`](Self::wait_ready), but asks several times a second whether to stop.
    ///
    /// # Errors
    /// As there; [`Error::Watchdog`] also where it was told to stop, with the time that it had.
    pub fn wait_ready_unless(
        &mut self,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Duration> {
        let deadline = self.spawned + watchdog;
        while self.channel.said().is_empty() {
            match self.channel.look(deadline.min(Instant::now() + GLANCE))? {
                Event::Said => {}
                Event::Closed => return Err(self.ended_early()),
                Event::TimedOut if Instant::now() >= deadline || stop() => {
                    self.kill();
                    let waited = watchdog.min(self.spawned.elapsed());
                    return Err(self.watchdog_error("to be ready", waited));
                }
                Event::TimedOut => {}
            }
            if let Some(message) = self.channel.stopped() {
                return Err(self.boot_error(message));
            }
        }
        if self.channel.said().starts_with(&[READY]) {
            return Ok(self.spawned.elapsed());
        }
        // Not the byte but a complaint: wait for the rest of it, briefly.
        let brief = Instant::now() + Duration::from_millis(500);
        while matches!(self.channel.look(brief)?, Event::Said) {}
        let said = String::from_utf8_lossy(self.channel.said())
            .trim()
            .to_owned();
        Err(self.boot_error(format!(
            "the workload wrote `{said}` and not the ready byte"
        )))
    }

    /// Waits until the console shows `line`, as a distribution's guest does that has no workload of
    /// ours to write a byte: a login prompt, say. Returns the time from the spawn; the watchdog
    /// counts from the spawn as well. Asks several times a second whether to stop.
    ///
    /// # Errors
    /// As [`wait_ready_unless`](Self::wait_ready_unless); [`Error::File`] if the console cannot be
    /// read.
    pub fn wait_console_unless(
        &mut self,
        line: &str,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Duration> {
        let deadline = self.spawned + watchdog;
        loop {
            let console = fs::read(&self.console).map_err(Error::file("read", &self.console))?;
            if String::from_utf8_lossy(&console).contains(line) {
                return Ok(self.spawned.elapsed());
            }
            if Instant::now() >= deadline || stop() {
                self.kill();
                let waited = watchdog.min(self.spawned.elapsed());
                return Err(self.watchdog_error("to show its prompt", waited));
            }
            if let Event::Closed = self.channel.look(deadline.min(Instant::now() + GLANCE))? {
                return Err(self.ended_early());
            }
        }
    }

    /// Lets a held workload go on, and returns the moment: the clock of the teardown.
    ///
    /// # Errors
    /// [`Error::Boot`] if the guest is gone.
    pub fn release(&mut self) -> Result<Instant> {
        let at = Instant::now();
        match self.channel.send_go_on() {
            Ok(()) => Ok(at),
            Err(_) => Err(self.ended_early()),
        }
    }

    /// Waits until QEMU is gone, at most for `watchdog` from now.
    ///
    /// # Errors
    /// [`Error::Watchdog`] if it is still there; it is killed then. [`Error::Boot`] if QEMU ended
    /// with another status than 0, or if its kernel panicked, which leaves a status of 0 too.
    pub fn wait(&mut self, watchdog: Duration) -> Result<Ended> {
        self.wait_unless(watchdog, &|| false)
    }

    /// As [`wait`](Self::wait), but asks several times a second whether to stop.
    ///
    /// # Errors
    /// As there; [`Error::Watchdog`] also where it was told to stop, with the time that it had.
    pub fn wait_unless(&mut self, watchdog: Duration, stop: &dyn Fn() -> bool) -> Result<Ended> {
        let begun = Instant::now();
        let deadline = begun + watchdog;
        loop {
            match self.channel.look(deadline.min(Instant::now() + GLANCE))? {
                Event::Closed => break,
                // A guest that goes on talking is not deaf to the word to stop either.
                Event::Said | Event::TimedOut if Instant::now() >= deadline || stop() => {
                    self.kill();
                    let waited = watchdog.min(begun.elapsed());
                    return Err(self.watchdog_error("to power off", waited));
                }
                Event::Said | Event::TimedOut => {}
            }
        }
        let status = self.reap(deadline);
        let ended = Ended {
            status,
            at: Instant::now(),
        };
        if status.success() && self.panic().is_none() {
            Ok(ended)
        } else {
            Err(self.ended_early())
        }
    }

    /// What the workload has said so far, the ready byte included.
    #[must_use]
    pub fn said(&self) -> &[u8] {
        self.channel.said()
    }

    /// Kills QEMU and reaps it. Does nothing if it is gone.
    pub fn kill(&mut self) {
        // Both fail only if it is gone already, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the exit that must follow the closing of its pipes, and kills what lingers.
    fn reap(&mut self, deadline: Instant) -> ExitStatus {
        let mut pause = Duration::from_micros(100);
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        self.kill();
        self.child.wait().unwrap_or_default()
    }

    /// Ends the guest and words its end as an error.
    fn boot_error(&mut self, reason: String) -> Error {
        self.kill();
        Error::Boot {
            reason,
            console: self.last_lines(),
        }
    }

    fn watchdog_error(&self, to: &'static str, watchdog: Duration) -> Error {
        Error::Watchdog {
            to,
            waited_ms: watchdog.as_millis(),
            console: self.last_lines(),
        }
    }

    /// Words the end of a guest that is gone before its time.
    fn ended_early(&mut self) -> Error {
        let status = self.reap(Instant::now() + Duration::from_secs(1));
        self.channel.drain_messages();
        let reason = match self.panic() {
            Some(cause) => format!("{PANICKED}: {cause}"),
            None if status.success() => "it powered off or restarted too early".to_owned(),
            None => format!("QEMU ended with {status}"),
        };
        self.boot_error(reason)
    }

    /// The cause of its kernel's panic, if the console tells of one.
    fn panic(&self) -> Option<String> {
        let console = fs::read(&self.console).ok()?;
        let console = String::from_utf8_lossy(&console);
        let (_, cause) = console.lines().find_map(|line| line.split_once(PANIC))?;
        Some(cause.trim().to_owned())
    }

    /// The last lines of the console, then of QEMU's messages: enough to see what went wrong.
    fn last_lines(&self) -> String {
        let console = fs::read(&self.console).unwrap_or_default();
        let last = |bytes: &[u8], count| {
            let text = String::from_utf8_lossy(bytes);
            let lines: Vec<_> = text
                .lines()
                .map(str::trim_end)
                .filter(|l| !l.is_empty())
                .collect();
            lines[lines.len().saturating_sub(count)..].join("\n")
        };
        let parts = [last(&console, 8), last(self.channel.messages(), 4)];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for RunningGuest {
    fn drop(&mut self) {
        self.kill();
    }
}
