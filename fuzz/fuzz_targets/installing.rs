//! What an installation reads of itself: a store's manifest, and the journal of one that was killed.
#![no_main]

use venv_sim::install::journal_paths;
use venv_sim::rewrite_manifest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let stays = |path: &String| path.split('/').all(|name| !matches!(name, "" | "." | ".."));
    if let Some((outs, ins)) = journal_paths(bytes) {
        assert!(outs.iter().chain(&ins).all(stays));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(again) = rewrite_manifest(text) {
        assert_eq!(rewrite_manifest(&again).as_ref(), Some(&again));
    }
});
