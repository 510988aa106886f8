//! A time or a size as people type it: `5ms`, `5 ms`, `0.005 s`, `30MB`.
//!
//! What could mean two things is refused with what to write instead: a comma
//! separates decimals in one country and thousands in the next, and `m` is a
//! minute, a metre or a thousandth.

use crate::observation::Unit;

use super::VALUES;

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 64;

/// Names of units, in lower case, and how many seconds or bytes each is.
const SECONDS: [(&[&str], f64); 6] = [
    (&["ns", "nanosecond", "nanoseconds"], 1e-9),
    (&["us", "µs", "μs", "microsecond", "microseconds"], 1e-6),
    (&["ms", "millisecond", "milliseconds"], 1e-3),
    (&["s", "sec", "second", "seconds"], 1.0),
    (&["min", "minute", "minutes"], 60.0),
    (&["h", "hour", "hours"], 3600.0),
];
const BYTES: [(&[&str], f64); 9] = [
    (&["b", "byte", "bytes"], 1.0),
    (&["kb", "kilobyte", "kilobytes"], 1e3),
    (&["mb", "megabyte", "megabytes"], 1e6),
    (&["gb", "gigabyte", "gigabytes"], 1e9),
    (&["tb", "terabyte", "terabytes"], 1e12),
    (&["kib"], 1024.0),
    (&["mib"], 1_048_576.0),
    (&["gib"], 1_073_741_824.0),
    (&["tib"], 1_099_511_627_776.0),
];

/// The amount that `text` names, in seconds or bytes as `unit` says.
///
/// # Errors
/// What is wrong with it and what to write instead, as a sentence's end.
pub fn parse(text: &str, unit: Unit) -> Result<f64, String> {
    let text = text.trim();
    let example = example(unit);
    if text.is_empty() {
        return Err(format!("there is no value: write {example}"));
    }
    if text.len() > LONGEST {
        return Err(format!("that is too long for a value: write {example}"));
    }
    let number_ends = text
        .char_indices()
        .find(|(at, c)| !is_of_number(&text[..*at], *c, &text[at + c.len_utf8()..]))
        .map_or(text.len(), |(at, _)| at);
    let (number, symbol) = text.split_at(number_ends);
    let value = number_of(number, unit)?;
    let size = size_of(symbol.trim(), number, unit)?;
    // 5.2 / 1000 is the number that people mean, 5.2 × 0.001 its neighbour.
    let amount = if size < 1.0 {
        value / (1.0 / size).round()
    } else {
        value * size
    };
    if amount == 0.0 {
        return Err(format!(
            "nothing takes nothing, and no factor is off from it: write the least that you would notice, such as {}",
            least(unit)
        ));
    }
    if !VALUES.contains(&amount) {
        return Err(format!(
            "no such amount exists on a computer: write {example}"
        ));
    }
    Ok(amount)
}

/// The size of a value's power of ten in words: `thousandths of a second`.
#[must_use]
pub fn order_of_magnitude(value: f64, unit: Unit) -> String {
    // Rounding must not make 1000 of 999.9999999.
    let exponent = (value.log10() + 1e-12).floor();
    // Bounded by VALUES.
    #[allow(clippy::cast_possible_truncation)]
    let exponent = exponent as i32;
    match unit {
        Unit::Seconds => seconds_in_words(exponent),
        Unit::Bytes => {
            const NAMES: [&str; 5] = ["bytes", "kilobytes", "megabytes", "gigabytes", "terabytes"];
            let exponent = usize::try_from(exponent).unwrap_or(0);
            let thousands = (exponent / 3).min(NAMES.len() - 1);
            let name = NAMES[thousands];
            match exponent - 3 * thousands {
                0 => name.to_owned(),
                1 => format!("tens of {name}"),
                2 => format!("hundreds of {name}"),
                _ => format!("thousands of {name} or more"),
            }
        }
    }
}

