//! Many guests started at once.
//!
//! Each boot has work for a processor, and waits for what needs none. While there are processors
//! enough each has one; beyond that they share: so many boots' work is done in so many times the
//! time. They also stand in each other's way where there are processors enough, in caches and at
//! locks, which is measured and not derived; and what all of them read has to come through one
//! disk.

use super::units::{Bytes, BytesPerSecond, Seconds};

/// What one boot takes when it is alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boot {
    /// Of a processor.
    pub work: Seconds,
    /// Waiting for what needs none.
    pub idle: Seconds,
    /// From the disk.
    pub read: Bytes,
}

/// What they share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Host {
    /// Processors, those that are free for guests.
    pub processors: f64,
    /// Of the disk, or of what holds its files in memory.
    pub bandwidth: BytesPerSecond,
    /// By which part each further guest that runs at the same time makes the work of all longer.
    pub contention: f64,
}

/// From the start of all of `guests` until the last is ready; 0 of none.
#[must_use]
pub fn last_ready(boot: &Boot, host: &Host, guests: u32) -> Seconds {
    if guests == 0 {
        return Seconds(0.0);
    }
    let guests = f64::from(guests);
    let running = guests.min(host.processors.max(1.0));
    let shares = (guests / host.processors).max(1.0);
    let slower = 1.0 + host.contention * (running - 1.0);
    let computed = boot.idle + boot.work * (shares * slower);
    computed.max(boot.read * guests / host.bandwidth)
}

/// The contention for which the last of so many is ready after `last`: [`last_ready`] the other way
/// round, where the disk bounds nothing. It is less than nothing where they were ready before what
/// sharing processors takes. `None` where no two of them run at once.
#[must_use]
pub fn contention(boot: &Boot, processors: f64, guests: u32, last: Seconds) -> Option<f64> {
    let guests = f64::from(guests);
    let others = guests.min(processors.max(1.0)) - 1.0;
    let shares = (guests / processors).max(1.0);
    let slower = (last - boot.idle) / (boot.work * shares);
    (others > 0.0).then(|| (slower - 1.0) / others)
}

/// The contention as far as it was seen: where `few` were started at once, and where `more` were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// A number of guests, and the contention of so many.
    pub few: (f64, f64),
    /// Another, greater number, and the contention of those.
    pub more: (f64, f64),
    /// What part of the growth from one to the other goes on beyond: 0 where it stays at what was
    /// seen last, 1 where it grows on as it did.
    pub goes_on: f64,
}

