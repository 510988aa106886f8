//! What chance decides.

use std::time::Duration;

use fastrand::Rng;

/// Draws, the same again from the same seed.
pub(crate) struct Lot(Rng);

impl Lot {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// A number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0.u32(..end)
    }

    /// Whether one of `many` is this one.
    pub(crate) fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    /// A moment of `span`.
    pub(crate) fn moment(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.0.f64())
    }

    /// Up to `most` of `all`, in any order.
    pub(crate) fn some<'a, T>(&mut self, all: &'a [T], most: usize) -> Vec<&'a T> {
        self.0.choose_multiple(all.iter(), most)
    }
}
