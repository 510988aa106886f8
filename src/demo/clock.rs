//! The time of a demo: how long it has run, and how far ahead of its plan or
//! behind it that is.

use std::time::{Duration, Instant};

/// A clock that can be stopped, for a question from the room.
#[derive(Clone, Debug)]
pub struct Clock {
    begun: Instant,
    /// What had passed before it began, for a demo that starts in the middle.
    before: Duration,
    stopped: Option<Instant>,
    /// How long it stood still, without the present stop.
    stood: Duration,
}

/// Where a demo stands beside its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The beat on the screen was planned for later.
    Ahead(Duration),
    /// It was planned for now.
    OnTime,
    /// Its planned time is over.
    Behind(Duration),
}

impl Clock {
    /// A clock that shows `before` at `now`, and goes.
    #[must_use]
    pub fn new(now: Instant, before: Duration) -> Self {
        Self {
            begun: now,
            before,
            stopped: None,
            stood: Duration::ZERO,
        }
    }

    /// What it shows.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        let until = self.stopped.unwrap_or(now);
        (self.before + until.saturating_duration_since(self.begun)).saturating_sub(self.stood)
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Stops it.
    pub fn stop(&mut self, now: Instant) {
        self.stopped.get_or_insert(now);
    }

    /// Lets it go on.
    pub fn go_on(&mut self, now: Instant) {
        if let Some(stopped) = self.stopped.take() {
            self.stood += now.saturating_duration_since(stopped);
        }
    }
}

impl Pace {
    /// The pace at `elapsed`, while a beat is on the screen that was planned to
    /// stand from `start` to `end`.
    #[must_use]
    pub fn of(elapsed: Duration, start: Duration, end: Duration) -> Self {
        if elapsed < start {
            Self::Ahead(start - elapsed)
        } else if elapsed > end {
            Self::Behind(elapsed - end)
        } else {
            Self::OnTime
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Ahead(by) => format!("{} ahead", minutes(by)),
            Self::OnTime => "on time".to_owned(),
            Self::Behind(by) => format!("{} behind", minutes(by)),
        }
    }
}

/// `time` in minutes and seconds, as `2:05`.
#[must_use]
pub fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_stopped_clock_stands_still_and_loses_nothing() {
        let start = Instant::now();
        let mut clock = Clock::new(start, s(5));
        clock.stop(start + s(10));
        clock.stop(start + s(12));
        assert_eq!(clock.elapsed(start + s(100)), s(15));
        clock.go_on(start + s(100));
        assert_eq!(clock.elapsed(start + s(101)), s(16));
    }

    #[test]
    fn the_pace_is_that_of_the_beat_on_the_screen() {
        assert_eq!(Pace::of(s(10), s(30), s(60)).words(), "0:20 ahead");
        assert_eq!(Pace::of(s(45), s(30), s(60)).words(), "on time");
        assert_eq!(Pace::of(s(185), s(30), s(60)).words(), "2:05 behind");
    }
}
