//! A guest that runs: its clock, its messages, and its certain end.

use std::process::{Child, ChildStdin, ExitStatus};
use std::time::{Duration, Instant};

use super::channel::{Channel, Event};
use super::ending;
use super::phases::{Moments, Phases};
use super::port::Heard;
use crate::error::{Error, Result};

/// The byte that a workload writes when it is ready.
const READY: u8 = b'R';

/// The longest wait before a caller is asked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// What a guest of which init has said that it is over gets to be gone.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// A running guest. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct RunningGuest {
    child: Child,
    channel: Channel,
    spawned: Instant,
    compressed: bool,
    gone: Option<(ExitStatus, Instant)>,
}

/// How a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// QEMU's exit status: [`ENDED_BY_INIT`](super::port::ENDED_BY_INIT) if init ended the
    /// machine, 0 after a power-off.
    pub status: ExitStatus,
    /// The workload's own status, if init told of it: 128 and a signal's number if one ended it.
    pub code: Option<u8>,
    /// When QEMU was gone and reaped.
    pub at: Instant,
}

/// What a guest did that was told to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Its workload wrote something.
    Said,
    /// Its workload ended without a word, with this status if init told of it.
    Ended(Option<u8>),
}

impl RunningGuest {
    /// A guest that was started.
    pub(super) fn new(child: Child, channel: Channel, spawned: Instant, compressed: bool) -> Self {
        Self {
            child,
            channel,
            spawned,
            compressed,
            gone: None,
        }
    }

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

    /// What init has said of the guest's life.
    #[must_use]
    pub fn heard(&self) -> &Heard {
        self.channel.heard()
    }

    /// Where the time went so far; all of it once the guest is gone.
    #[must_use]
    pub fn phases(&self) -> Phases {
        let traced = self.channel.traced();
        let moments = Moments {
            spawned: self.spawned,
            asked: traced.first,
            entered: traced.last,
            compressed: self.compressed,
            heard: self.channel.heard(),
            ready: self.channel.said_first(),
            gone: self.gone.map(|(_, at)| at),
        };
        moments.phases()
    }