fn seconds_in_words(exponent: i32) -> String {
    match exponent {
        ..=-7 => "less than millionths of a second".to_owned(),
        -6 => "millionths of a second".to_owned(),
        -5 => "hundred-thousandths of a second".to_owned(),
        -4 => "ten-thousandths of a second".to_owned(),
        -3 => "thousandths of a second".to_owned(),
        -2 => "hundredths of a second".to_owned(),
        -1 => "tenths of a second".to_owned(),
        0 => "seconds".to_owned(),
        1 => "tens of seconds".to_owned(),
        2 => "hundreds of seconds: minutes".to_owned(),
        3.. => "thousands of seconds: hours or more".to_owned(),
    }
}

/// A value as an example of how to write one.
#[must_use]
pub fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "a time such as 5 ms, 0.2 s or 40 us",
        Unit::Bytes => "a size such as 30 MB, 4 kB or 1.5 GB",
    }
}

fn least(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "1 us",
        Unit::Bytes => "1 B",
    }
}

/// Whether `c`, between what stands before and after it, goes on with a number.
fn is_of_number(before: &str, c: char, after: &str) -> bool {
    let begins_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match c {
        '0'..='9' | '.' | ',' => true,
        '+' | '-' => before.is_empty() || before.ends_with(['e', 'E']),
        // An exponent, not a unit that begins with it.
        'e' | 'E' => {
            !before.is_empty()
                && (begins_digit(after) || begins_digit(after.trim_start_matches(['+', '-'])))
        }
        _ => false,
    }
}

fn number_of(number: &str, unit: Unit) -> Result<f64, String> {
    let example = example(unit);
    if number.contains(',') {
        let (point, whole) = (number.replace(',', "."), number.replace(',', ""));
        // Nobody separates thousands after a nought: `0,5` is no `05`.
        let or_whole = match number.trim_start_matches(['-', '+']).starts_with('0') {
            true => String::new(),
            false => format!(" or no separator ({whole})"),
        };
        return Err(format!(
            "a comma means different things in different countries: write a point ({point}){or_whole}"
        ));
    }
    if number.starts_with('-') {
        return Err(format!("nothing takes less than nothing: write {example}"));
    }
    let digits = number.strip_prefix('+').unwrap_or(number);
    // Rust reads `inf` and `nan` too; those have no digit.
    let value = digits.parse::<f64>().ok();
    let value = value.filter(|v| v.is_finite() && digits.contains(|c: char| c.is_ascii_digit()));
    value.ok_or_else(|| match number {
        "" => format!("it does not begin with a number: write {example}"),
        _ => format!("`{number}` is no number: write {example}"),
    })
}

fn size_of(symbol: &str, number: &str, unit: Unit) -> Result<f64, String> {
    let word = symbol.to_lowercase();
    let find = |table: &[(&[&str], f64)]| {
        let found = table
            .iter()
            .find(|(names, _)| names.contains(&word.as_str()));
        found.map(|(_, size)| *size)
    };
    let (own, other) = match unit {
        Unit::Seconds => (find(&SECONDS), find(&BYTES)),
        Unit::Bytes => (find(&BYTES), find(&SECONDS)),
    };
    if let Some(size) = own {
        return Ok(size);
    }
    let example = example(unit);
    Err(match word.as_str() {
        _ if other.is_some() => match unit {
            Unit::Seconds => format!("this asks for a time, and that is a size: write {example}"),
            Unit::Bytes => format!("this asks for a size, and that is a time: write {example}"),
        },
        "" => format!("the unit is missing: {}", units(number, unit)),
        "m" => match unit {
            Unit::Seconds => {
                format!("`m` could be minutes or thousandths: write {number} min or {number} ms")
            }
            Unit::Bytes => format!("`m` could be megabytes or something else: write {number} MB"),
        },
        "k" | "g" | "t" if unit == Unit::Bytes => {
            format!(
                "write {number} {}B in full",
                if word == "k" {
                    "k".to_owned()
                } else {
                    word.to_uppercase()
                }
            )
        }
        _ => format!("there is no such unit: {}", units(number, unit)),
    })
}

