//! What a hostile guest may say of its life, and what is typed into one: nothing of it grows, and
//! nothing depends on the pieces in which it comes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use vm_model::guest::Typed;
use vm_model::guest::port::{Heard, Listener};

/// What was heard of `bytes`, which come in pieces of `piece`.
fn heard(bytes: &[u8], piece: usize, at: Instant) -> Heard {
    let mut listener = Listener::default();
    for part in bytes.chunks(piece) {
        listener.hear(part, at);
    }
    listener.heard().clone()
}

/// Lines like those of the protocol, and others.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[IMWREPDX]( [0-9a-z-]{0,20}){0,3}",
        "[ -~]{0,100}",
        any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ];
    prop::collection::vec(line, 0..60).prop_map(|lines| lines.join("\n").into_bytes())
}

/// The kernel's line discipline in canonical mode, as our init sets it: what a program reads.
/// Source: `termios(3)`. Nothing may be read behind the end.
fn disciplined(sent: &[u8]) -> Option<Vec<u8>> {
    let (mut read, mut line) = (Vec::new(), Vec::new());
    let mut bytes = sent.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            0x16 => line.push(bytes.next()?),
            0x03 => return None,
            0x04 if line.is_empty() => return bytes.next().is_none().then_some(read),
            0x04 => read.append(&mut line),
            byte => line.push(byte),
        }
        if line.last() == Some(&b'\n') {
            read.append(&mut line);
        }
        if line.len() > 4095 {
            return None;
        }
    }
    None
}

proptest! {
    #[test]
    fn the_pieces_do_not_matter_and_nothing_grows(bytes in lines(), piece in 1..100_usize) {
        let at = Instant::now();
        let whole = heard(&bytes, bytes.len().max(1), at);
        prop_assert_eq!(&heard(&bytes, piece, at), &whole);
        prop_assert!(whole.marks.len() <= 16);
        prop_assert!(whole.marks.iter().all(|(name, _)| name.len() <= 16));
        let count = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        prop_assert!(whole.skipped <= count);
    }

    #[test]
    fn a_status_and_a_clock_come_through(status in any::<u8>(), clock in any::<u64>()) {
        let text = format!("I {clock}\nX {status}\n");
        let heard = heard(text.as_bytes(), 3, Instant::now());
        prop_assert_eq!(heard.ended.map(|(_, status)| status), Some(status));
        prop_assert_eq!(heard.init.map(|init| init.kernel_clock), Some(Duration::from_nanos(clock)));
        prop_assert_eq!(heard.skipped, 0);
    }

    #[test]
    fn what_is_typed_is_what_the_program_reads(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..5)
    ) {
        let mut typed = Typed::default();
        let mut sent: Vec<u8> = pieces.iter().flat_map(|piece| typed.bytes(piece)).collect();
        sent.extend(typed.end());
        prop_assert_eq!(disciplined(&sent), Some(pieces.concat()));
    }
}
