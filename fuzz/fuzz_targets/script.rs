//! A demo's script is mailed around, and names commands.
#![no_main]

use clap::CommandFactory;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let isolab = isolab::cli::Cli::command();
    if let Ok(script) = isolab::demo::script::parse(bytes, &isolab) {
        for (_, step) in script.steps() {
            assert_eq!(isolab::demo::rule::refusal(&step.words, &isolab), None);
        }
    }
});
