//! Random numbers whose course a seed fixes, so that an answer asked for twice is one answer.
//!
//! Sources: Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014
//! (SplitMix64); Box and Muller, *A note on the generation of random normal deviates*, 1958.

/// A course of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The course that begins at `seed`.
    #[must_use]
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, from 0 up to but not including 1.
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next normal deviate, of mean 0 and variance 1.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_course_and_the_normal_is_normal() {
        let mut random = Random::seeded(5);
        let drawn: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let beyond = drawn.iter().filter(|z| z.abs() > 1.645).count();
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((1800..2200).contains(&beyond), "{beyond} of 20000");
        let mut again = Random::seeded(5);
        assert_eq!(again.normal(), drawn[0]);
    }
}
