//! The reader of what is written down about a saved guest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = vm_model::saved::Manifest::parse(bytes);
});
