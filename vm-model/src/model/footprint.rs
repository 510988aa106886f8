//! What many guests take together, of memory and of disk.

use super::units::Bytes;

/// What the host's memory holds of one guest.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Guest {
    /// The size of its memory.
    pub size: Bytes,
    /// The program that runs it, besides that memory.
    pub vmm: Bytes,
    /// Of that program, the pages that all guests' share: one has them, and so have many.
    pub shared: Bytes,
    /// What its kernel touches, whatever the size.
    pub kernel: Bytes,
    /// Which part of its memory its kernel touches besides, to keep account of it.
    pub accounts: f64,
    /// Its workload.
    pub workload: Bytes,
    /// Above which size its memory lies in two parts, below and above what a PC keeps for its
    /// devices: some 3 GiB, as the machine has it.
    pub split_above: Bytes,
    /// What more it takes then.
    pub split: Bytes,
}

impl Guest {
    /// One by itself.
    #[must_use]
    pub fn alone(&self) -> Bytes {
        self.shared + self.vmm + self.held()
    }

    /// What the host holds for its memory. That cannot be more than it has, whatever it would
    /// touch, nor less than nothing.
    fn held(&self) -> Bytes {
        let touched = self.kernel + self.size * self.accounts + self.workload;
        let split = match self.size > self.split_above {
            true => self.split,
            false => Bytes(0.0),
        };
        touched.min(self.size).max(Bytes(0.0)) + split
    }
}

/// What is given back of guests' memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Saved {
    /// Nothing.
    Nothing,
    /// Equal pages are kept once.
    Merged {
        /// How much of each guest is equal to more of itself.
        within: Bytes,
        /// How much of each is equal to what each other has.
        between: Bytes,
    },
    /// Each guest was asked to give back so much.
    Balloon(Bytes),
}

/// The memory of `count` equal guests. What the host does not hold of a guest cannot be given back.
#[must_use]
pub fn memory(guest: &Guest, count: u32, saved: Saved) -> Bytes {
    if count == 0 {
        return Bytes(0.0);
    }
    let guests = f64::from(count);
    let held = guest.held();
    let saved = match saved {
        Saved::Nothing => Bytes(0.0),
        Saved::Merged { within, between } => {
            let within = within.min(held);
            within * guests + between.min(held - within) * (guests - 1.0)
        }
        Saved::Balloon(each) => each.min(held) * guests,
    };
    guest.shared + (guest.alone() - guest.shared) * guests - saved
}

/// The memory of `count` guests that go on from one saved state, whose pages they share until
/// they write to them: the state once, and what each has of its own.
#[must_use]
pub fn clones(state: Bytes, own: Bytes, count: u32) -> Bytes {
    match count {
        0 => Bytes(0.0),
        count => state + own * f64::from(count),
    }
}

/// A guest's disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disk {
    /// The image.
    pub image: Bytes,
    /// What an image over it takes before anything is written.
    pub overlay: Bytes,
    /// What each guest writes.
    pub growth: Bytes,
}

/// The disk of `count` guests that have an image each.
#[must_use]
pub fn copies(disk: &Disk, count: u32) -> Bytes {
    (disk.image + disk.growth) * f64::from(count)
}

/// The disk of `count` guests that share one image, each writing beside it.
#[must_use]
pub fn overlays(disk: &Disk, count: u32) -> Bytes {
    match count {
        0 => Bytes(0.0),
        count => disk.image + (disk.overlay + disk.growth) * f64::from(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1024.0 * 1024.0;

    fn guest(mib: f64) -> Guest {
        Guest {
            size: Bytes(mib * MIB),
            vmm: Bytes(10.0 * MIB),
            shared: Bytes(0.0),
            kernel: Bytes(30.0 * MIB),
            accounts: 1.0 / 64.0,
            workload: Bytes(16.0 * MIB),
            split_above: Bytes(3072.0 * MIB),
            split: Bytes(2.0 * MIB),
        }
    }

    #[test]
    fn a_guest_holds_what_it_touches_and_no_more_than_it_has() {
        assert_eq!(guest(256.0).alone(), Bytes(60.0 * MIB));
        assert_eq!(guest(32.0).alone(), Bytes(42.0 * MIB));
        let step = guest(3136.0).alone() - guest(3072.0).alone();
        assert_eq!(step, Bytes(3.0 * MIB), "one of accounts, and the step");
    }

    #[test]
    fn merging_spares_what_is_equal_between_them_but_for_one() {
        let alone = guest(256.0).alone();
        let merged = Saved::Merged {
            within: Bytes(MIB),
            between: Bytes(20.0 * MIB),
        };
        assert_eq!(memory(&guest(256.0), 1, merged), alone - Bytes(MIB));
        let four = alone * 4.0 - Bytes(64.0 * MIB);
        assert_eq!(memory(&guest(256.0), 4, merged), four);
        let given = Saved::Balloon(Bytes(MIB));
        assert_eq!(memory(&guest(256.0), 4, given), (alone - Bytes(MIB)) * 4.0);
        assert_eq!(memory(&guest(256.0), 0, merged), Bytes(0.0));
        let nothing = memory(&guest(256.0), 3, Saved::Nothing);
        assert_eq!(nothing, alone * 3.0);
    }

    #[test]
    fn what_is_not_held_cannot_be_given_back() {
        // 30 + 4 + 16 MiB are held of each, and 10 of its monitor.
        let small = guest(256.0);
        let all = Saved::Balloon(Bytes(1024.0 * MIB));
        assert_eq!(memory(&small, 3, all), Bytes(30.0 * MIB));
        let merged = |within: f64, between: f64| {
            let saved = Saved::Merged {
                within: Bytes(within * MIB),
                between: Bytes(between * MIB),
            };
            memory(&small, 3, saved)
        };
        // Whatever is equal, one page of it is kept: of 50 MiB, 10 are in each already, so 40 are
        // there once.
        assert_eq!(merged(10.0, 500.0), Bytes((3.0 * 10.0 + 40.0) * MIB));
        assert_eq!(merged(500.0, 500.0), Bytes(30.0 * MIB));
        let nothing = Guest {
            kernel: Bytes(-100.0 * MIB),
            ..small
        };
        assert_eq!(nothing.alone(), Bytes(10.0 * MIB));
    }

    #[test]
    fn what_is_shared_counts_once() {
        let shared = Guest {
            shared: Bytes(5.0 * MIB),
            ..guest(256.0)
        };
        let three = memory(&shared, 3, Saved::Nothing);
        assert_eq!(three, guest(256.0).alone() * 3.0 + Bytes(5.0 * MIB));
        let disk = Disk {
            image: Bytes(700e6),
            overlay: Bytes(2e5),
            growth: Bytes(1e6),
        };
        assert_eq!(copies(&disk, 3), Bytes(2_103e6));
        assert_eq!(overlays(&disk, 3), Bytes(703.6e6));
        assert_eq!(overlays(&disk, 0), Bytes(0.0));
        assert_eq!(clones(Bytes(187e6), Bytes(17e6), 4), Bytes(255e6));
        assert_eq!(clones(Bytes(187e6), Bytes(17e6), 0), Bytes(0.0));
    }
}
