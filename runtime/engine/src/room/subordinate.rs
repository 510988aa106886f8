//! `/etc/subuid` and `/etc/subgid`: which ids beside his own an ordinary user may
//! map in a user namespace.
//!
//! A line is `user:first:count`, the user by name or by number; several lines
//! for one user add up. Whoever writes the files is root, but they are edited by
//! hand and by a dozen programs: a line that says nothing is passed over, as
//! `newuidmap` does.
//!
//! Source: `subuid(5)`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// How much of a file is read, in bytes: a hundred thousand users.
const MOST: u64 = 4 << 20;

/// Consecutive ids of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first of them.
    pub first: u32,
    /// How many, at least one.
    pub count: u32,
}

impl Range {
    fn end(self) -> u64 {
        u64::from(self.first) + u64::from(self.count)
    }

    fn overlaps(self, other: Self) -> bool {
        u64::from(self.first) < other.end() && u64::from(other.first) < self.end()
    }
}

/// The ranges of a user whose id is `own`, in the file's order.
///
/// # Errors
/// Those of reading; a file that is not there grants nothing.
pub(super) fn read(path: &Path, user: Option<&str>, own: u32) -> io::Result<Vec<Range>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    Ok(ranges(&text, user, own))
}

/// The ranges of a user by name or number. None overlaps another or has the
/// user's own id, which the kernel would refuse to map twice.
#[must_use]
pub fn ranges(text: &[u8], user: Option<&str>, own: u32) -> Vec<Range> {
    let number = own.to_string();
    let is_ours = |owner: &[u8]| {
        owner == number.as_bytes() || user.is_some_and(|user| user.as_bytes() == owner)
    };
    let mut found: Vec<Range> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let range = parse(line).filter(|(owner, _)| is_ours(owner));
        let Some((_, range)) = range else { continue };
        let mine = Range {
            first: own,
            count: 1,
        };
        let is_free = |taken: &Range| !taken.overlaps(range);
        if found.len() < MOST_RANGES && found.iter().chain([&mine]).all(is_free) {
            found.push(range);
        }
    }
    found
}

/// The kernel takes 340 lines of a map (`user_namespaces(7)`), one of which is the
/// user himself.
const MOST_RANGES: usize = 339;

fn parse(line: &[u8]) -> Option<(&[u8], Range)> {
    let mut fields = line.split(|&byte| byte == b':');
    let (owner, first, count) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || owner.is_empty() {
        return None;
    }
    let range = Range {
        first: decimal(first)?,
        count: decimal(count)?,
    };
    // The last id there is means "no id" (`chown(2)`).
    let is_possible = range.count > 0 && range.end() <= u64::from(u32::MAX);
    is_possible.then_some((owner, range))
}

fn decimal(field: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(field).ok()?.trim();
    // Not `+5`, which `parse` would take.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(u32, u32)]) {
        let found = ranges(text.as_bytes(), Some("ada"), 1000);
        let found: Vec<_> = found.iter().map(|r| (r.first, r.count)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn a_user_is_meant_by_name_and_by_number() {
        check("bob:1:2\nada:100000:65536\n", &[(100_000, 65_536)]);
        check(
            "1000:200000:10\nada:300000:5",
            &[(200_000, 10), (300_000, 5)],
        );
        check("adam:1:2\n10000:5:5\n", &[]);
    }

    #[test]
    fn a_line_that_says_nothing_is_passed_over() {
        for line in [
            "",
            "ada",
            "ada:1",
            "ada:1:0",
            "ada:-1:5",
            "ada:+1:5",
            "ada:1:5:9",
            "ada:x:5",
            "ada:4294967295:1",
            "ada:4294967000:1000",
            "ada:99999999999:5",
        ] {
            check(&format!("{line}\nada:7000:3\n"), &[(7000, 3)]);
        }
    }

    #[test]
    fn what_overlaps_or_has_the_users_own_id_is_not_mapped_twice() {
        check(
            "ada:5000:10\nada:5009:10\nada:5010:1\n",
            &[(5000, 10), (5010, 1)],
        );
        check("ada:900:200\nada:2000:5\n", &[(2000, 5)]);
    }

    proptest! {
        #[test]
        fn whatever_the_file_holds_the_ranges_can_be_mapped(
            lines in prop::collection::vec(
                prop_oneof![
                    any::<Vec<u8>>(),
                    (any::<u32>(), any::<u32>()).prop_map(|(a, b)| format!("ada:{a}:{b}").into_bytes()),
                    (0..2000u32, 0..50u32).prop_map(|(a, b)| format!("1000:{a}:{b}").into_bytes()),
                ],
                0..60,
            ),
        ) {
            let found = ranges(&lines.join(&b'\n'), Some("ada"), 1000);
            prop_assert!(found.len() <= MOST_RANGES);
            for (index, range) in found.iter().enumerate() {
                prop_assert!(range.count > 0 && range.end() <= u64::from(u32::MAX));
                prop_assert!(range.first > 1000 || range.end() <= 1000);
                let later = &found[index + 1..];
                prop_assert!(later.iter().all(|other| !other.overlaps(*range)));
            }
        }
    }
}
