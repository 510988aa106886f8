//! What users write for their indexes: a netrc, and a configuration of pip.
#![no_main]

use venv_sim::index::{Netrc, fuzzed};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(netrc) = Netrc::parse(text) {
        let _ = netrc.of_host("index.test", true);
    }
    fuzzed::configuration(text);
});
