//! A bundle's `config.json` comes from whoever made the bundle.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = isolab_oci::spec::Spec::from_slice(bytes);
});
