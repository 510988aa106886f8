//! `HEALTHCHECK`: how to find out whether a container is well.

use std::time::Duration;

use super::flags::{Flags, Kind};
use super::instruction::Command;
use super::problem::{Fault, did_you_mean, shown};
use super::read::{Arguments, command};

/// How to find out whether a container is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healthcheck {
    /// Not at all, whatever the base image says.
    None,
    /// By a command.
    Check(Check),
}

/// A command whose exit code says it, and when it runs. What is not given, or is
/// zero, is the base image's or the engine's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What runs; [`Command::Exec`] is never empty here.
    pub command: Command,
    /// Between two.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// How long failures do not count after the start.
    pub start_period: Option<Duration>,
    /// Between two in that time.
    pub start_interval: Option<Duration>,
    /// How many failures in a row make a container unwell.
    pub retries: Option<u32>,
}

/// Shorter ones are refused.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn read(arguments: &Arguments<'_>) -> Result<Healthcheck, Fault> {
    let (kind, rest) = match arguments.rest.split_once(char::is_whitespace) {
        Some((kind, rest)) => (kind, rest.trim_start()),
        None => (arguments.rest, ""),
    };
    match &*kind.to_ascii_uppercase() {
        "NONE" if rest.is_empty() => Ok(Healthcheck::None),
        "NONE" => Err(Fault::new("nothing can follow HEALTHCHECK NONE")),
        "CMD" => read_check(arguments, rest).map(Healthcheck::Check),
        "" => Err(Fault::new("HEALTHCHECK checks nothing")
            .remedy("write `HEALTHCHECK CMD COMMAND` or `HEALTHCHECK NONE`")),
        _ => {
            let fault = Fault::new(format!("`{}` is no kind of HEALTHCHECK", shown(kind)));
            let guess = did_you_mean(kind, &["CMD", "NONE"]);
            Err(fault.remedy(guess.unwrap_or_else(|| "write CMD before the command".to_owned())))
        }
    }
}

fn read_check(arguments: &Arguments<'_>, rest: &str) -> Result<Check, Fault> {
    let known = [
        ("interval", Kind::Text),
        ("timeout", Kind::Text),
        ("start-period", Kind::Text),
        ("start-interval", Kind::Text),
        ("retries", Kind::Text),
    ];
    let flags = Flags::read("HEALTHCHECK", arguments.flags, &known)?;
    let duration = |name: &str| {
        let duration = flags.text(name).map(|text| read_duration(name, text));
        Ok::<_, Fault>(duration.transpose()?.filter(|duration| !duration.is_zero()))
    };
    let retries = flags.text("retries").map(|text| {
        let number = text.parse::<i32>().ok().and_then(|n| u32::try_from(n).ok());
        number.ok_or_else(|| Fault::new(format!("--retries is a number, not `{}`", shown(text))))
    });
    let command = command("HEALTHCHECK CMD", rest)?;
    if command == Command::Exec(Vec::new()) {
        return Err(Fault::new("HEALTHCHECK CMD has no command"));
    }
    Ok(Check {
        command,
        interval: duration("interval")?,
        timeout: duration("timeout")?,
        start_period: duration("start-period")?,
        start_interval: duration("start-interval")?,
        retries: retries.transpose()?.filter(|retries| *retries > 0),
    })
}

fn read_duration(name: &str, text: &str) -> Result<Duration, Fault> {
    let bad = |reason: &str| {
        let fault = Fault::new(format!("--{name}={}: {reason}", shown(text)));
        Err(fault.remedy("write a time such as 30s, 1m30s or 500ms"))
    };
    match parse_duration(text) {
        None => bad("it is not a time"),
        Some(duration) if !duration.is_zero() && duration < SHORTEST => {
            bad("it is less than a millisecond")
        }
        Some(duration) => Ok(duration),
    }
}

/// Numbers, with a fraction if need be, each with its unit: as Go's
/// `time.ParseDuration` reads them, without the negative ones.
fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanoseconds: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(ends);
        let ends = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(ends);
        let (_, unit) = UNITS.iter().find(|(known, _)| *known == unit)?;
        nanoseconds = nanoseconds.checked_add(times(number, *unit)?)?;
        rest = after;
    }
    // Go counts in 63 bits.
    i64::try_from(nanoseconds).ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// `12.5` times `unit`, what is below one cut off.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = u128::from(whole) * u128::from(unit);
    let mut digit_is_worth = u128::from(unit) * 1_000_000;
    let mut parts = 0;
    for digit in fraction.chars() {
        digit_is_worth /= 10;
        parts += u128::from(digit.to_digit(10)?) * digit_is_worth;
    }
    total += parts / 1_000_000;
    u64::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("2.s", 2_000_000_000),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("3µs", 3_000),
            ("+4ns", 4),
            ("1.0000000000000000001s", 1_000_000_000),
        ] {
            let expected = Some(Duration::from_nanos(nanoseconds));
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            ".s",
            "1 s",
            "-1s",
            "1d",
            "1s2",
            "1..5s",
            "2562048h",
            "300000h0m99999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
