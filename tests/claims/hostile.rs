//! Ledgers and records that an enemy wrote: a plain message, and nothing else.

use std::fs;
use std::path::Path;

use isolab::claims::Record;
use isolab::claims::ledger::Ledger;
use proptest::prelude::*;
use serde_json::json;

use crate::command::{Home, says};

#[test]
fn a_damaged_ledger_is_refused_with_line_and_reason() {
    let home = Home::new();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/claims/claims.toml");
    let own = fs::read_to_string(own).unwrap();
    let cases: [(&str, String, &[&str]); 6] = [
        ("cut.toml", own[..own.len() / 2].to_owned(), &["line "]),
        ("words.toml", "hello".to_owned(), &["line 1"]),
        ("empty.toml", String::new(), &["line 1", "no claim"]),
        (
            "more.toml",
            own.replacen("metric =", "run = \"rm -rf /\"\nmetric =", 1),
            &["line ", "run"],
        ),
        (
            "escape.toml",
            own.replacen("statement = \"", "statement = \"\\u001B[2J", 1),
            &["line ", "terminal"],
        ),
        (
            "large.toml",
            own.clone() + &"#".repeat(300_000),
            &["larger"],
        ),
    ];
    for (name, content, parts) in cases {
        fs::write(home.path().join(name), content).unwrap();
        let message = home.fails(&["claims", "run", "--ledger", name]);
        says(&message, &["error:", name, "hint:"]);
        says(&message, parts);
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
    says(
        &home.fails(&["claims", "list", "--ledger", "absent.toml"]),
        &["absent.toml"],
    );
}

#[test]
fn a_damaged_record_is_refused_by_name() {
    let home = Home::new();
    let good = home.record("good.json");
    let text = good.to_string();
    let with = |pointer: &str, value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        bad.to_string()
    };
    let cases = [
        ("cut.json", text[..text.len() / 2].to_owned()),
        ("other.json", with("/schema", json!("isolab.report/1"))),
        ("escape.json", with("/claims/0/id", json!("a\u{1b}[2Jb"))),
        ("large.json", with("/claims/0/seconds", json!(1e300))),
        ("kind.json", with("/claims/0/ruling/verdict", json!("true"))),
        ("long.json", with("/created", json!("x".repeat(5_000)))),
        ("deep.json", "[".repeat(100_000)),
    ];
    for (name, content) in cases {
        fs::write(home.path().join(name), content).unwrap();
        let message = home.fails(&["claims", "explain", "predates-docker", name]);
        says(&message, &["error:", name, "hint:"]);
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Bytes are refused, or taken; there is no third way to end.
    #[test]
    fn no_bytes_bring_the_parsers_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Ledger::parse(&bytes, Path::new("l.toml"));
        let _ = Record::parse(&bytes, Path::new("r.json"));
    }

    /// A ledger of which a piece is missing or doubled.
    #[test]
    fn no_cut_through_our_own_ledger_brings_the_parser_down(
        from in 0..20_000usize, length in 0..500usize, twice in any::<bool>()
    ) {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/claims/claims.toml");
        let own = fs::read(own).unwrap();
        let from = from.min(own.len());
        let to = (from + length).min(own.len());
        let middle = if twice { own[from..to].repeat(2) } else { Vec::new() };
        let text = [&own[..from], &middle, &own[to..]].concat();
        if let Err(error) = Ledger::parse(&text, Path::new("l.toml")) {
            let error = error.to_string();
            prop_assert!(error.contains("l.toml") && !error.contains('\n'), "{}", error);
        }
    }
}
