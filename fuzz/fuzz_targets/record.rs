//! What one command writes down of a container another reads, perhaps of another
//! version, perhaps half written.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| isolab_oci::fuzz::record(bytes));