    /// The end of what the console has shown: 64 KiB or a little more are kept.
    #[must_use]
    pub fn console_text(&self) -> String {
        String::from_utf8_lossy(self.channel.shown()).into_owned()
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
        let first = self.until(watchdog, stop, "to be ready", &mut |guest| {
            guest.channel.said_first()
        })?;
        if self.channel.said().starts_with(&[READY]) {
            return Ok(first - self.spawned);
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
    /// As [`wait_ready_unless`](Self::wait_ready_unless).
    pub fn wait_console_unless(
        &mut self,
        line: &str,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Duration> {
        let shown = self.until(watchdog, stop, "to show its prompt", &mut |guest| {
            let shows = guest.console_text().contains(line);
            shows.then(Instant::now)
        })?;
        Ok(shown - self.spawned)
    }

    /// Waits until the workload is being executed: the end of what a guest costs by itself.
    ///
    /// # Errors
    /// As [`wait_ready_unless`](Self::wait_ready_unless).
    pub fn wait_workload_unless(
        &mut self,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Duration> {
        let at = self.until(watchdog, stop, "to begin", &mut |guest| {
            guest.heard().workload
        })?;
        Ok(at - self.spawned)
    }

    /// Waits for a word of a guest that was told to go on, or for the end of its workload, and
    /// returns the time from the spawn to it.
    ///
    /// # Errors
    /// As [`wait_ready_unless`](Self::wait_ready_unless).
    pub fn wait_word_unless(
        &mut self,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Word, Duration)> {
        let mut word = Word::Said;
        // A terminal gives back the line that let the workload go on: that is no word of its.
        let is_echo = |byte: &u8| b"\r\n".contains(byte);
        let at = self.until(watchdog, stop, "to say a word", &mut |guest| {
            if !guest.said().iter().all(is_echo) {
                return Some(Instant::now());
            }
            let (at, code) = guest.heard().ended?;
            word = Word::Ended(Some(code));
            Some(at)
        })?;
        Ok((word, at - self.spawned))
    }

    /// Ends a guest that did not do something in time, and says so.
    pub(crate) fn too_late(&mut self, to: &'static str) -> Error {
        let waited = self.spawned.elapsed();
        self.kill();
        self.watchdog_error(to, waited)
    }

    /// What became of a guest whose monitor says that something is wrong, `why`: its own end, if
    /// it has ended, else `why` itself. It is killed.
    pub(crate) fn gone_wrong(&mut self, why: Error) -> Error {
        let brief = Instant::now() + Duration::from_millis(500);
        while Instant::now() < brief {
            match self.channel.look(brief) {
                Ok(Event::Said) => {}
                Ok(Event::Closed) => return self.ended_early(),
                Ok(Event::TimedOut) | Err(_) => break,
            }
        }
        self.kill();
        why
    }

    /// Looks until `moment` has come, at most for `watchdog` from the spawn on, and unless told to
    /// `stop`. A guest that never comes to it is killed.
    fn until(
        &mut self,
        watchdog: Duration,
        stop: &dyn Fn() -> bool,
        to: &'static str,
        moment: &mut dyn FnMut(&Self) -> Option<Instant>,
    ) -> Result<Instant> {
        let deadline = self.spawned + watchdog;
        loop {
            let event = self.channel.look(deadline.min(Instant::now() + GLANCE))?;
            if let Some(at) = moment(self) {
                return Ok(at);
            }
            if let Some(message) = self.channel.stopped() {
                return Err(self.boot_error(message));
            }
            if matches!(event, Event::Closed) {
                return Err(self.ended_early());
            }
            // A guest that floods its console is not deaf to the watchdog.
            if Instant::now() >= deadline || stop() {
                self.kill();
                let waited = watchdog.min(self.spawned.elapsed());
                return Err(self.watchdog_error(to, waited));
            }
        }
    }

    /// Waits at most for `time` until something comes; false if the guest is gone. What came is
    /// had by [`take_said`](Self::take_said) and [`take_console`](Self::take_console).
    ///
    /// # Errors
    /// [`Error::Wait`] if the kernel refuses; [`Error::Boot`] if KVM stopped the guest.
    pub fn look(&mut self, time: Duration) -> Result<bool> {
        let event = self.channel.look(Instant::now() + time)?;
        if let Some(message) = self.channel.stopped() {
            return Err(self.boot_error(message));
        }
        // What still comes is waited for, however slowly it is taken.
        Ok(match event {
            Event::Closed => false,
            Event::Said => true,
            Event::TimedOut => !self.is_overdue(),
        })
    }

    /// Takes what the workload has said since this was last called. At most 64 KiB are kept
    /// for it, so who wants all of it looks often.
    pub fn take_said(&mut self) -> Vec<u8> {
        self.channel.take_said()
    }

    /// Takes what the console has shown since this was last called, of the last 64 KiB.
    pub fn take_console(&mut self) -> Vec<u8> {
        self.channel.take_shown()
    }

    /// Takes the way to the workload's standard input, in the [words](super::Typed) of its line
    /// discipline. [`release`](Self::release) needs it.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.channel.take_input()
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
    /// by another hand than the guest's, or if the guest's kernel panicked.
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
                Event::TimedOut if self.is_overdue() => {
                    // All that it was for is known.
                    self.kill();
                    break;
                }
                // A guest that goes on talking is not deaf to the word to stop either.
                Event::Said | Event::TimedOut if Instant::now() >= deadline || stop() => {
                    self.kill();
                    let waited = watchdog.min(begun.elapsed());
                    return Err(self.watchdog_error("to power off", waited));
                }
                Event::Said | Event::TimedOut => {}
            }
        }
        let (status, at) = self.reap(deadline.max(Instant::now() + LAST_MOMENT));
        let code = self.heard().ended.map(|(_, code)| code);
        if ending::is_good(status, self.heard(), self.channel.shown()) {
            Ok(Ended { status, code, at })
        } else {
            Err(self.ended_early())
        }
    }

    /// Whether init has said that it is over, and yet the machine is still there.
    fn is_overdue(&self) -> bool {
        let ended = self.heard().ended;
        ended.is_some_and(|(at, _)| at.elapsed() > LAST_MOMENT)
    }

    /// What the workload has said so far and was not taken, the ready byte included.
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
    fn reap(&mut self, deadline: Instant) -> (ExitStatus, Instant) {
        if let Some(gone) = self.gone {
            return gone;
        }
        let mut pause = Duration::from_micros(100);
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                _ if Instant::now() >= deadline => {
                    self.kill();
                    break self.child.wait().unwrap_or_default();
                }
                _ => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        *self.gone.insert((status, Instant::now()))
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
        let (status, _) = self.reap(Instant::now() + LAST_MOMENT);
        self.channel.drain();
        self.boot_error(ending::cause(status, self.heard(), self.channel.shown()))
    }

    /// The last lines of the console, then of QEMU's messages: enough to see what went wrong.
    fn last_lines(&self) -> String {
        let parts = [
            ending::last_lines(self.channel.shown(), 8),
            ending::last_lines(self.channel.messages(), 4),
        ];
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
