//! `org.systemd.property.NAME` of a container's annotations: properties of its
//! unit that an engine wants beside the limits, as how long it may take to stop.
//!
//! A value is written as `gvariant(1)` text, of which systemd's properties need
//! numbers, switches, texts and lists of texts.

use std::collections::BTreeMap;

use super::wire::{Property, Value};
use crate::error::{Error, Result};

const PREFIX: &str = "org.systemd.property.";

/// The properties that `annotations` ask for.
pub(in crate::cgroup) fn properties(
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<Property>> {
    let asked = annotations
        .iter()
        .filter_map(|(key, text)| Some((key, key.strip_prefix(PREFIX)?, text)));
    asked
        .map(|(key, name, text)| {
            property(name, text).ok_or_else(|| Error::Invalid {
                field: format!("annotations.{key}"),
                reason: format!("`{text}` is no value of a property of systemd"),
                remedy:
                    "write it as in `true`, `uint64 5`, `'text'` or `['a', 'b']`, for a name of \
                         letters (systemd.scope(5), systemd.resource-control(5))"
                        .to_owned(),
            })
        })
        .collect()
}

fn property(name: &str, text: &str) -> Option<Property> {
    let is_name = name.len() >= 3 && name.chars().all(|c| c.is_ascii_alphabetic());
    let value = is_name.then(|| value(text.trim()))??;
    // The files of units count in seconds, the bus in microseconds.
    match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
        Some(stem) => Some((
            format!("{stem}USec").into(),
            Value::U64(microseconds(text)?),
        )),
        None => Some((name.to_owned().into(), value)),
    }
}

fn microseconds(text: &str) -> Option<u64> {
    let number = text.trim().rsplit(' ').next()?;
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds: u64 = seconds.parse().ok()?;
    let fraction: u64 = digits.parse().ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
}

fn value(text: &str) -> Option<Value> {
    if let Some((kind, number)) = text.split_once(' ')
        && !text.starts_with(['\'', '"', '[', '@'])
    {
        let number = number.trim();
        return match kind {
            "int32" => number.parse().ok().map(Value::Int32),
            "uint32" => number.parse().ok().map(Value::U32),
            "int64" => number.parse().ok().map(Value::Int64),
            "uint64" => number.parse().ok().map(Value::U64),
            _ => None,
        };
    }
    match text.strip_prefix("@as ").unwrap_or(text).trim() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        list if list.starts_with('[') => {
            let mut rest = list.strip_prefix('[')?.strip_suffix(']')?.trim();
            let mut texts = Vec::new();
            while !rest.is_empty() {
                let (text, after) = quoted(rest)?;
                texts.push(text);
                rest = match after.trim_start() {
                    "" => "",
                    after => after.strip_prefix(',')?.trim_start(),
                };
            }
            Some(Value::Texts(texts))
        }
        text if text.starts_with(['\'', '"']) => match quoted(text)? {
            (text, "") => Some(Value::Text(text)),
            _ => None,
        },
        // A number with a point is one of seconds, which is read again.
        number if number.contains('.') => microseconds(number).map(Value::U64),
        number => number.parse().ok().map(Value::Int32),
    }
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next().filter(|(_, c)| "'\"".contains(*c))?;
    let mut read = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => read.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            end if end == quote => return Some((read, &text[at + 1..])),
            other => read.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: Option<(&str, Value)>) {
        let annotations = BTreeMap::from([
            (format!("{PREFIX}{name}"), text.to_owned()),
            ("org.example".to_owned(), "?".to_owned()),
        ]);
        let read = properties(&annotations).ok();
        let expected = expected.map(|(name, value)| vec![(name.to_owned().into(), value)]);
        assert_eq!(read, expected, "{name} {text}");
    }

    #[test]
    fn a_property_is_read_with_its_type() {
        let text = |text: &str| Value::Text(text.to_owned());
        check("KillSignal", "15", Some(("KillSignal", Value::Int32(15))));
        let stop = ("TimeoutStopUSec", Value::U64(10_000_000));
        check("TimeoutStopUSec", "uint64 10000000", Some(stop.clone()));
        check("TimeoutStopSec", "10", Some(stop.clone()));
        check("TimeoutStopSec", "uint64 10", Some(stop));
        check(
            "TimeoutStopSec",
            "0.5",
            Some(("TimeoutStopUSec", Value::U64(500_000))),
        );
        check(
            "CollectMode",
            "'inactive-or-failed'",
            Some(("CollectMode", text("inactive-or-failed"))),
        );
        check(
            "Description",
            r#""a \"b\"""#,
            Some(("Description", text("a \"b\""))),
        );
        check(
            "SendSIGHUP",
            "true",
            Some(("SendSIGHUP", Value::Bool(true))),
        );
        let after = Value::Texts(vec!["a.service".to_owned(), "b c".to_owned()]);
        check("After", "['a.service', 'b c']", Some(("After", after)));
        check("After", "@as []", Some(("After", Value::Texts(Vec::new()))));
    }

    #[test]
    fn what_is_no_property_is_refused() {
        for (name, text) in [
            ("ab", "1"),
            ("Kill.Signal", "1"),
            ("KillSignal", ""),
            ("KillSignal", "15x"),
            ("KillSignal", "uint64 -1"),
            ("KillSignal", "'open"),
            ("KillSignal", "'a' 'b'"),
            ("After", "['a'"),
            ("After", "['a' 'b']"),
            ("TimeoutStopSec", "99999999999999999999"),
            ("TimeoutStopSec", "soon"),
        ] {
            check(name, text, None);
        }
    }
}
