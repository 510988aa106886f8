//! How many of a kind one host holds.
//!
//! Whatever each of them needs and the host has only so much of is a [`Supply`]: memory, process
//! ids, disk. The one that runs out first binds. The costs are given by whoever measured them; for
//! what could not be measured, such as QEMU under hardware virtualization on a machine without it,
//! [`monitor`] has the published figures. Beyond which number an answer was never looked at, it
//! says.
//!
//! It is linear: `n` of a kind take `n` times what one more takes. That is what a check by really
//! starting many has to show, and why the answer is marked as [`extrapolated`] far from it.

use serde::{Deserialize, Serialize};

use super::{Figures, Source};
use crate::error::{Error, Result};

/// Beyond this many times the number that was really held, an answer is a guess by a ruler.
pub const REACH: u64 = 4;

const MIB: f64 = 1024.0 * 1024.0;

/// A range with its likely value, in the supply's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The least that it may be.
    pub low: f64,
    /// What it likely is.
    pub likely: f64,
    /// The most.
    pub high: f64,
}

impl Cost {
    /// A cost that is known exactly.
    #[must_use]
    pub fn exactly(value: f64) -> Self {
        Self {
            low: value,
            likely: value,
            high: value,
        }
    }

    /// This cost and another together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            likely: self.likely + other.likely,
            high: self.high + other.high,
        }
    }

    /// What `count` of them take.
    #[must_use]
    pub fn of(self, count: u64) -> Self {
        let count = count as f64;
        Self {
            low: self.low * count,
            likely: self.likely * count,
            high: self.high * count,
        }
    }
}

/// Something that each one needs and that the host has only so much of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Supply {
    /// What it is: `memory`, `process ids`, `disk`.
    pub name: String,
    /// How much of it there is for them.
    pub available: f64,
    /// How much one more takes.
    pub each: Cost,
}

impl Supply {
    /// How many fit, at a cost of `each`; without an end if they cost nothing.
    fn holds(&self, each: f64) -> f64 {
        if each > 0.0 {
            (self.available.max(0.0) / each).floor()
        } else {
            f64::INFINITY
        }
    }
}

/// How many fit, and what runs out first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// If each costs the most that it may.
    pub low: f64,
    /// If each costs what it likely does.
    pub likely: f64,
    /// If each costs the least.
    pub high: f64,
    /// The supply that runs out first at the likely cost.
    pub binds: String,
}

/// What QEMU takes besides its guest's RAM, in bytes, as published, with the sources.
///
/// The figures are of writable mappings, of which not every page need be touched: so the least is
/// nothing, and the RAM alone stays a cost that nobody can doubt.
///
/// # Errors
/// [`Error::NoFigure`] if `figures` have none for it.
pub fn monitor(figures: &Figures) -> Result<(Cost, Vec<Source>)> {
    let names = ["qemu.overhead.128", "qemu.overhead.256"];
    let sources: Vec<Source> = names
        .iter()
        .filter_map(|name| figures.get(name).cloned())
        .collect();
    let mut bytes: Vec<f64> = sources.iter().map(|source| source.value * MIB).collect();
    bytes.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (bytes.first(), bytes.last()) else {
        return Err(Error::NoFigure {
            metric: "how many guests fit".to_owned(),
            reason: "no figure for what QEMU takes besides its guest's RAM".to_owned(),
        });
    };
    let cost = Cost {
        low: 0.0,
        likely: f64::midpoint(*least, *most),
        high: *most,
    };
    Ok((cost, sources))
}

/// How many of a kind fit into all of `supplies`. `None` if nothing bounds their number.
#[must_use]
pub fn capacity(supplies: &[Supply]) -> Option<Capacity> {
    let least = |cost: fn(&Cost) -> f64| {
        let held = supplies
            .iter()
            .map(|supply| supply.holds(cost(&supply.each)));
        held.fold(f64::INFINITY, f64::min)
    };
    let first = supplies.iter().min_by(|a, b| {
        let held = |supply: &Supply| supply.holds(supply.each.likely);
        held(a).total_cmp(&held(b))
    })?;
    let capacity = Capacity {
        low: least(|cost| cost.high),
        likely: least(|cost| cost.likely),
        high: least(|cost| cost.low),
        binds: first.name.clone(),
    };
    capacity.likely.is_finite().then_some(capacity)
}

/// Whether an answer about `count` lies too far beyond the `held` that were really started.
#[must_use]
pub fn extrapolated(count: u64, held: u64) -> bool {
    count > held.saturating_mul(REACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(name: &str, available: f64, low: f64, likely: f64, high: f64) -> Supply {
        let each = Cost { low, likely, high };
        Supply {
            name: name.into(),
            available,
            each,
        }
    }

    #[test]
    fn what_runs_out_first_binds() {
        let memory = supply("memory", 1000.0, 5.0, 10.0, 20.0);
        let ids = supply("process ids", 60.0, 1.0, 1.0, 1.0);
        let found = capacity(&[memory.clone(), ids]).unwrap();
        assert_eq!(found.binds, "process ids");
        // At twice the likely cost it is memory that bounds the number.
        assert_eq!((found.low, found.likely, found.high), (50.0, 60.0, 60.0));
        let found = capacity(&[memory]).unwrap();
        assert_eq!((found.low, found.likely, found.high), (50.0, 100.0, 200.0));
    }

    #[test]
    fn what_costs_nothing_has_no_end_and_no_supply_no_answer() {
        assert_eq!(capacity(&[supply("memory", 10.0, 0.0, 0.0, 0.0)]), None);
        assert_eq!(capacity(&[]), None);
        let found = capacity(&[supply("memory", 10.0, -1.0, 1.0, 2.0)]).unwrap();
        assert_eq!((found.low, found.likely), (5.0, 10.0));
        assert!(found.high.is_infinite());
    }

    #[test]
    fn nothing_available_holds_nothing() {
        let found = capacity(&[supply("disk", -5.0, 1.0, 1.0, 1.0)]).unwrap();
        assert_eq!((found.low, found.high), (0.0, 0.0));
    }

    #[test]
    fn an_answer_reaches_four_times_as_far_as_was_looked() {
        assert!(!extrapolated(400, 100));
        assert!(extrapolated(401, 100));
        assert!(extrapolated(1, 0));
        assert!(!extrapolated(u64::MAX, u64::MAX));
    }

    #[test]
    fn what_qemu_takes_besides_is_published_or_not_answered() {
        let published = Figures::published();
        let (cost, sources) = monitor(&published).unwrap();
        assert!(cost.low == 0.0 && cost.likely > 0.0 && cost.high >= cost.likely);
        assert_eq!(sources.len(), 2);
        let doubted = published
            .without("qemu.overhead.128")
            .without("qemu.overhead.256");
        assert!(monitor(&doubted).is_err());
        let both = cost.and(Cost::exactly(1.0));
        assert_eq!((both.low, both.high), (1.0, cost.high + 1.0));
    }

    #[test]
    fn many_take_as_many_times_what_one_takes() {
        assert_eq!(Cost::exactly(3.0).of(4), Cost::exactly(12.0));
    }
}
