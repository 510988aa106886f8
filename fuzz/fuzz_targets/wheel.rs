//! What a wheel says of itself: its name, its paths, the files of its `.dist-info`, and the archive.
#![no_main]

use std::io::Cursor;
use std::path::Component;

use venv_sim::wheel::{EntryPoints, Metadata, Record, Wheel, WheelName, member_path};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::parse(bytes) {
        assert_eq!(Record::parse(&record.to_text()).as_ref(), Ok(&record));
    }
    if let Ok(mut wheel) = Wheel::read("a-1.0-py3-none-any.whl", Cursor::new(bytes)) {
        for member in wheel.members().to_vec() {
            let _ = wheel.content(&member);
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = text.parse::<WheelName>();
    let _ = Metadata::parse(text);
    if let Ok(points) = EntryPoints::parse(text) {
        for script in points.scripts().into_iter().flatten() {
            assert!(!script.name.contains('/'));
        }
    }
    if let Ok(path) = member_path(text) {
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
    }
});
