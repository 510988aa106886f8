//! The reader of what QEMU says on its monitor.
#![no_main]

use vm_model::qmp::message::Lines;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut lines = Lines::default();
    // Cut as the kernel may cut them: what is read must not depend on it.
    for piece in bytes.chunks(7) {
        lines.push(piece);
        while let Ok(Some(_)) = lines.next_message() {}
    }
});
