//! An answer comes from inside a container or a guest, where anything may run.
#![no_main]

use isolab::inside::{Answer, Attempt, Said};
use isolab::report::text::acts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut line = b"isolab-inside ".to_vec();
    line.extend_from_slice(bytes);
    for asked in [&[Attempt::BootId][..], &[Attempt::BootId, Attempt::Connect]] {
        let Ok(answer) = Answer::parse(&line, asked) else {
            continue;
        };
        // What is accepted answers what was asked, and is safe to show.
        for (outcome, attempt) in answer.outcomes().iter().zip(asked) {
            assert_eq!(outcome.attempt, *attempt);
            let (Said::Yes(text) | Said::No(text) | Said::NotTried(text)) = &outcome.said;
            assert!(!outcome.call.contains(acts) && !text.contains(acts));
        }
    }
});