impl Seen {
    /// The contention of `guests` at once. Between what was seen it lies in between, by doublings
    /// of their number; beyond, its trend is followed as far as it goes on. Nobody gains by company.
    #[must_use]
    pub fn of(&self, guests: f64) -> f64 {
        let ((few, least), (more, most)) = (self.few, self.more);
        let doubling = (most - least) / (more / few).log2();
        let further = (guests.max(few) / more).log2();
        let goes_on = if further > 0.0 { self.goes_on } else { 1.0 };
        (most + doubling * further * goes_on).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOOT: Boot = Boot {
        work: Seconds(1.0),
        idle: Seconds(0.25),
        read: Bytes(1e6),
    };

    fn host(processors: f64, contention: f64, bandwidth: f64) -> Host {
        Host {
            processors,
            bandwidth: BytesPerSecond(bandwidth),
            contention,
        }
    }

    /// The work of `guests` done in turns of a thousandth of a second: processor sharing itself.
    fn shared(guests: usize, processors: usize) -> f64 {
        let mut left = vec![1000u32; guests];
        let (mut turn, mut next) = (0u32, 0);
        while left.iter().any(|&left| left > 0) {
            for _ in 0..processors {
                let waiting = (0..guests).map(|at| (next + at) % guests);
                if let Some(at) = waiting.into_iter().find(|&at| left[at] > 0) {
                    left[at] -= 1;
                    next = at + 1;
                }
            }
            turn += 1;
        }
        f64::from(turn) / 1000.0
    }

    #[test]
    fn those_that_have_no_processor_share() {
        let wide = host(2.0, 0.0, 1e12);
        assert_eq!(last_ready(&BOOT, &wide, 0), Seconds(0.0));
        for guests in [2, 3, 4, 8, 13] {
            let turns = shared(guests, 2);
            let computed = last_ready(&BOOT, &wide, u32::try_from(guests).unwrap());
            let off = (computed.0 - BOOT.idle.0) - turns;
            assert!(off.abs() < 0.002, "{guests}: {computed:?}, and {turns}");
        }
    }

    #[test]
    fn they_are_in_each_others_way_as_far_as_they_run_at_once() {
        let crowded = host(2.0, 0.1, 1e12);
        assert_eq!(last_ready(&BOOT, &crowded, 1), Seconds(1.25));
        assert_eq!(last_ready(&BOOT, &crowded, 2), Seconds(1.35));
        // Only two of the eight run at a time.
        assert_eq!(last_ready(&BOOT, &crowded, 8), Seconds(0.25 + 4.0 * 1.1));
    }

    #[test]
    fn the_disk_bounds_them_all() {
        let slow = host(64.0, 0.0, 1e6);
        assert_eq!(last_ready(&BOOT, &slow, 8), Seconds(8.0));
    }

    #[test]
    fn a_trend_is_followed_by_doublings_as_far_as_it_goes_on() {
        let seen = |goes_on| Seen {
            few: (2.0, 0.125),
            more: (8.0, 0.375),
            goes_on,
        };
        for (guests, expected) in [(1.0, 0.125), (2.0, 0.125), (4.0, 0.25), (8.0, 0.375)] {
            for goes_on in [0.0, 0.5, 1.0] {
                assert_eq!(seen(goes_on).of(guests), expected, "of {guests}");
            }
        }
        assert_eq!(seen(0.0).of(32.0), 0.375, "it stays");
        assert_eq!(seen(1.0).of(32.0), 0.625, "it goes on");
        assert_eq!(seen(0.5).of(32.0), 0.5);
        let falling = Seen {
            few: (2.0, 0.5),
            more: (4.0, 0.25),
            goes_on: 1.0,
        };
        assert_eq!(falling.of(64.0), 0.0, "nobody gains by company");
    }

    proptest! {
        #[test]
        fn a_contention_that_was_seen_gives_what_was_seen(
            (processors, seen, guests) in (2.0..128.0f64, 0.0..1.0f64, 2u32..500),
        ) {
            let host = host(processors, seen, f64::INFINITY);
            let found = contention(&BOOT, processors, guests, last_ready(&BOOT, &host, guests));
            prop_assert!((found.unwrap() - seen).abs() < 1e-9, "{:?} and not {}", found, seen);
        }

        #[test]
        fn what_may_be_lies_between_staying_and_going_on_and_widens_with_each_doubling(
            (least, most) in (0.0..1.0f64, 0.0..1.0f64),
            (few, times, goes_on) in (2.0..64.0f64, 2.0..8.0f64, 0.0..1.0f64),
            further in 1.0..1000.0f64,
        ) {
            let more = few * times;
            let of = |goes_on, guests| {
                Seen { few: (few, least), more: (more, most), goes_on }.of(guests)
            };
            let guests = more * further;
            let ends = [of(0.0, guests), of(1.0, guests)];
            let between = of(goes_on, guests);
            prop_assert!(between >= ends[0].min(ends[1]) && between <= ends[0].max(ends[1]));
            prop_assert_eq!(ends[0], most);
            // Half a doubling further, the two lie no nearer to each other.
            let width = (ends[1] - ends[0]).abs();
            let wider = (of(1.0, guests * 1.5) - most).abs();
            prop_assert!(wider >= width, "{} and {}", width, wider);
            prop_assert!(between >= 0.0);
        }
    }
}