fn units(number: &str, unit: Unit) -> String {
    match unit {
        Unit::Seconds => format!("write {number} us, {number} ms or {number} s"),
        Unit::Bytes => format!("write {number} kB, {number} MB or {number} GB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, unit: Unit, expected: f64) {
        let amount = parse(text, unit).unwrap();
        assert!((amount / expected - 1.0).abs() < 1e-12, "{text}: {amount}");
    }

    #[track_caller]
    fn refused(text: &str, unit: Unit, saying: &str) {
        let message = parse(text, unit).unwrap_err();
        assert!(message.contains(saying), "{text}: {message}");
    }

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for text in [
            "5ms", "5 ms", " 5  ms ", "0.005 s", "5e-3s", "5E-3 s", "5000us", "5000 µs", "+5 MS",
        ] {
            check(text, Unit::Seconds, 0.005);
        }
        for text in ["30MB", "30 mb", "0.03 GB", "3e7 B", "30000 kilobytes"] {
            check(text, Unit::Bytes, 30e6);
        }
        check("2 MiB", Unit::Bytes, 2_097_152.0);
        check("2min", Unit::Seconds, 120.0);
        check(".5 s", Unit::Seconds, 0.5);
        check("5. s", Unit::Seconds, 5.0);
    }

    #[test]
    fn a_decimal_stays_the_number_that_was_typed() {
        assert_eq!(parse("5.2ms", Unit::Seconds), Ok(0.0052));
        assert_eq!(parse("1.1 us", Unit::Seconds), Ok(1.1e-6));
    }

    #[test]
    fn what_could_mean_two_things_is_refused_with_what_to_write() {
        refused("5,2 ms", Unit::Seconds, "write a point (5.2)");
        refused("1,000 kB", Unit::Bytes, "no separator (1000)");
        refused("0,5 s", Unit::Seconds, "write a point (0.5)");
        assert!(!parse("0,5 s", Unit::Seconds).unwrap_err().contains("05"));
        refused("5", Unit::Seconds, "5 ms");
        refused("5 m", Unit::Seconds, "5 min or 5 ms");
        refused("30M", Unit::Bytes, "30 MB");
        refused("4k", Unit::Bytes, "4 kB");
        refused("5 MB", Unit::Seconds, "asks for a time");
        refused("5 ms", Unit::Bytes, "asks for a size");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        refused("", Unit::Seconds, "no value");
        refused("long", Unit::Seconds, "begin with a number");
        refused("nan s", Unit::Seconds, "begin with a number");
        refused("inf s", Unit::Seconds, "begin with a number");
        refused("-5 ms", Unit::Seconds, "less than nothing");
        refused("0 ms", Unit::Seconds, "1 us");
        refused("1.2.3 s", Unit::Seconds, "no number");
        refused("1e400 s", Unit::Seconds, "no number");
        refused("1e30 GB", Unit::Bytes, "no such amount");
        refused("5 parsecs", Unit::Seconds, "no such unit");
        refused(&"9".repeat(65), Unit::Seconds, "too long");
    }

    #[test]
    fn an_order_of_magnitude_is_told_in_words() {
        for (value, unit, words) in [
            (0.005, Unit::Seconds, "thousandths of a second"),
            (0.001, Unit::Seconds, "thousandths of a second"),
            (0.000_999, Unit::Seconds, "ten-thousandths of a second"),
            (2.5, Unit::Seconds, "seconds"),
            (40.0, Unit::Seconds, "tens of seconds"),
            (30e6, Unit::Bytes, "tens of megabytes"),
            (1e6, Unit::Bytes, "megabytes"),
            (999.0, Unit::Bytes, "hundreds of bytes"),
            (0.5, Unit::Bytes, "bytes"),
            (1e17, Unit::Bytes, "thousands of terabytes or more"),
        ] {
            assert_eq!(order_of_magnitude(value, unit), words, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_the_parser_and_what_is_accepted_can_be_predicted(text in any::<String>()) {
            for unit in [Unit::Seconds, Unit::Bytes] {
                if let Ok(amount) = parse(&text, unit) {
                    prop_assert!(VALUES.contains(&amount));
                    prop_assert!(!order_of_magnitude(amount, unit).is_empty());
                }
            }
        }

        #[test]
        fn every_decimal_number_of_a_unit_is_read(number in 1e-3..1e6f64, of in 0..6usize) {
            let (names, size) = SECONDS[of];
            for name in names {
                let amount = parse(&format!("{number} {name}"), Unit::Seconds).unwrap();
                prop_assert!((amount / (number * size) - 1.0).abs() < 1e-12);
            }
        }
    }
}
