//! The formats of control files that count something.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{BlkioEntry, Pressure, Stall};

/// A single number; 0 where there is no such file. `max` is the largest.
pub(super) fn number(group: &Path, file: &str) -> u64 {
    let text = text(group, file);
    match text.trim() {
        "max" => u64::MAX,
        digits => digits.parse().unwrap_or(0),
    }
}

/// Numbers between spaces.
pub(super) fn numbers(group: &Path, file: &str) -> Vec<u64> {
    let text = text(group, file);
    text.split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect()
}

/// Lines of a word and a number.
pub(super) fn keyed(group: &Path, file: &str) -> BTreeMap<String, u64> {
    let text = text(group, file);
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .filter_map(|(key, number)| Some((key.to_owned(), number.trim().parse().ok()?)))
        .collect()
}

/// `0-3,8` as its members.
pub(super) fn list(group: &Path, file: &str) -> Vec<u16> {
    let text = text(group, file);
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// Lines such as `8:0 Read 4096`, or `8:0 4096` where operations are not told apart.
pub(super) fn by_device(group: &Path, file: &str) -> Vec<BlkioEntry> {
    let text = text(group, file);
    text.lines()
        .filter_map(|line| {
            let mut words = line.split([' ', ':']);
            let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let (op, value) = match (words.next()?, words.next()) {
                (op, Some(value)) => (op.to_owned(), value),
                (value, None) => (String::new(), value),
            };
            let value = value.parse().ok()?;
            Some(BlkioEntry {
                major,
                minor,
                op,
                value,
            })
        })
        .collect()
}

/// Two lines, of which older kernels have only the first for the CPU.
pub(super) fn pressure(group: &Path, file: &str) -> Option<Pressure> {
    let text = fs::read_to_string(group.join(file)).ok()?;
    let stall = |which: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(which));
        let mut stall = Stall::default();
        for (key, value) in line
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|w| w.split_once('='))
        {
            let share = || value.parse().unwrap_or(0.0);
            match key {
                "avg10" => stall.avg10 = share(),
                "avg60" => stall.avg60 = share(),
                "avg300" => stall.avg300 = share(),
                "total" => stall.total = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        stall
    };
    Some(Pressure {
        some: stall("some "),
        full: stall("full "),
    })
}

fn text(group: &Path, file: &str) -> String {
    fs::read_to_string(group.join(file)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, parse: impl Fn(&Path, &str) -> T) -> T {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("f"), text).unwrap();
        parse(root.path(), "f")
    }

    #[test]
    fn ranges_are_spelled_out() {
        assert_eq!(with("0-2,7\n", list), [0, 1, 2, 7]);
        assert_eq!(with("\n", list), [0u16; 0]);
    }

    #[test]
    fn totals_without_a_device_are_left_out() {
        let entries = with("8:0 Read 5\n8:0 Total 5\nTotal 5\n8:16 9\n", by_device);
        let entry = |minor, op: &str, value| BlkioEntry {
            major: 8,
            minor,
            op: op.to_owned(),
            value,
        };
        assert_eq!(
            entries,
            [entry(0, "Read", 5), entry(0, "Total", 5), entry(16, "", 9)]
        );
    }

    #[test]
    fn both_lines_of_a_pressure_are_read_and_one_may_be_missing() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\n";
        let pressure = with(text, pressure).unwrap();
        assert_eq!((pressure.some.avg10, pressure.some.total), (1.5, 77));
        assert_eq!(pressure.full, Stall::default());
    }

    #[test]
    fn max_is_the_largest_number() {
        assert_eq!(with("max\n", number), u64::MAX);
        assert_eq!(with("7\n", number), 7);
    }
}
