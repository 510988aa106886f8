//! What indexes and the servers of names answer: pages in HTML and JSON, addresses, messages.
#![no_main]

use venv_sim::index::fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzed::page(bytes);
    fuzzed::names(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        fuzzed::address(text);
    }
});
