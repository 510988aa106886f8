//! The reader of initial RAM file systems.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = vm_model::initramfs::members(bytes);
});
