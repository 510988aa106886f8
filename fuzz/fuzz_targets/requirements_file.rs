//! A file of requirements, which must not make its reader open others without being asked.
#![no_main]

use venv_sim::RequirementsFile;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let mut file = RequirementsFile::default();
    // What it says is not trusted with a path of this machine.
    if text.windows(2).any(|pair| matches!(pair, b"-r" | b"-c" | b"--")) {
        return;
    }
    if file.parse("fuzzed", text, &|_| None).is_ok() {
        for wanted in &file.wanted {
            let again = wanted.requirement.to_string().parse();
            assert_eq!(again.as_ref(), Ok(&wanted.requirement));
        }
    }
});
