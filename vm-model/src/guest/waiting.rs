//! Waiting for what a guest does: until it is ready, shows a line, begins its workload or says a
//! word. One that never comes to it is killed, and says how far it came.

use std::time::{Duration, Instant};

use super::RunningGuest;
use super::channel::Event;
use crate::error::Result;

/// The byte that a workload writes when it is ready.
const READY: u8 = b'R';

/// The longest wait before a caller is asked whether to stop.
pub(super) const GLANCE: Duration = Duration::from_millis(100);

/// What a guest did that was told to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Its workload wrote something.
    Said,
    /// Its workload ended without a word, with this status if init told of it.
    Ended(Option<u8>),
}

impl RunningGuest {
    /// Waits for the workload's ready byte and returns the time from the spawn to its arrival.
    /// The watchdog counts from the spawn as well.
    ///
    /// # Errors
    /// [`Error::Watchdog`](crate::Error::Watchdog) if nothing came in time,
    /// [`Error::Boot`](crate::Error::Boot) if the guest ended first, was stopped by KVM, or said
    /// something else. The guest is killed in each of these cases.
    pub fn wait_ready(&mut self, watchdog: Duration) -> Result<Duration> {
        self.wait_ready_unless(watchdog, &|| false)
    }

    /// As [`wait_ready`](Self::wait_ready), but asks several times a second whether to stop.
    ///
    /// # Errors
    /// As there; [`Error::Watchdog`](crate::Error::Watchdog) also where it was told to stop, with
    /// the time that it had.
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
}
