//! A report is read as hostile input: students mail them to each other.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = isolab::report::json::parse(bytes, Path::new("fuzzed")) {
        // What is accepted must be drawn without a panic, and read back as it is.
        let json = isolab::report::to_json(&report);
        let again = isolab::report::json::parse(json.as_bytes(), Path::new("again"));
        assert_eq!(again.expect("what was written is read"), report);
        let _ = isolab::report::page::render(&report);
    }
});
