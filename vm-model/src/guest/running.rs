//! A guest that runs: its clock, what it says, and the word that lets it go on. How it is waited
//! for and how it ends have files of their own (`waiting`, `gone`).

use std::process::{Child, ChildStdin, ExitStatus};
use std::time::{Duration, Instant};

use super::channel::{Channel, Event};
use super::phases::{Moments, Phases};
use super::port::Heard;
use crate::error::Result;

/// A running guest. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct RunningGuest {
    pub(super) child: Child,
    pub(super) channel: Channel,
    pub(super) spawned: Instant,
    compressed: bool,
    pub(super) gone: Option<(ExitStatus, Instant)>,
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

    /// Waits at most for `time` until something comes; false if the guest is gone. What came is
    /// had by [`take_said`](Self::take_said) and [`take_console`](Self::take_console).
    ///
    /// # Errors
    /// [`Error::Wait`](crate::Error::Wait) if the kernel refuses; [`Error::Boot`](crate::Error::Boot) if KVM stopped the guest.
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
    /// [`Error::Boot`](crate::Error::Boot) if the guest is gone.
    pub fn release(&mut self) -> Result<Instant> {
        let at = Instant::now();
        match self.channel.send_go_on() {
            Ok(()) => Ok(at),
            Err(_) => Err(self.ended_early()),
        }
    }

    /// What the workload has said so far and was not taken, the ready byte included.
    #[must_use]
    pub fn said(&self) -> &[u8] {
        self.channel.said()
    }
}
