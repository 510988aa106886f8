//! Sets of a project's versions, each version being its place in the list of those there are.
//!
//! The solver only asks which versions are in a set. Numbering the versions that exist leaves the
//! rules of PEP 440 (pre-releases, post-releases, locals) to the one function that asks whether a
//! specifier takes a version, and makes a set a few integers.

use std::fmt;

use pubgrub::{Ranges, VersionSet};

/// A set of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions(Ranges<u32>);

impl Versions {
    /// The first `count` places.
    pub(super) fn first(count: usize) -> Self {
        Self(Ranges::from_range_bounds(0..place(count)))
    }

    /// The places of `flags` that are set.
    pub(super) fn of(flags: impl IntoIterator<Item = bool>) -> Self {
        let mut runs = Vec::new();
        let mut begun = None;
        let mut end = 0;
        for (index, is_in) in (0..).zip(flags) {
            match (is_in, begun) {
                (true, None) => begun = Some(index),
                (false, Some(from)) => {
                    runs.push(from..index);
                    begun = None;
                }
                _ => {}
            }
            end = index + 1;
        }
        runs.extend(begun.map(|from| from..end));
        let runs = runs.into_iter().map(|run| {
            use std::ops::Bound::{Excluded, Included};
            (Included(run.start), Excluded(run.end))
        });
        Self(runs.collect())
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of the first `count` places that are in it, in order.
    pub(super) fn places(&self, count: usize) -> impl DoubleEndedIterator<Item = u32> {
        (0..place(count)).filter(|place| self.0.contains(place))
    }
}

/// The place of the version at `index` of its project's list.
pub(super) fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl VersionSet for Versions {
    type V = u32;

    fn empty() -> Self {
        Self(Ranges::empty())
    }

    // Half open like all others here: `{1}` and `{2}` are together what `{1, 2}` is.
    fn singleton(place: u32) -> Self {
        Self(Ranges::between(place, place.saturating_add(1)))
    }

    fn complement(&self) -> Self {
        Self(self.0.complement())
    }

    fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }

    fn contains(&self, place: &u32) -> bool {
        self.0.contains(place)
    }

    fn full() -> Self {
        Self(Ranges::full())
    }

    fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    fn subset_of(&self, other: &Self) -> bool {
        self.0.subset_of(&other.0)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_equal_however_they_were_made() {
        let one_and_two = Versions::of([false, true, true, false]);
        let joined = Versions::singleton(1).union(&Versions::singleton(2));
        assert_eq!(one_and_two, joined);
        assert_eq!(Versions::of([true; 3]), Versions::first(3));
        assert_eq!(Versions::of([false; 3]), Versions::empty());
        assert_eq!(Versions::first(0), Versions::empty());
        let apart = Versions::of([true, false, true]);
        assert_eq!(apart.places(3).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(apart.complement().complement(), apart);
        let filled = apart.union(&Versions::singleton(1));
        assert_eq!(filled, Versions::first(3));
    }
}
