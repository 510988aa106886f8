//! PAX records: what a header has no room for, as `LENGTH KEY=VALUE` lines.
//!
//! The length decides where a record ends: a value is any bytes, newlines among
//! them. Source: POSIX.1-2017, `pax`, "pax Extended Header".

use super::entry::Time;
use super::{Fault, bad};

/// What begins the key of an extended attribute.
pub(in crate::layer) const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// The records of one entry, in their order.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<Record>);

/// A key and a value.
type Record = (Vec<u8>, Vec<u8>);

impl Records {
    pub(super) fn parse(mut text: &[u8]) -> Result<Self, Fault> {
        let mut records = Vec::new();
        while !text.is_empty() {
            let (record, rest) = record(text).ok_or_else(|| bad("a PAX record"))?;
            records.push(record);
            text = rest;
        }
        Ok(Self(records))
    }

    /// All of them, a key as often as it comes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&key[..], &value[..]))
    }

    /// The last value of `key`. An empty one takes back what was said before.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let last = self.iter().filter(|(k, _)| *k == key.as_bytes()).last();
        last.map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    /// The last value of `key`, a number.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Fault> {
        let parse = |value| decimal(value).ok_or_else(|| bad("a number of a PAX record"));
        self.get(key).map(parse).transpose()
    }

    /// The last value of `key`, seconds with a fraction.
    pub(super) fn time(&self, key: &str) -> Result<Option<Time>, Fault> {
        let parse = |value| time(value).ok_or_else(|| bad("a time of a PAX record"));
        self.get(key).map(parse).transpose()
    }

    /// A name, which no NUL may end for one reader and not for another.
    pub(super) fn name(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        match self.get(key) {
            Some(name) if name.contains(&0) => Err(bad("a name of a PAX record")),
            name => Ok(name.map(<[u8]>::to_vec)),
        }
    }

    /// Extended attributes, each with its last value.
    pub(super) fn attributes(&self) -> Result<Vec<Record>, Fault> {
        let mut attributes = std::collections::BTreeMap::new();
        for (key, value) in self.iter() {
            if let Some(name) = key.strip_prefix(ATTRIBUTE) {
                if name.is_empty() || name.contains(&0) {
                    return Err(bad("the name of an extended attribute"));
                }
                attributes.insert(name.to_vec(), value.to_vec());
            }
        }
        Ok(attributes.into_iter().collect())
    }
}

fn record(text: &[u8]) -> Option<(Record, &[u8])> {
    let space = text.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&text[..space])?).ok()?;
    let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    (!key.is_empty()).then(|| ((key.to_vec(), value.to_vec()), &text[length..]))
}

/// Digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = (0..9).map(|place| {
        fraction
            .get(place)
            .map_or(0, |digit| i64::from(digit - b'0'))
    });
    let nanoseconds = digits.fold(0, |sum, digit| sum * 10 + digit);
    // A time has its fraction after it, also before 1970.
    Some(match (negative, nanoseconds) {
        (false, _) => Time {
            seconds,
            nanoseconds,
        },
        (true, 0) => Time {
            seconds: -seconds,
            nanoseconds,
        },
        (true, _) => Time {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_ends_by_its_length_and_not_by_a_newline() {
        let records = Records::parse(b"13 path=a\nb=\n6 x=y\n").unwrap();
        assert_eq!(records.get("path"), Some(&b"a\nb="[..]));
        assert_eq!(records.get("x"), Some(&b"y"[..]));
    }

    #[test]
    fn the_last_record_of_a_key_counts_and_an_empty_one_takes_it_back() {
        let records = Records::parse(b"8 p=one\n8 p=two\n8 q=one\n5 q=\n").unwrap();
        assert_eq!(records.get("p"), Some(&b"two"[..]));
        assert_eq!(records.get("q"), None);
    }

    #[test]
    fn a_time_has_a_sign_and_a_fraction() {
        for (text, seconds, nanoseconds) in [
            ("7", 7, 0),
            ("7.5", 7, 500_000_000),
            ("0.0000000019", 0, 1),
            ("-1.25", -2, 750_000_000),
            ("-3", -3, 0),
        ] {
            let read = time(text.as_bytes()).unwrap();
            assert_eq!(
                (read.seconds, read.nanoseconds),
                (seconds, nanoseconds),
                "{text}"
            );
        }
        for bad in ["", ".", "1.x", "1e3", "+1", "--1"] {
            assert!(time(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for bad in [
            "x", "5", "5 a=b", "7 a=b\n", "6 ab\n\n", "5 =a\n", "0 a=b\n", "99 a=b\n",
        ] {
            assert!(Records::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_records_or_an_error(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Records::parse(&text);
        }
    }
}
