//! Times, as people say them.

use std::time::{Duration, SystemTime};

/// How long ago an RFC 3339 time was, in its largest unit; empty for what is no
/// time, and for the epoch, which reproducible builds write for none.
pub(super) fn ago(time: Option<&str>) -> String {
    let parsed = time.and_then(|time| humantime::parse_rfc3339_weak(&plain(time)).ok());
    match parsed {
        Some(SystemTime::UNIX_EPOCH) | None => String::new(),
        Some(then) => {
            let passed = SystemTime::now().duration_since(then);
            format!("{} ago", words(passed.unwrap_or_default()))
        }
    }
}

/// `2024-01-02T03:04:05.6+00:00` as `2024-01-02T03:04:05Z`: an offset of hours
/// does not change what was days ago.
fn plain(time: &str) -> String {
    let end = time.len().min(19);
    format!("{}Z", time.get(..end).unwrap_or(time))
}

fn words(passed: Duration) -> String {
    const UNITS: [(u64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let seconds = passed.as_secs();
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    let (count, name) = match unit {
        Some((length, name)) => (seconds / length, *name),
        None => (seconds, "second"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {name}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (61, "1 minute"),
            (7_300, "2 hours"),
            (86_400 * 8, "1 week"),
            (86_400 * 800, "2 years"),
        ] {
            assert_eq!(words(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn what_says_no_time_is_empty() {
        for time in [
            None,
            Some(""),
            Some("soon"),
            Some("é"),
            Some("1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(ago(time), "", "{time:?}");
        }
        assert!(ago(Some("2020-05-01T00:00:00.123456789+02:00")).ends_with("years ago"));
    }
}
