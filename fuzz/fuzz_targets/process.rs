//! The process of `isorun exec` comes from an engine, in a file or in options
//! whose words a user typed.
#![no_main]
#![allow(dead_code)] // the command's other options

use std::path::Path;

use isolab_oci::fuzz;
use isolab_oci::spec::{Process, Spec, validate};

#[path = "../../runtime/oci/src/bin/isorun/arguments/mod.rs"]
mod arguments;
#[path = "../../runtime/oci/src/bin/isorun/exec.rs"]
mod exec;
#[path = "../../runtime/oci/src/bin/isorun/failure.rs"]
mod failure;
#[path = "../../runtime/oci/src/bin/isorun/log.rs"]
mod log;
#[path = "../../runtime/oci/src/bin/isorun/time.rs"]
mod time;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match Process::read(bytes, Path::new("process.json")) {
        Ok(process) => drop(validate::check_process(&process)),
        Err(error) => assert!(error.hint().is_some(), "{error}"),
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    fuzz::program(text);
    fuzz::cpus(text);
    let words: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut given = arguments::Given::default();
    if given.scan(&words).is_ok() && given.path(arguments::Key::Process).is_none() {
        match exec::process(&given, Spec::example().process, &mut log::Log::default()) {
            Ok(process) => drop(validate::check_process(&process)),
            Err(failure) => assert!(failure.hint.is_some(), "{}", failure.message),
        }
    }
});
