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

#[cfg(test)]
mod tests {
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
}
