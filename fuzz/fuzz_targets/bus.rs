//! Messages from systemd, or from whoever sits on the bus that an environment
//! variable names; and the texts that become units and properties.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| isolab_oci::fuzz::bus(bytes));
