//! What the room predicted beside what was measured.

use serde_json::Value;

use super::script::Prediction;
use crate::report::quantity::digits;
use crate::report::text::shown;

/// No step's JSON is larger than this, in bytes.
pub const JSON_LIMIT: usize = 16 << 20;

/// The value that `asked` is about, in its unit, out of a step's `json`.
///
/// A `*` in a pointer stands for an index: the first at which everything that
/// must match does, the same in all pointers. So a script need not know how many
/// rows a report has on another machine.
///
/// # Errors
/// Why there is none.
pub fn value(asked: &Prediction, json: &[u8]) -> Result<f64, String> {
    let json: Value =
        serde_json::from_slice(json).map_err(|error| format!("its JSON is damaged: {error}"))?;
    let indexes = match asked.pointer.split_once("/*") {
        Some((array, _)) => json
            .pointer(array)
            .and_then(Value::as_array)
            .map_or(0, Vec::len),
        None => 1,
    };
    let matches = |index: &usize| {
        let mut all = asked.matching.iter();
        all.all(|(pointer, wanted)| {
            at(&json, pointer, *index).is_some_and(|v| as_text(v) == *wanted)
        })
    };
    let Some(index) = (0..indexes).find(matches) else {
        let wanted = asked
            .matching
            .iter()
            .map(|(pointer, wanted)| format!("{pointer} = {wanted}"));
        let wanted: Vec<String> = wanted.collect();
        let why = format!("its JSON has nothing with {}", wanted.join(", "));
        return Err(shown(&why).into_owned());
    };
    let number = at(&json, &asked.pointer, index).and_then(Value::as_f64);
    number
        .map(|number| number * asked.scale)
        .filter(|value| value.is_finite())
        .ok_or_else(|| format!("its JSON has no number at {}", shown(&asked.pointer)))
}

/// What `json` has at `pointer`, its `*` standing for `index`.
fn at<'a>(json: &'a Value, pointer: &str, index: usize) -> Option<&'a Value> {
    json.pointer(&pointer.replacen("/*", &format!("/{index}"), 1))
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(60).collect(),
        other => other.to_string().chars().take(60).collect(),
    }
}

/// `value` with its unit.
#[must_use]
pub fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", digits(value)).trim_end().to_owned()
}

/// How a guess compares, in words.
#[must_use]
pub fn verdict(guess: f64, value: f64) -> String {
    if guess <= 0.0 || value <= 0.0 {
        return format!("{} off", digits((guess - value).abs()));
    }
    let ratio = guess / value;
    // Half as much again is as near as a guess gets before a measurement.
    if (1.0 / 1.5..=1.5).contains(&ratio) {
        "close".to_owned()
    } else if ratio > 1.0 {
        format!("{} times too high", digits(ratio))
    } else {
        format!("{} times too low", digits(1.0 / ratio))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Prediction {
        Prediction {
            question: "How long?".into(),
            pointer: "/summary/1/value/median".into(),
            matching: vec![("/summary/1/subject".into(), "container".into())],
            scale: 1000.0,
            unit: "ms".into(),
        }
    }

    #[test]
    fn the_value_is_the_one_asked_for_or_none() {
        let json = |subject: &str| {
            format!(
                "{{\"summary\": [0, {{\"subject\": \"{subject}\", \"value\": {{\"median\": 0.0048}}}}]}}"
            )
        };
        let found = value(&asked(), json("container").as_bytes()).unwrap();
        assert!((found - 4.8).abs() < 1e-9);
        let other = value(&asked(), json("venv").as_bytes()).unwrap_err();
        assert!(
            other.contains("nothing with /summary/1/subject = container"),
            "{other}"
        );
        assert!(value(&asked(), b"{}").unwrap_err().contains("nothing"));
        assert!(
            value(&asked(), b"{\"summary\"")
                .unwrap_err()
                .contains("damaged")
        );
        let none = json("container").replace("0.0048", "\"much\"");
        assert!(
            value(&asked(), none.as_bytes())
                .unwrap_err()
                .contains("no number")
        );
    }

    #[test]
    fn a_star_finds_the_row_wherever_it_is() {
        let asked = Prediction {
            pointer: "/rows/*/n".into(),
            matching: vec![
                ("/rows/*/a".into(), "x".into()),
                ("/rows/*/b".into(), "y".into()),
            ],
            ..asked()
        };
        let rows =
            br#"{"rows": [{"a": "x", "n": 1}, {"b": "y", "n": 2}, {"a": "x", "b": "y", "n": 3}]}"#;
        assert_eq!(value(&asked, rows), Ok(3000.0));
        assert!(value(&asked, br#"{"rows": []}"#).is_err());
        assert!(value(&asked, br#"{"rows": 7}"#).is_err());
    }

    #[test]
    fn guesses_are_judged_by_their_factor() {
        assert_eq!(verdict(5.0, 4.8), "close");
        assert_eq!(verdict(48.0, 4.8), "10.0 times too high");
        assert_eq!(verdict(2.0, 4.8), "2.40 times too low");
        assert_eq!(verdict(0.0, 4.8), "4.80 off");
    }
}
