//! Limits come from the author of a bundle and from who calls `isorun update`;
//! they become names of control files, and a program that the kernel checks.
#![no_main]

use std::path::Path;

use isolab_oci::fuzz;
use isolab_oci::spec::Resources;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let resources = match Resources::read(bytes, Path::new("resources.json")) {
        Ok(resources) => resources,
        Err(error) => return assert!(error.hint().is_some(), "{error}"),
    };
    match fuzz::check_resources(&resources) {
        Ok(()) => fuzz::limits(&resources, "max 100000\n"),
        Err(error) => assert!(error.hint().is_some(), "{error}"),
    }
});
