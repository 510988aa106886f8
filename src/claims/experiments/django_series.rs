//! Which series of Django runs on which Python, and which is nearest to one that does not.
//!
//! Source: Django's documentation, *FAQ: Installation*, "What Python version can I use with
//! Django?", of each series.

use std::fmt;

/// A version by its first two numbers.
pub(super) type Minor = (u8, u8);

/// A Python and a Django.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) python: Minor,
    pub(super) series: Minor,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { python, series } = self;
        write!(
            f,
            "Python {} with Django {}",
            shown(*python),
            shown(*series)
        )
    }
}

/// The tutorial's pairs.
pub(super) const OLD: [Pair; 2] = [
    Pair {
        python: (2, 7),
        series: (1, 5),
    },
    Pair {
        python: (3, 5),
        series: (2, 1),
    },
];

/// A series, whether it runs on Python 2.7, and the first and the last Python 3 that it is
/// made for, if any.
type Support = (Minor, bool, Option<(u8, u8)>);

/// Every series since the older of the tutorial's, in order.
const SERIES: [Support; 20] = [
    ((1, 5), true, None),
    ((1, 6), true, Some((2, 3))),
    ((1, 7), true, Some((2, 4))),
    ((1, 8), true, Some((2, 5))),
    ((1, 9), true, Some((4, 5))),
    ((1, 10), true, Some((4, 5))),
    ((1, 11), true, Some((4, 7))),
    ((2, 0), false, Some((4, 7))),
    ((2, 1), false, Some((5, 7))),
    ((2, 2), false, Some((5, 9))),
    ((3, 0), false, Some((6, 9))),
    ((3, 1), false, Some((6, 9))),
    ((3, 2), false, Some((6, 10))),
    ((4, 0), false, Some((8, 10))),
    ((4, 1), false, Some((8, 11))),
    ((4, 2), false, Some((8, 12))),
    ((5, 0), false, Some((10, 12))),
    ((5, 1), false, Some((10, 13))),
    ((5, 2), false, Some((10, 14))),
    ((6, 0), false, Some((12, 14))),
];

/// The series made for `python`, each with its place in time.
fn made_for(python: Minor) -> impl Iterator<Item = (usize, Minor)> {
    let runs = move |(_, old, new): &Support| match (python, new) {
        ((2, 7), _) => *old,
        ((3, minor), Some((first, last))) => (*first..=*last).contains(&minor),
        _ => false,
    };
    let all = SERIES.into_iter().enumerate();
    all.filter(move |(_, support)| runs(support))
        .map(|(place, (series, ..))| (place, series))
}

fn place_of(series: Minor) -> usize {
    let place = SERIES.iter().position(|(known, ..)| *known == series);
    place.unwrap_or(0)
}

/// The series made for `python` that is nearest to `wanted`, the older of two as near.
pub(super) fn nearest(wanted: Minor, python: Minor) -> Option<Minor> {
    let wanted = place_of(wanted);
    let all = made_for(python);
    let nearest = all.min_by_key(|(place, _)| place.abs_diff(wanted))?;
    Some(nearest.1)
}

/// For each of the tutorial's two the nearest series made for `python`: two different ones.
pub(super) fn two_for(python: Minor) -> Option<[Minor; 2]> {
    let first = nearest(OLD[0].series, python)?;
    let wanted = place_of(OLD[1].series);
    let others = made_for(python).filter(|(_, series)| *series != first);
    let second = others.min_by_key(|(place, _)| place.abs_diff(wanted))?;
    Some([first, second.1])
}

/// How far one Python is from another: 3.0 came after 2.7.
pub(super) fn distance(one: Minor, other: Minor) -> u8 {
    let place = |python: Minor| match python {
        (2, minor) => minor.min(7),
        (_, minor) => minor.saturating_add(8),
    };
    place(one).abs_diff(place(other))
}

pub(super) fn shown((major, minor): Minor) -> String {
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_own_pairs_are_taken_where_they_can_be() {
        for Pair { python, series } in OLD {
            assert_eq!(nearest(series, python), Some(series));
        }
        assert_eq!(two_for((2, 7)), Some([(1, 5), (1, 11)]));
        assert_eq!(two_for((3, 5)), Some([(1, 8), (2, 1)]));
    }

    #[test]
    fn elsewhere_it_is_two_different_ones_that_are_made_for_that_python() {
        for (python, two) in [
            ((3, 7), [(1, 11), (2, 1)]),
            ((3, 11), [(4, 1), (4, 2)]),
            ((3, 12), [(4, 2), (5, 0)]),
            ((3, 13), [(5, 1), (5, 2)]),
            ((3, 14), [(5, 2), (6, 0)]),
        ] {
            assert_eq!(two_for(python), Some(two), "{python:?}");
        }
        assert_eq!(two_for((3, 99)), None);
        assert_eq!(two_for((2, 6)), None);
    }

    #[test]
    fn the_nearest_python_to_an_old_one_is_the_oldest_that_is_there() {
        let there = [(3, 13), (3, 6), (3, 11)];
        for wanted in [(2, 7), (3, 5)] {
            let nearest = there.into_iter().min_by_key(|one| distance(*one, wanted));
            assert_eq!(nearest, Some((3, 6)));
        }
        assert_eq!(distance((2, 7), (3, 0)), 1);
        assert_eq!(distance((3, 5), (3, 5)), 0);
    }
}
