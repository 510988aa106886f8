//! A recording while it is shown: at its own pace, its pauses cut.

use std::time::{Duration, Instant};

use super::cast::Cast;

/// A recording, and how far it has been shown.
#[derive(Debug)]
pub struct Replay {
    cast: Cast,
    /// When each event is due, from the beginning.
    due: Vec<Duration>,
    /// How many events have been shown.
    shown: usize,
    begun: Instant,
}

impl Replay {
    /// Begins to show `cast` at `now`.
    #[must_use]
    pub fn new(cast: Cast, now: Instant) -> Self {
        Self {
            due: cast.schedule(),
            cast,
            shown: 0,
            begun: now,
        }
    }

    /// How long until the next event at `now`; `None` if there is none.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Duration> {
        let due = self.due.get(self.shown)?;
        Some((self.begun + *due).saturating_duration_since(now))
    }

    /// What is shown next, if that is due at `now`; without a time, due or not.
    pub fn next(&mut self, now: Option<Instant>) -> Option<&str> {
        if now.is_some_and(|now| self.due(now).is_some_and(|due| !due.is_zero())) {
            return None;
        }
        let (_, data) = self.cast.events.get(self.shown)?;
        self.shown += 1;
        Some(data)
    }

    /// Whether all of it has been shown.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shown == self.due.len()
    }

    /// How long the recorded run took.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.cast
            .events
            .last()
            .map_or(Duration::ZERO, |(at, _)| *at)
    }
}
