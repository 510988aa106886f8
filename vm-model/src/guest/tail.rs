//! The last of what a guest's console has shown, in bounded memory.

/// How much is kept at least, once there is so much.
const KEPT: usize = 64 << 10;

/// The end of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// Where in `bytes` begins what was not taken yet.
    fresh: usize,
}

impl Tail {
    /// Adds to the end, and lets go of the beginning.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() > 2 * KEPT {
            let gone = self.bytes.len() - KEPT;
            self.bytes.drain(..gone);
            self.fresh = self.fresh.saturating_sub(gone);
        }
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What came since this was last called, as far as it is kept.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let fresh = self.bytes[self.fresh..].to_vec();
        self.fresh = self.bytes.len();
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_takes_bounded_memory_and_its_end_is_kept() {
        let mut tail = Tail::default();
        for number in 0..100_000_u32 {
            tail.add(format!("line {number}\n").as_bytes());
        }
        assert!(tail.bytes().len() <= 2 * KEPT && tail.bytes().len() >= KEPT);
        assert!(tail.bytes().ends_with(b"line 99999\n"));
    }

    #[test]
    fn what_is_taken_as_it_comes_is_whole() {
        let mut tail = Tail::default();
        let (mut taken, mut expected) = (Vec::new(), Vec::new());
        for number in 0..100_000_u32 {
            let line = format!("line {number}\n");
            tail.add(line.as_bytes());
            expected.extend(line.into_bytes());
            if number % 3 == 0 {
                taken.extend(tail.take());
            }
        }
        taken.extend(tail.take());
        assert!(taken == expected, "{} of {}", taken.len(), expected.len());
    }
}
