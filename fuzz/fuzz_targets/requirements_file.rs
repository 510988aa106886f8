//! A file of requirements, which must not make its reader open others without being asked.
#![no_main]

use venv_sim::{Requirement, RequirementsFile};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let mut file = RequirementsFile::default();
    // What it says is not trusted with a path of this machine.
    if text.windows(2).any(|pair| matches!(pair, b"-r" | b"-c" | b"--")) {
        return;
    }
    if file.parse("fuzzed", text, &|_| None).is_ok() {
        for wanted in &file.wanted {
            let shown = wanted.requirement.to_string();
            let again = shown.parse::<Requirement>().expect("what was shown is read");
            assert_eq!(again.to_string(), shown);
        }
    }
});
