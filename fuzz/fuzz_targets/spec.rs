//! A bundle's `config.json` comes from whoever made the bundle.
#![no_main]

use isolab_oci::fuzz;
use isolab_oci::spec::{Spec, validate};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let spec = match fuzz::config(bytes) {
        Ok(spec) => spec,
        Err(error) => {
            // It is shown on one line, and says what to do.
            let text = error.to_string();
            assert!(text.len() < 4096 && !text.contains(char::is_control), "{text:?}");
            assert!(error.hint().is_some(), "{text}");
            return;
        }
    };
    if let Err(error) = validate::check(&spec) {
        assert!(error.hint().is_some(), "{error}");
    }
    if let Some(linux) = &spec.linux {
        for (name, value) in &linux.sysctl {
            fuzz::sysctl(name, value, linux);
        }
    }
    let text = serde_json::to_vec(&spec).expect("what was read can be written");
    let again = Spec::from_slice(&text).expect("what was written can be read");
    assert_eq!(again, spec);
});
