//! A report on disk is there whole or not at all.

use std::fs;
use std::path::Path;

use isolab::report::{Error, Output, load, write};

use crate::synthetic;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_written_report_loads_again() {
    let directory = scratch();
    let path = directory.path().join("r.json");
    write(&path, &synthetic::full()).unwrap();
    assert_eq!(load(&path).unwrap(), synthetic::full());
    assert_eq!(
        names(directory.path()),
        ["r.json"],
        "nothing else is left behind"
    );
}

#[test]
fn an_extension_that_names_no_format_is_refused_with_those_that_do() {
    for name in ["report", "report.pdf", "report.json.gz", ".json", ""] {
        let error = Output::parse(name).unwrap_err();
        assert!(matches!(error, Error::Extension { .. }), "{name}: {error}");
        assert!(error.hint().unwrap().contains("FILE.json"));
    }
}

#[test]
fn a_check_finds_out_by_doing_and_leaves_nothing() {
    let directory = scratch();
    let good = Output::parse(directory.path().join("r.json")).unwrap();
    good.check().unwrap();
    assert!(names(directory.path()).is_empty());

    let nowhere = Output::parse(directory.path().join("absent/r.json")).unwrap();
    assert!(
        nowhere
            .check()
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("create the directory")
    );

    fs::create_dir(directory.path().join("taken.json")).unwrap();
    let taken = Output::parse(directory.path().join("taken.json")).unwrap();
    assert!(
        taken
            .check()
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("name a file")
    );

    // procfs takes no files, from root either.
    let refused = Output::parse("/proc/r.json").unwrap();
    assert!(matches!(refused.check().unwrap_err(), Error::Write { .. }));
}

#[test]
fn a_report_that_would_not_load_again_overwrites_nothing() {
    let directory = scratch();
    let path = directory.path().join("r.json");
    fs::write(&path, "precious").unwrap();
    let mut report = synthetic::quick();
    report.environment.load_after = f64::NAN;
    assert!(matches!(
        write(&path, &report).unwrap_err(),
        Error::Value { .. }
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(names(directory.path()), ["r.json"]);
}

#[test]
fn a_written_file_has_the_permissions_that_the_umask_leaves() {
    use std::os::unix::fs::PermissionsExt;
    let directory = scratch();
    let path = directory.path().join("r.json");
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    write(&path, &synthetic::quick()).unwrap();
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}
