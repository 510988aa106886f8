//! Mount options, paths and tables of mounts: words of an author, and names that
//! anybody who may mount has chosen.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    isolab_oci::fuzz::root(text);
    let (membership, table) = text.split_once("\n\n").unwrap_or((text, text));
    isolab_oci::fuzz::hierarchies(membership, table);
});
