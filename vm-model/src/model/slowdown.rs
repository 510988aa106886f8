//! By how much a guest computes more slowly than its host.

use super::units::{PerSecond, Seconds};

/// Why a guest is left, how often, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exit {
    /// How often, for each second that it computes.
    pub rate: PerSecond,
    /// Until it goes on.
    pub cost: Seconds,
}

/// What makes a guest slower, for each second that it computes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slowdown {
    /// Its exits, by kind.
    pub exits: Vec<Exit>,
    /// The part that addresses take which are looked up twice, in the guest's tables and in the
    /// host's.
    pub page_walks: f64,
    /// The part for which the host gives its processor to others.
    pub steal: f64,
}

impl Slowdown {
    /// How many times as long as on its host something takes in it.
    #[must_use]
    pub fn factor(&self) -> f64 {
        let exits: f64 = self.exits.iter().map(|exit| exit.rate * exit.cost).sum();
        1.0 + exits + self.page_walks + self.steal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_outside_adds_up() {
        let exit = |rate, cost| Exit {
            rate: PerSecond(rate),
            cost: Seconds(cost),
        };
        let slowdown = Slowdown {
            exits: vec![exit(65_536.0, 1.0 / 1_048_576.0), exit(64.0, 1.0 / 1024.0)],
            page_walks: 0.0625,
            steal: 0.125,
        };
        assert_eq!(slowdown.factor(), 1.0 + 0.0625 + 0.0625 + 0.0625 + 0.125);
        assert_eq!(Slowdown::default().factor(), 1.0);
    }
}
