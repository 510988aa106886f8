//! How long who asks for a guest waits until the host begins with it, where requests come one by
//! one and so many are served at once.
//!
//! [`mmc`] is the baseline of every textbook: requests come at random, and what each takes is as
//! random (exponential). Boots are far more regular than that; [`mgc`] corrects for it. Neither
//! has an answer where more comes than is served: there the queue grows as long as it is looked
//! at.
//!
//! Sources: Erlang, *Solution of some problems in the theory of probabilities of significance in
//! automatic telephone exchanges*, 1917; Allen, *Probability, Statistics, and Queueing Theory*,
//! second edition, 1990, section 5.3 (the approximation of Allen and Cunneen).

use super::units::{PerSecond, Seconds};

/// Requests, and what serves them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// How many are served at once.
    pub servers: u32,
    /// How many come.
    pub arrivals: PerSecond,
    /// How long one is served, in the mean.
    pub service: Seconds,
}

/// How regular a random time is: its variance by the square of its mean. 0 is always the same,
/// 1 as random as an exponential one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variability(pub f64);

impl Queue {
    /// How many servers are busy in the mean, were there enough of them.
    #[must_use]
    pub fn offered(&self) -> f64 {
        self.arrivals * self.service
    }

    /// The part of their time for which the servers are busy; from 1 on the queue has no end.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.offered() / f64::from(self.servers)
    }

    /// The probability that who comes has to wait: Erlang's C.
    fn waits(&self) -> Option<f64> {
        let (offered, utilization) = (self.offered(), self.utilization());
        if !(0.0..1.0).contains(&utilization) {
            return None;
        }
        // Erlang's B, that all are busy where nobody may wait, one server after the other.
        // Where that is nothing, no further server makes it less.
        let mut blocked = 1.0;
        for servers in 1..=self.servers {
            blocked = offered * blocked / (f64::from(servers) + offered * blocked);
            if blocked == 0.0 {
                break;
            }
        }
        Some(blocked / (1.0 - utilization * (1.0 - blocked)))
    }
}

/// The mean wait where both the arrivals and the service are as random as they can be without a
/// memory. `None` where the queue grows without end.
#[must_use]
pub fn mmc(queue: &Queue) -> Option<Seconds> {
    let free = f64::from(queue.servers) - queue.offered();
    Some(queue.service * (queue.waits()? / free))
}

/// The same where arrivals and service are more or less random than that: an approximation, exact
/// for one server with random arrivals.
#[must_use]
pub fn mgc(queue: &Queue, arrivals: Variability, service: Variability) -> Option<Seconds> {
    Some(mmc(queue)? * f64::midpoint(arrivals.0, service.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(servers: u32, arrivals: f64, service: f64) -> Queue {
        Queue {
            servers,
            arrivals: PerSecond(arrivals),
            service: Seconds(service),
        }
    }

    /// The mean wait of many customers, each served by whoever is free first: the queue itself.
    fn simulated(queue: &Queue, service: impl Fn(&mut Random) -> f64) -> f64 {
        const CUSTOMERS: u32 = 400_000;
        let mut random = Random(7);
        let mut free = vec![0.0_f64; queue.servers as usize];
        let (mut now, mut waited) = (0.0, 0.0);
        for _ in 0..CUSTOMERS {
            now += random.exponential() / queue.arrivals.0;
            let server = free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
            let begins = server.max(now);
            waited += begins - now;
            *server = begins + service(&mut random) * queue.service.0;
        }
        waited / f64::from(CUSTOMERS)
    }

    /// Steele and Vigna's SplitMix64: a test need not bring a library for it.
    struct Random(u64);

    impl Random {
        fn exponential(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let uniform = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
            -(1.0 - uniform).ln()
        }
    }

    #[track_caller]
    fn near(computed: f64, expected: f64, within: f64) {
        let off = (computed / expected - 1.0).abs();
        assert!(off <= within, "{computed} and not {expected}");
    }

    #[test]
    fn one_server_waits_as_the_textbook_says() {
        // The wait of M/M/1 is that of a queue of rho / (1 - rho) before one.
        let half = queue(1, 0.5, 1.0);
        near(mmc(&half).unwrap().0, 1.0, 1e-12);
        near(mmc(&queue(1, 9.0, 0.1)).unwrap().0, 0.9, 1e-12);
        // Of M/D/1 it is half of that (Pollaczek and Khinchine).
        let regular = mgc(&half, Variability(1.0), Variability(0.0));
        near(regular.unwrap().0, 0.5, 1e-12);
        // Two servers, one of them busy: one in three waits.
        near(queue(2, 1.0, 1.0).waits().unwrap(), 1.0 / 3.0, 1e-12);
    }

    #[test]
    fn the_formulas_agree_with_the_queue_itself() {
        for (servers, arrivals) in [(1, 0.7), (2, 1.6), (4, 3.2), (8, 7.2)] {
            let asked = queue(servers, arrivals, 1.0);
            let random = simulated(&asked, Random::exponential);
            near(mmc(&asked).unwrap().0, random, 0.06);
            // An approximation, worse the more servers there are.
            let regular = simulated(&asked, |_| 1.0);
            let computed = mgc(&asked, Variability(1.0), Variability(0.0));
            near(computed.unwrap().0, regular, 0.12);
        }
    }

    #[test]
    fn servers_that_never_get_a_request_take_no_time_to_count() {
        let begun = std::time::Instant::now();
        assert_eq!(mmc(&queue(u32::MAX, 1.0, 1.0)), Some(Seconds(0.0)));
        assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    }

    #[test]
    fn where_more_comes_than_is_served_there_is_no_answer() {
        for arrivals in [1.0, 1.5, f64::NAN, -1.0] {
            assert_eq!(mmc(&queue(1, arrivals, 1.0)), None, "{arrivals}");
        }
        assert_eq!(mmc(&queue(0, 0.5, 1.0)), None);
        assert_eq!(mmc(&queue(1, 0.0, 1.0)), Some(Seconds(0.0)));
    }
}
