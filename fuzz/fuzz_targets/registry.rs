//! What registries and their clients write: challenges, ranges, links, addresses,
//! paths; and what users keep for them, `config.json`.
#![no_main]

use isolab_engine::registry::fuzzed;

libfuzzer_sys::fuzz_target!(|input: (&str, u64)| {
    let (text, whole) = input;
    fuzzed::config(text.as_bytes());
    fuzzed::headers(text, whole);
    fuzzed::addresses(text);
});
