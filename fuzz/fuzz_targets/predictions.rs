//! The notebook of predictions: what was torn, edited or copied from elsewhere
//! is skipped and named, and nothing of it reaches a terminal as it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let read = isolab::notebook::predictions::parse(bytes);
    assert!(read.skipped.iter().all(|s| !s.why.contains(char::is_control)));
    assert!(read.made.iter().all(|made| isolab::report::json::check_prediction(made).is_ok()));
});
