//! A bundle's `config.json` comes from whoever made the bundle.
#![no_main]

use isolab_oci::spec::{Spec, validate};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = Spec::from_slice(bytes) else {
        return;
    };
    let _ = validate::check(&spec);
    let text = serde_json::to_vec(&spec).expect("what was read can be written");
    Spec::from_slice(&text).expect("what was written can be read");
});
