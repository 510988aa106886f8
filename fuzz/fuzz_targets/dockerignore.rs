//! A `.dockerignore`, and paths it decides about: its first line is one of them.
#![no_main]

use isolab_engine::dockerfile::ignore::Ignore;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(ignore) = Ignore::parse(text) else { return };
    let path = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(path) = std::str::from_utf8(path) else { return };
    let excluded = ignore.decide(path).excluded;
    // Dots and slashes at odd places make another path of it.
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return;
    }
    for (at, _) in path.match_indices('/') {
        assert!(excluded || !ignore.may_skip_directory(&path[..at]), "{path}");
    }
});
