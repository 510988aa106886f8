//! What a guest says of its life: whatever it says, in whatever pieces, the reader stays small.
#![no_main]

use std::time::Instant;

use vm_model::guest::port::Listener;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let now = Instant::now();
    let mut whole = Listener::default();
    whole.hear(bytes, now);
    let mut pieces = Listener::default();
    for piece in bytes.chunks(7) {
        pieces.hear(piece, now);
    }
    assert_eq!(whole.heard(), pieces.heard());
    assert!(whole.heard().marks.len() <= 16);
});
