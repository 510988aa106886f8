//! Wheels that agree with themselves, and each way in which one does not.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::wheel::Entry;

const NAME: &str = "a_b-1.0-py3-none-any.whl";
const WHEEL: &str = "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
const METADATA: &str = "Metadata-Version: 2.1\nName: a.b\nVersion: 1.0\n";

/// What is put into an archive: paths and contents.
type Files = Vec<(String, Vec<u8>)>;

fn good() -> Files {
    [
        ("a/__init__.py", "print('a')\n"),
        ("a/tool.sh", "#!/bin/sh\n"),
        ("a_b-1.0.dist-info/WHEEL", WHEEL),
        ("a_b-1.0.dist-info/METADATA", METADATA),
        (
            "a_b-1.0.dist-info/entry_points.txt",
            "[console_scripts]\nab = a:main\n",
        ),
    ]
    .map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()))
    .to_vec()
}

/// With the RECORD that vouches for them.
fn recorded(mut files: Files) -> Files {
    let own = "a_b-1.0.dist-info/RECORD".to_owned();
    let mut record = Record::default();
    for (path, content) in &files {
        record.entries.push(Entry {
            path: path.clone(),
            digest: Some(Digest::of(content)),
            size: Some(content.len() as u64),
        });
    }
    record.entries.push(Entry {
        path: own.clone(),
        digest: None,
        size: None,
    });
    files.push((own, record.to_text()));
    files
}

fn zipped(files: &Files) -> Cursor<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        let mode = if path.ends_with(".sh") { 0o755 } else { 0o644 };
        let options = SimpleFileOptions::default().unix_permissions(mode);
        writer.start_file(path.as_str(), options).expect("a file");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("an archive")
}

fn refused(files: &Files) -> String {
    match Wheel::read(NAME, zipped(files)) {
        Ok(_) => panic!("it was taken"),
        Err(why) => why.to_string(),
    }
}

#[test]
fn a_wheel_is_read_and_its_contents_are_checked() {
    let mut wheel = Wheel::read(NAME, zipped(&recorded(good()))).expect("a wheel");
    assert_eq!(wheel.metadata.name.as_str(), "a-b");
    assert!(wheel.is_pure);
    assert_eq!(wheel.dist_info, "a_b-1.0.dist-info");
    assert_eq!(wheel.entry_points.scripts().expect("scripts").len(), 1);
    let members = wheel.members().to_vec();
    assert_eq!(members.len(), 6);
    let executable: Vec<_> = members.iter().filter(|m| m.is_executable).collect();
    assert_eq!(executable[0].path, Path::new("a/tool.sh"));
    for (path, content) in good() {
        let member = members.iter().find(|m| m.path == Path::new(&path));
        assert_eq!(wheel.content(member.expect("a member")), Ok(content));
    }
}

#[test]
fn a_content_that_was_exchanged_is_noticed() {
    let mut files = recorded(good());
    files[0].1 = b"print('b')\n".to_vec(); // of the same size
    let mut wheel = Wheel::read(NAME, zipped(&files)).expect("nothing is read yet");
    let member = wheel
        .members()
        .iter()
        .find(|m| m.path.ends_with("__init__.py"));
    let member = member.expect("a member").clone();
    let why = wheel.content(&member).expect_err("noticed").to_string();
    assert!(why.contains("not what its RECORD says"), "{why}");
}

#[test]
fn a_wheel_whose_parts_do_not_agree_is_refused() {
    let changed = |change: &dyn Fn(&mut Files)| {
        let mut files = good();
        change(&mut files);
        refused(&recorded(files))
    };
    let push = |path: &str| changed(&|files| files.push((path.to_owned(), Vec::new())));
    let set = |at: usize, text: &str| changed(&|files| files[at].1 = text.as_bytes().to_vec());
    for (why, part) in [
        (push("../outside.py"), "leads out"),
        (push("/etc/outside"), "absolute"),
        (push("A/__INIT__.py"), "case only"),
        (
            push("a/tool.sh/below"),
            "is a file, and other files are in it",
        ),
        (push("other-2.0.dist-info/METADATA"), "not one .dist-info"),
        (
            set(2, "Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"),
            "unknown",
        ),
        (set(2, "Wheel-Version: 1.0\n"), "Root-Is-Purelib"),
        (set(3, &METADATA.replace("a.b", "c")), "its METADATA c 1.0"),
        (
            set(3, &METADATA.replace("1.0", "1.1")),
            "its METADATA a-b 1.1",
        ),
        (
            set(4, "[console_scripts]\npython = a:main\n"),
            "the environment's own",
        ),
        (
            set(4, "[console_scripts]\n../x = a:main\n"),
            "no name of a file",
        ),
        (changed(&|files| drop(files.remove(2))), "no WHEEL"),
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn a_record_that_lies_is_refused() {
    let with = |change: &dyn Fn(&mut Record)| {
        let mut files = recorded(good());
        let (path, text) = files.pop().expect("RECORD");
        let mut record = Record::parse(&text).expect("a RECORD");
        change(&mut record);
        files.push((path, record.to_text()));
        refused(&files)
    };
    for (why, part) in [
        (
            with(&|r| drop(r.entries.remove(0))),
            "no line for `a/__init__.py`",
        ),
        (with(&|r| r.entries[0].digest = None), "no digest"),
        (with(&|r| r.entries[0].size = Some(1)), "another size"),
        (with(&|r| r.entries.push(r.entries[0].clone())), "two lines"),
        (
            with(&|r| r.entries[1].path = "../x".to_owned()),
            "leads out",
        ),
        (
            with(&|r| {
                let mut more = r.entries[0].clone();
                more.path = "a/none.py".to_owned();
                r.entries.push(more);
            }),
            "which is not in it",
        ),
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn links_and_what_is_no_archive_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    writer
        .add_symlink("a/link", "/etc/passwd", options)
        .expect("a link");
    let archive = writer.finish().expect("an archive");
    let why = Wheel::read(NAME, archive).expect_err("refused").to_string();
    assert!(why.contains("symbolic link"), "{why}");
    for bytes in [&b""[..], b"PK\x03\x04", b"<html>", &[0; 1000]] {
        let why = Wheel::read(NAME, Cursor::new(bytes)).expect_err("refused");
        assert!(why.to_string().contains("zip archive"), "{why}");
    }
}

#[test]
fn each_byte_cut_off_or_changed_is_refused_or_read_without_panic() {
    let whole = zipped(&recorded(good())).into_inner();
    for end in (0..whole.len()).step_by(7) {
        let _ = Wheel::read(NAME, Cursor::new(&whole[..end]));
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        if let Ok(mut wheel) = Wheel::read(NAME, Cursor::new(bytes)) {
            for member in wheel.members().to_vec() {
                let _ = wheel.content(&member);
            }
        }
    }
}

#[test]
fn what_is_above_files_is_looked_at_once_however_deep_they_lie() {
    let begun = std::time::Instant::now();
    let deep = "d/".repeat(500);
    let files: Vec<PathBuf> = (0..20_000)
        .map(|number| format!("{deep}{number}").into())
        .collect();
    let known = and_above(files.iter().map(PathBuf::as_path));
    // The files, the directories, and the top.
    assert_eq!(known.len(), 20_000 + 500 + 1);
    assert!(begun.elapsed().as_secs() < 20);
}
