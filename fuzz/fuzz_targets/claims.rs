//! A ledger and a record of claims are read as hostile input: an instructor
//! writes the one, students mail the other.
#![no_main]

use std::path::Path;

use isolab::claims::{Record, ledger::Ledger};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(ledger) = Ledger::parse(bytes, Path::new("fuzzed")) {
        assert!(!ledger.claims().is_empty());
    }
    if let Ok(mut record) = Record::parse(bytes, Path::new("fuzzed")) {
        // What is accepted must be judged without a panic, and read back as it is.
        let json = record.to_json();
        let again = Record::parse(json.as_bytes(), Path::new("again"));
        assert_eq!(again.expect("what was written is read"), record);
        let _ = record.judge_again(&Ledger::own());
    }
});
