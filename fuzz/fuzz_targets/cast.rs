//! A recording is mailed around, and what it says goes to a terminal.
#![no_main]

use isolab::demo::ink::Palette;
use isolab::demo::transcript::Transcript;
use isolab::report::text::acts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let palette = Palette { colours: false, unicode: true };
    let mut transcript = Transcript::default();
    transcript.feed(bytes);
    if let Ok(cast) = isolab::demo::cast::parse(bytes) {
        assert_eq!(cast.schedule().len(), cast.events.len());
        transcript.feed(cast.said().as_bytes());
    }
    for line in transcript.lines() {
        assert!(!palette.plain(line).chars().any(acts));
    }
});
