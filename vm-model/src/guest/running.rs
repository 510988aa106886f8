//! A guest that runs: its clock, its two messages, and its certain end.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Guest;
use crate::error::{Error, Result};

/// The byte that a workload writes when it is ready.
const READY: u8 = b'R';

/// The line that lets a held workload go on.
const GO_ON: &[u8] = b"\n";

/// How QEMU says on its standard error that the guest will never run on. It goes on existing.
const STOPPED: [&str; 2] = ["KVM internal error", "KVM: entry failed"];

/// The longest wait before a caller is asked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// QEMU's messages that are kept; more is dropped.
const MESSAGES: usize = 16 << 10;

/// A running guest. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct RunningGuest {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    spawned: Instant,
    said: Vec<u8>,
    messages: Vec<u8>,
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

/// What a look at the pipes brought.
enum Event {
    Said,
    Closed,
    TimedOut,
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
        input: child.stdin.take(),
        output: child.stdout.take(),
        errors: child.stderr.take(),
        child,
        spawned,
        said: Vec::new(),
        messages: Vec::new(),
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
        while self.said.is_empty() {
            match self.look(deadline.min(Instant::now() + GLANCE))? {
                Event::Said => {}
                Event::Closed => return Err(self.ended_early()),
                Event::TimedOut if Instant::now() >= deadline || stop() => {
                    self.kill();
                    let waited = watchdog.min(self.spawned.elapsed());
                    return Err(self.watchdog_error("to be ready", waited));
                }
                Event::TimedOut => {}
            }
            if let Some(message) = self.stopped() {
                return Err(self.boot_error(message));
            }
        }
        if self.said[0] == READY {
            return Ok(self.spawned.elapsed());
        }
        // Not the byte but a complaint: wait for the rest of it, briefly.
        let brief = Instant::now() + Duration::from_millis(500);
        while matches!(self.look(brief)?, Event::Said) {}
        let said = String::from_utf8_lossy(&self.said).trim().to_owned();
        Err(self.boot_error(format!(
            "the workload wrote `{said}` and not the ready byte"
        )))
    }

    /// Lets a held workload go on, and returns the moment: the clock of the teardown.
    ///
    /// # Errors
    /// [`Error::Boot`] if the guest is gone.
    pub fn release(&mut self) -> Result<Instant> {
        let at = Instant::now();
        let sent = self
            .input
            .as_mut()
            .map(|input| input.write_all(GO_ON).and_then(|()| input.flush()));
        match sent {
            Some(Ok(())) => Ok(at),
            _ => Err(self.ended_early()),
        }
    }

    /// Waits until QEMU is gone, at most for `watchdog` from now.
    ///
    /// # Errors
    /// [`Error::Watchdog`] if it is still there; it is killed then. [`Error::Boot`] if QEMU ended
    /// with another status than 0.
    pub fn wait(&mut self, watchdog: Duration) -> Result<Ended> {
        let deadline = Instant::now() + watchdog;
        loop {
            match self.look(deadline)? {
                Event::Said => {}
                Event::TimedOut => {
                    self.kill();
                    return Err(self.watchdog_error("to power off", watchdog));
                }
                Event::Closed => break,
            }
        }
        let status = self.reap(deadline);
        let ended = Ended {
            status,
            at: Instant::now(),
        };
        if status.success() {
            Ok(ended)
        } else {
            Err(self.ended_early())
        }
    }

    /// What the workload has said so far, the ready byte included.
    #[must_use]
    pub fn said(&self) -> &[u8] {
        &self.said
    }

    /// Kills QEMU and reaps it. Does nothing if it is gone.
    pub fn kill(&mut self) {
        // Both fail only if it is gone already, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for something on the pipes until `deadline` and takes it in.
    fn look(&mut self, deadline: Instant) -> Result<Event> {
        loop {
            let Some(output) = &mut self.output else {
                return Ok(Event::Closed);
            };
            let mut fds = vec![PollFd::new(output.as_fd(), PollFlags::POLLIN)];
            fds.extend(
                self.errors
                    .iter()
                    .map(|e| PollFd::new(e.as_fd(), PollFlags::POLLIN)),
            );
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up, or the last millisecond would be spent asking again and again.
            let timeout = PollTimeout::try_from(left + Duration::from_micros(999));
            match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
                Ok(0) if left.is_zero() => return Ok(Event::TimedOut),
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => {
                    let cause = std::io::Error::from(errno);
                    return Err(Error::file("wait on the pipes of", &self.console)(cause));
                }
            }
            let ready: Vec<bool> = fds
                .iter()
                .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()))
                .collect();
            let mut buffer = [0; 4096];
            if ready.get(1) == Some(&true)
                && let Some(errors) = &mut self.errors
            {
                match errors.read(&mut buffer) {
                    Ok(0) | Err(_) => self.errors = None,
                    Ok(n) => {
                        let room = MESSAGES.saturating_sub(self.messages.len());
                        self.messages.extend_from_slice(&buffer[..n.min(room)]);
                    }
                }
            }
            if ready[0] {
                match output.read(&mut buffer) {
                    Ok(0) | Err(_) => {
                        self.output = None;
                        return Ok(Event::Closed);
                    }
                    Ok(n) => {
                        let room = MESSAGES.saturating_sub(self.said.len());
                        self.said.extend_from_slice(&buffer[..n.min(room)]);
                    }
                }
            }
            return Ok(Event::Said);
        }
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

    /// QEMU's word that KVM gave up, if it said so.
    fn stopped(&self) -> Option<String> {
        let messages = String::from_utf8_lossy(&self.messages);
        let line = messages
            .lines()
            .find(|line| STOPPED.iter().any(|sign| line.contains(sign)))?;
        Some(format!("KVM stopped the guest: {line}"))
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
        let panic = "Kernel panic - not syncing: ";
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let reason = match console.lines().find_map(|line| line.split_once(panic)) {
            Some((_, cause)) => format!("its kernel panicked: {}", cause.trim()),
            None if status.success() => "it powered off or restarted too early".to_owned(),
            None => format!("QEMU ended with {status}"),
        };
        self.boot_error(reason)
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
        let parts = [last(&console, 8), last(&self.messages, 4)];
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
