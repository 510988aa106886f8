//! A report file from an enemy, or from a full disk.

use std::path::Path;

use isolab::report::table::{Style, render};
use isolab::report::{Error, Report, json, load, to_json};
use proptest::prelude::*;

use crate::synthetic;

fn parse(text: impl AsRef<[u8]>) -> Result<Report, Error> {
    json::parse(text.as_ref(), Path::new("r.json"))
}

/// What the user would see, all of it.
fn refusal(text: impl AsRef<[u8]>) -> (Error, String) {
    let error = parse(text).expect_err("this is to be refused");
    let hint = error.hint().expect("a refused file has a remedy");
    let shown = format!("{error}\n{hint}");
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "a control character reaches the terminal: {shown:?}"
    );
    assert!(shown.len() < 2_000, "{} bytes of message", shown.len());
    (error, shown)
}

fn with(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::from_str(&to_json(&synthetic::quick())).unwrap();
    change(&mut value);
    value.to_string()
}

#[test]
fn a_file_cut_anywhere_is_called_truncated_and_never_accepted() {
    let whole = to_json(&synthetic::quick());
    for length in (0..whole.trim_end().len()).step_by(101) {
        let (error, _) = refusal(&whole.as_bytes()[..length]);
        assert!(
            matches!(error, Error::Truncated { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn what_is_not_json_is_called_so() {
    for text in [
        "<html>",
        "PK\u{3}\u{4}",
        "{\"schema\": NaN}",
        "\u{1b}[2J",
        "[1,,2]",
    ] {
        assert!(matches!(refusal(text).0, Error::NotJson { .. }), "{text}");
    }
    assert!(matches!(
        refusal([0xff, 0xfe, 0x00]).0,
        Error::NotJson { .. }
    ));
    let deep = "[".repeat(100_000);
    assert!(matches!(refusal(deep).0, Error::NotJson { .. }));
}

#[test]
fn another_schema_is_named() {
    let (error, shown) = refusal(with(|v| v["schema"] = "hyperfine/1\u{1b}[31m".into()));
    assert!(matches!(error, Error::Schema { .. }));
    assert!(shown.contains("hyperfine/1"), "{shown}");
    let (_, shown) = refusal("{\"results\": []}");
    assert!(shown.contains("names no schema"), "{shown}");
}

#[test]
fn an_unknown_field_is_named_without_its_escape_sequences() {
    let (error, shown) = refusal(with(|v| v["\u{1b}[31mextra"] = 1.into()));
    assert!(matches!(error, Error::Shape { .. }));
    assert!(shown.contains("extra"), "{shown}");
    let long = "x".repeat(100_000);
    refusal(with(|v| v[long.as_str()] = 1.into()));
}

#[test]
fn a_value_that_no_run_produces_is_refused_with_its_place() {
    let samples = "/observations/0/evidence/samples";
    let at = |pointer: &'static str, value: serde_json::Value| {
        move |v: &mut serde_json::Value| *v.pointer_mut(pointer).unwrap() = value
    };
    for (text, place) in [
        (
            with(at(samples, serde_json::json!([0.1, -0.1]))),
            "observations[0].evidence.samples[1]",
        ),
        (
            with(at(samples, serde_json::json!([]))),
            "observations[0].evidence.samples",
        ),
        (
            with(at(samples, vec![1.0; 10_001].into())),
            "more than 10000",
        ),
        (
            with(at("/environment/cpu", "x".repeat(5_000).into())),
            "environment.cpu",
        ),
        (
            with(at("/environment/cpu", "\u{202e}upc".into())),
            "environment.cpu",
        ),
        (
            with(at("/warnings/0", "\u{1b}]8;;http://evil\u{7}".into())),
            "warnings[0]",
        ),
        (with(at("/missing/0/why", "a\nb".into())), "missing[0].why"),
    ] {
        let (error, shown) = refusal(text);
        assert!(matches!(error, Error::Value { .. }), "{error}");
        assert!(shown.contains(place), "{shown}");
    }
    let twice = with(|v| {
        let first = v["observations"][0].clone();
        v["observations"].as_array_mut().unwrap().push(first);
    });
    assert!(refusal(twice).1.contains("repeats"));
}

#[test]
fn a_summary_that_lies_changes_nothing() {
    let lie = with(|v| {
        v["summary"] = serde_json::json!([{ "subject": "vm", "ratio": "0.1", "\u{1b}": null }]);
    });
    assert_eq!(to_json(&parse(lie).unwrap()), to_json(&synthetic::quick()));
}

#[test]
fn an_endless_file_is_read_to_the_bound_only() {
    let error = load(Path::new("/dev/zero")).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_a_remedy() {
    let error = load(Path::new("/nonexistent/r.json")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/r.json"));
    assert!(error.hint().unwrap().contains("check the path"));
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_flipped_byte_panics_the_reader_or_the_table(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = to_json(&synthetic::quick()).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(report) = parse(text) {
            prop_assert!(!render(&report, Style::PLAIN).is_empty());
        }
    }
}
