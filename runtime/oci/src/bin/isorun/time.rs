//! Points in time as RFC 3339 writes them, and lengths of time as Go's.

use std::time::{Duration, SystemTime};

use crate::failure::Failure;

/// `2026-11-25T03:14:53Z`.
pub(crate) fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    format!("{}Z", civil(since.unwrap_or_default().as_secs()))
}

/// `2026-11-25T03:14:53.510676596Z`, from seconds and nanoseconds since 1970.
pub(crate) fn nanoseconds((second, nanosecond): (u64, u32)) -> String {
    format!("{}.{nanosecond:09}Z", civil(second))
}

/// The date and time of a second since 1970, in the Gregorian calendar.
///
/// Years begin in March here, so that the leap day is the last of its year;
/// 400 years have 146,097 days.
fn civil(second: u64) -> String {
    let days = second / 86_400 + 719_468; // from 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month > 9);
    let month = if month > 9 { month - 9 } else { month + 3 };
    let second = second % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Reads `500ms`, `5s`, `1m30s` or `1.5h`, as Go's `time.ParseDuration`.
pub(crate) fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong = || {
        Failure::new(
            format!("--interval: `{text}` is not a length of time"),
            "as in 500ms, 5s or 1m30s",
        )
    };
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        total += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(wrong()),
            };
        rest = tail;
    }
    // Go counts nanoseconds in 64 bits, and a clock's end is not much further.
    let longest = Duration::from_nanos(i64::MAX.unsigned_abs());
    match Duration::try_from_secs_f64(total) {
        Ok(length) if !length.is_zero() && length < longest => Ok(length),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(seconds(at(0)), "1970-01-01T00:00:00Z");
        let created = nanoseconds((1_795_576_493, 510_676_596));
        assert_eq!(created, "2026-11-25T03:14:53.510676596Z");
        assert_eq!(seconds(at(951_782_399)), "2000-02-28T23:59:59Z");
        assert_eq!(seconds(at(951_782_400)), "2000-02-29T00:00:00Z");
        assert_eq!(seconds(at(951_868_800)), "2000-03-01T00:00:00Z");
        assert_eq!(seconds(at(1_795_576_493)), "2026-11-25T03:14:53Z");
        assert_eq!(seconds(at(4_107_542_400)), "2100-03-01T00:00:00Z");
        assert_eq!(seconds(at(1_767_225_599)), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn lengths_are_go_s() {
        let check = |text, expected| assert_eq!(duration(text).unwrap(), expected, "{text}");
        check("5s", Duration::from_secs(5));
        check("500ms", Duration::from_millis(500));
        check("1m30s", Duration::from_secs(90));
        check("1.5h", Duration::from_secs(5400));
        check("2562047h", Duration::from_secs(2_562_047 * 3600));
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "0s",
            "5x",
            "1..2s",
            "999999999999999999999h",
            "5000000000000000h",
            "2562048h",
        ] {
            let failure = duration(text).expect_err(text);
            assert!(failure.message.contains(text), "{}", failure.message);
        }
    }
}
