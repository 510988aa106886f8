//! The end of a guest, which is certain: awaited, forced, or found out and worded as an error.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::channel::Event;
use super::waiting::GLANCE;
use super::{RunningGuest, ending};
use crate::error::{Error, Result};

/// What a guest of which init has said that it is over gets to be gone.
const LAST_MOMENT: Duration = Duration::from_secs(2);

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

impl RunningGuest {
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
    pub(super) fn is_overdue(&self) -> bool {
        let ended = self.heard().ended;
        ended.is_some_and(|(at, _)| at.elapsed() > LAST_MOMENT)
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

    /// Kills QEMU and reaps it. Does nothing if it is gone.
    pub fn kill(&mut self) {
        self.begin_to_kill();
        // Fails only if it is reaped already.
        let _ = self.child.wait();
    }

    /// Kills QEMU, which takes milliseconds to be gone, and leaves it to [`kill`](Self::kill) or
    /// to dropping this to reap it.
    pub(crate) fn begin_to_kill(&mut self) {
        // Fails only if it is gone already, which is what was wanted.
        let _ = self.child.kill();
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
    pub(super) fn boot_error(&mut self, reason: String) -> Error {
        self.kill();
        Error::Boot {
            reason,
            console: self.last_lines(),
        }
    }

    pub(super) fn watchdog_error(&self, to: &'static str, watchdog: Duration) -> Error {
        Error::Watchdog {
            to,
            waited_ms: watchdog.as_millis(),
            console: self.last_lines(),
        }
    }

    /// Words the end of a guest that is gone before its time.
    pub(super) fn ended_early(&mut self) -> Error {
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
