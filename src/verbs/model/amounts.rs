//! Sizes and times as they are typed for the model. As QEMU and Docker have it, `M`
//! alone is a mebibyte; `MB` is a million bytes.

use vm_model::model::parameters::known;

use crate::observation::Unit;
use crate::prediction::{VALUES, amount};

/// A size in bytes.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub(super) fn size(text: &str) -> Result<f64, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(0.0);
    }
    let short = text.char_indices().last().filter(|(at, _)| {
        text[..*at]
            .trim_end()
            .ends_with(|c: char| c.is_ascii_digit())
    });
    let long = short.and_then(|(at, letter)| {
        let unit = match letter.to_ascii_lowercase() {
            'k' => "KiB",
            'm' => "MiB",
            'g' => "GiB",
            't' => "TiB",
            _ => return None,
        };
        Some(format!("{} {unit}", text[..at].trim_end()))
    });
    amount::parse(long.as_deref().unwrap_or(text), Unit::Bytes)
}

/// A time in seconds; years are years of 365 days.
///
/// # Errors
/// As [`size`].
pub(super) fn time(text: &str) -> Result<f64, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(0.0);
    }
    for (unit, seconds) in [("d", 86_400.0), ("y", 365.0 * 86_400.0)] {
        let number = text
            .strip_suffix(unit)
            .and_then(|number| number.trim().parse().ok());
        if let Some(number) = number.filter(|number: &f64| number.is_finite() && *number > 0.0) {
            let time = number * seconds;
            return match VALUES.contains(&time) {
                true => Ok(time),
                false => Err("no such time exists: write such as 4y".to_owned()),
            };
        }
    }
    amount::parse(text, Unit::Seconds)
}

/// A size of something that is there: nothing is none.
///
/// # Errors
/// As [`size`].
pub(super) fn some_size(text: &str) -> Result<f64, String> {
    some(size(text)?, "256M")
}

/// A time in which something happens: none is none.
///
/// # Errors
/// As [`size`].
pub(super) fn some_time(text: &str) -> Result<f64, String> {
    some(time(text)?, "30d")
}

fn some(amount: f64, example: &str) -> Result<f64, String> {
    match amount > 0.0 {
        true => Ok(amount),
        false => Err(format!(
            "it has to be more than nothing: write such as {example}"
        )),
    }
}

/// A number of processors, or a part of one.
///
/// # Errors
/// As [`size`].
pub(super) fn processors(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    let bounds = known("host.processors").map_or(0.0..=f64::MAX, |known| known.least..=known.most);
    match bounds.contains(&number) {
        true => Ok(number),
        false => Err(format!(
            "a host has {} to {} of them: write such as 2",
            bounds.start(),
            bounds.end()
        )),
    }
}

/// A number that is not negative.
///
/// # Errors
/// As [`size`].
pub(super) fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is no number"))?;
    match number.is_finite() && (0.0..=1e15).contains(&number) {
        true => Ok(number),
        false => Err(format!(
            "{text} of anything cannot be: write a number from 0 on"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_alone_is_binary_and_a_symbol_is_what_it_says() {
        for (text, bytes) in [
            ("700M", 700.0 * 1_048_576.0),
            ("700 MB", 700e6),
            ("1.5G", 1.5 * 1_073_741_824.0),
            ("64KiB", 65_536.0),
            ("0", 0.0),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "M", "700", "-1M", "7 parsecs", "1,5G", "5ms"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_may_be_days_and_years() {
        assert_eq!(time("2 d"), Ok(172_800.0));
        assert_eq!(time("4y"), Ok(4.0 * 365.0 * 86_400.0));
        assert_eq!(time("20ms"), Ok(0.02));
        assert!(time("4 MB").is_err() && time("-1y").is_err());
        assert!(time("1e305y").is_err() && time("1e300y").is_err());
    }

    #[test]
    fn less_than_nothing_is_no_number_of_things() {
        assert_eq!(number("0.25"), Ok(0.25));
        assert!(number("-1").is_err() && number("nan").is_err() && number("many").is_err());
    }

    #[test]
    fn what_has_to_be_there_is_more_than_nothing() {
        for nothing in [some_size("0"), some_time("0"), processors("0")] {
            assert!(nothing.unwrap_err().contains("write such as"));
        }
        assert_eq!(some_size("1K"), Ok(1024.0));
        assert_eq!(some_time("1y"), Ok(365.0 * 86_400.0));
        assert_eq!((processors("0.5"), processors("96")), (Ok(0.5), Ok(96.0)));
        assert!(processors("1000000").is_err(), "no host has so many");
    }
}
