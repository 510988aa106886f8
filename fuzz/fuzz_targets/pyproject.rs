//! A project's own file, and a script that says what it needs: whoever wrote them, their reader
//! ends, and shows no secret of an address.
#![no_main]

use venv_sim::{Error, Extras, Name, RequirementsFile, Result};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let mut file = RequirementsFile::default();
    let group: Name = "a".parse().expect("a name");
    let all = Extras { all: true, names: Vec::new() };
    let read: [Result<(), Error>; 3] = [
        file.parse_project("pyproject.toml", text, &all),
        file.parse_group("pyproject.toml", text, &group),
        file.parse("a.py", text, &|_| None),
    ];
    for error in read.into_iter().filter_map(Result::err) {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    for wanted in &file.wanted {
        // Nothing of it is a path of this machine.
        let again = wanted.requirement.to_string().parse::<venv_sim::Requirement>();
        let again = again.expect("what is shown can be read");
        assert_eq!(again.name, wanted.requirement.name);
        assert_eq!(again.marker, wanted.requirement.marker);
    }
});
