//! Times and sizes as people type them.
#![no_main]

use isolab::observation::Unit;
use isolab::prediction::{VALUES, amount};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for unit in [Unit::Seconds, Unit::Bytes] {
        if let Ok(value) = amount::parse(text, unit) {
            assert!(VALUES.contains(&value));
            assert!(amount::order_of_magnitude(value, unit).is_ascii());
        }
    }
});
