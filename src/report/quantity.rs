//! Numbers for people: three significant digits, in a unit that suits them.

use crate::observation::Unit;

/// A unit to show numbers in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The unit's symbol.
    pub symbol: &'static str,
    /// How many seconds or bytes it is.
    pub size: f64,
}

const fn scale(symbol: &'static str, size: f64) -> Scale {
    Scale { symbol, size }
}

const SECONDS: &[Scale] = &[scale("µs", 1e-6), scale("ms", 1e-3), scale("s", 1.0)];
const BYTES: &[Scale] = &[
    scale("B", 1.0),
    scale("kB", 1e3),
    scale("MB", 1e6),
    scale("GB", 1e9),
    scale("TB", 1e12),
];

fn scales(unit: Unit) -> &'static [Scale] {
    match unit {
        Unit::Seconds => SECONDS,
        Unit::Bytes => BYTES,
    }
}

/// One scale for several values: the largest in which the least of them is
/// still at least a tenth, but one in which the greatest stays under 100 000.
#[must_use]
pub fn shared_scale(values: impl Iterator<Item = f64> + Clone, unit: Unit) -> Scale {
    let sizes = values.map(f64::abs).filter(|v| *v > 0.0 && v.is_finite());
    let least = sizes.clone().fold(f64::INFINITY, f64::min);
    let greatest = sizes.fold(0.0, f64::max);
    let all = scales(unit);
    let usual = match unit {
        Unit::Seconds => all[1],
        Unit::Bytes => all[2],
    };
    let fits = |s: &&Scale| greatest < 1e5 * s.size;
    let wanted = all.iter().rev().find(|s| least >= 0.1 * s.size);
    // Milliseconds and megabytes are what people compare in: leave them only
    // where they would show next to nothing, or too much.
    let wanted = match wanted {
        _ if !least.is_finite() => return usual,
        Some(s) if s.size < usual.size => s,
        _ => &usual,
    };
    let last = all.last().expect("every unit has scales");
    *[wanted, &usual]
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| all.iter().find(fits).unwrap_or(last))
}

/// The number of decimals that gives `value` three significant digits, at most
/// three; `None` if it is out of the range in which decimals are readable.
#[must_use]
pub fn decimals(value: f64) -> Option<usize> {
    match value.abs() {
        0.0 => Some(0),
        v if v >= 99_999.5 || !v.is_finite() => None,
        v if v >= 99.95 => Some(0),
        v if v >= 9.995 => Some(1),
        v if v >= 0.9995 => Some(2),
        v if v >= 0.000_5 => Some(3),
        _ => None,
    }
}

/// `value` with three significant digits, in at most seven characters.
#[must_use]
pub fn digits(value: f64) -> String {
    with_decimals(value, decimals(value))
}

/// `value` with as many decimals as another number was given.
#[must_use]
pub fn with_decimals(value: f64, decimals: Option<usize>) -> String {
    let text = match decimals {
        Some(decimals) if value.abs() < 99_999.5 => format!("{value:.decimals$}"),
        _ if value == 0.0 => "0".to_owned(),
        _ => format!("{value:.0e}"),
    };
    // -0.00 says no more than 0.00.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// `value` with its own unit, such as `48.2 ms` or `−1.05 MB`.
#[must_use]
pub fn human(value: f64, unit: Unit) -> String {
    if value == 0.0 {
        let symbol = scales(unit)[usize::from(unit == Unit::Seconds)].symbol;
        return format!("0 {symbol}");
    }
    let all = scales(unit);
    let scale = all
        .iter()
        .rev()
        .find(|s| value.abs() >= 0.9995 * s.size)
        .unwrap_or(&all[0]);
    let shown = value / scale.size;
    // There are no fractions of a byte.
    let text = match scale.symbol {
        "B" => with_decimals(shown, Some(0)),
        _ => digits(shown),
    };
    format!("{} {}", text.replace('-', "−"), scale.symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_say_enough() {
        for (value, text) in [
            (0.0, "0"),
            (0.0123, "0.012"),
            (0.9996, "1.00"),
            (1.234, "1.23"),
            (9.996, "10.0"),
            (48.25, "48.2"),
            (99.96, "100"),
            (1992.4, "1992"),
            (99_999.9, "1e5"),
            (-0.5, "-0.500"),
            (3e-9, "3e-9"),
        ] {
            assert_eq!(digits(value), text);
        }
        assert_eq!(with_decimals(-0.0001, Some(2)), "0.00");
    }

    #[test]
    fn no_number_is_wider_than_seven_characters() {
        for exponent in -308..=308 {
            for factor in [1.0, 9.9996, -5.5555, 1.7] {
                let text = digits(factor * 10f64.powi(exponent));
                assert!(text.len() <= 7, "{text}");
            }
        }
    }

    #[test]
    fn a_quantity_has_the_unit_that_suits_it() {
        for (value, unit, text) in [
            (0.0482, Unit::Seconds, "48.2 ms"),
            (0.000_999_9, Unit::Seconds, "1.00 ms"),
            (17.0, Unit::Seconds, "17.0 s"),
            (0.000_012, Unit::Seconds, "12.0 µs"),
            (4096.0, Unit::Bytes, "4.10 kB"),
            (-2.5e6, Unit::Bytes, "−2.50 MB"),
            (12.0, Unit::Bytes, "12 B"),
            (0.0, Unit::Bytes, "0 B"),
        ] {
            assert_eq!(human(value, unit), text);
        }
    }

    #[test]
    fn one_scale_serves_all_the_rows_of_a_section() {
        let of = |values: &[f64], unit| shared_scale(values.iter().copied(), unit).symbol;
        assert_eq!(of(&[0.0005, 2.0], Unit::Seconds), "ms");
        assert_eq!(of(&[0.000_04, 0.02], Unit::Seconds), "µs");
        assert_eq!(of(&[0.04, 30.0], Unit::Seconds), "ms");
        assert_eq!(of(&[4e3, 161e6], Unit::Bytes), "MB");
        assert_eq!(of(&[4e3, 2e6], Unit::Bytes), "kB");
        assert_eq!(of(&[0.0, 2e6], Unit::Bytes), "MB");
        assert_eq!(of(&[], Unit::Seconds), "ms");
        assert_eq!(of(&[1e3, 1e6], Unit::Seconds), "s");
    }
}
