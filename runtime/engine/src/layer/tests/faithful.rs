//! What a layer says is what becomes of it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use super::building::{Tar, put};
use super::*;

fn is_root() -> bool {
    // By doing: who is not root cannot give a file away.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::chown(file.path(), Some(33), None).is_ok()
}

#[test]
fn files_directories_symlinks_and_fifos_are_as_the_archive_says() {
    let tar = Tar::new()
        .directory("d")
        .entry(b'0', "d/f", b"content", |header| {
            put(header, 100, "0000640");
        })
        .symlink("d/s", "../anything\\at/all")
        .entry(b'6', "d/p", b"", |header| put(header, 100, "0000600"))
        .entry(b'5', "d", b"", |header| put(header, 100, "0000500"))
        .entry(b'7', "contiguous", b"too", |_| {})
        .entry(0, "old/", b"", |header| {
            put(header, 257, "\0\0\0\0\0\0\0\0");
        });
    let (place, unpacked) = unpacked(tar);
    let at = |name: &str| fs::symlink_metadata(place.root().join(name)).unwrap();
    assert_eq!(fs::read(place.root().join("d/f")).unwrap(), b"content");
    assert_eq!(at("d/f").permissions().mode(), 0o100_640);
    assert_eq!(
        fs::read_link(place.root().join("d/s")).unwrap().as_os_str(),
        "../anything\\at/all"
    );
    assert!(at("d/p").file_type().is_fifo());
    assert!(at("old").is_dir());
    assert_eq!(fs::read(place.root().join("contiguous")).unwrap(), b"too");
    // The later entry of the directory counts, and what was made in it does not show.
    assert_eq!(at("d").permissions().mode(), 0o040_500);
    for name in ["d", "d/f", "d/s", "d/p", "old"] {
        assert_eq!(at(name).mtime(), 10, "{name}");
    }
    assert_eq!(unpacked.entries, 7);
    fs::set_permissions(place.root().join("d"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_root_is_open_to_all_unless_the_layer_says_otherwise() {
    let place = Place::new();
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o700)).unwrap();
    place
        .unpack(&Tar::new().file("a/b", "").end(), &how())
        .unwrap();
    let mode = |name: &str| fs::metadata(place.root().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode(""), mode("a")), (0o755, 0o755));
    let tar = Tar::new().entry(b'5', "./", b"", |header| put(header, 100, "0001777"));
    place.unpack(&tar.end(), &how()).unwrap();
    assert_eq!(mode(""), 0o1777);
}

#[test]
fn owners_are_kept_where_they_can_be_and_else_squashed_or_refused() {
    let owned = |header: &mut [u8; 512]| {
        put(header, 100, "0006755");
        put(header, 108, "0000041");
        put(header, 116, "0000042");
    };
    let tar = Tar::new()
        .entry(b'0', "f", b"", owned)
        .entry(b'5', "d", b"", owned)
        .end();
    let place = Place::new();
    let unpacked = place.unpack(&tar, &how()).unwrap();
    let file = fs::metadata(place.root().join("f")).unwrap();
    if is_root() {
        assert!(!unpacked.squashed);
        assert_eq!(
            (file.uid(), file.gid(), file.mode() & 0o7777),
            (33, 34, 0o6755)
        );
        let directory = fs::metadata(place.root().join("d")).unwrap();
        assert_eq!((directory.uid(), directory.mode() & 0o7777), (33, 0o6755));
        return;
    }
    // Who is not who was meant lends nobody its id.
    assert!(unpacked.squashed);
    assert_eq!(file.mode() & 0o7777, 0o755);
    let mut keep = how();
    keep.ownership = Ownership::Keep;
    let error = Place::new().unpack(&tar, &keep).unwrap_err().to_string();
    assert!(error.contains("33:34"), "{error}");
}

#[test]
fn names_are_bytes() {
    let names: [&[u8]; 4] = [b"new\nline", b"\xff\xfe", b" ", b"a\\b"];
    let tar = names
        .iter()
        .fold(Tar::new(), |tar, name| tar.file(name, "x"));
    let (place, _) = unpacked(tar);
    for name in names {
        let path = place.root().join(std::ffi::OsStr::from_bytes(name));
        assert_eq!(fs::read(path).unwrap(), b"x");
    }
}

#[test]
fn long_names_and_links_come_as_pax_as_gnu_and_by_prefix() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let long_z = format!("{long}\0");
    let tar = Tar::new()
        .pax(&[("path", long.as_bytes())])
        .file("short", "pax")
        .entry(
            b'L',
            "././@LongLink",
            format!("{long}2\0").as_bytes(),
            |_| {},
        )
        .file("short", "gnu")
        .entry(b'K', "././@LongLink", long_z.as_bytes(), |_| {})
        .hard_link("h", "short")
        .pax(&[("linkpath", long.as_bytes())])
        .symlink("s", "short")
        .entry(b'0', "file", b"prefix", |header| {
            put(header, 345, "in/front");
        });
    let (place, _) = unpacked(tar);
    let read = |name: &str| fs::read_to_string(place.root().join(name)).unwrap();
    assert_eq!(
        (read(&long), read(&format!("{long}2"))),
        ("pax".into(), "gnu".into())
    );
    assert_eq!((read("h"), read("s")), ("pax".into(), "pax".into()));
    assert_eq!(read("in/front/file"), "prefix");
    assert!(!place.root().join("short").exists());
}

#[test]
fn a_symlink_of_the_layer_leads_where_it_would_inside() {
    let tar = Tar::new()
        .directory("usr/lib")
        .symlink("lib", "usr/lib")
        .file("lib/relative", "")
        .symlink("lib64", "/usr/lib")
        .file("lib64/absolute", "")
        .symlink("early", "usr/late")
        .file("early/made", "")
        .hard_link("hard", "lib64/relative");
    let (place, _) = unpacked(tar);
    for name in [
        "usr/lib/relative",
        "usr/lib/absolute",
        "usr/late/made",
        "hard",
    ] {
        assert!(place.root().join(name).exists(), "{name}");
    }
}

#[test]
fn of_entries_that_contradict_each_other_the_last_counts() {
    let tar = Tar::new()
        .directory("a/deep")
        .file("a/deep/f", "gone")
        .file("a", "file over directory")
        .file("b", "x")
        .directory("b")
        .file("b/f", "directory over file")
        .symlink("c", "b")
        .directory("c")
        .file("c/f", "directory over symlink")
        .file("d", "first")
        .hard_link("e", "d")
        .file("d", "second")
        .directory("g")
        .file("g/f", "kept")
        .directory("g");
    let (place, _) = unpacked(tar);
    let read = |name: &str| fs::read_to_string(place.root().join(name)).unwrap();
    assert_eq!(read("a"), "file over directory");
    assert_eq!(read("b/f"), "directory over file");
    assert_eq!(read("c/f"), "directory over symlink");
    assert_eq!((read("d"), read("e")), ("second".into(), "first".into()));
    assert_eq!(read("g/f"), "kept");
}

#[test]
fn extended_attributes_are_any_bytes() {
    let value = b"\n\x00=\xff 12 a=b\n";
    let tar = Tar::new()
        .pax(&[("SCHILY.xattr.user.test", value), ("mtime", b"1.5")])
        .file("f", "")
        .pax(&[("SCHILY.xattr.user.test", value)])
        .directory("d");
    let (place, unpacked) = unpacked(tar);
    if unpacked.attributes_left_out > 0 {
        eprintln!("skipped: the file system of the temporary directory has no user attributes");
        return;
    }
    for name in ["f", "d"] {
        let mut read = [0; 64];
        let path = place.root().join(name);
        let length = rustix::fs::getxattr(&path, "user.test", &mut read).unwrap();
        assert_eq!(&read[..length], value);
    }
    let modified = fs::metadata(place.root().join("f")).unwrap();
    assert_eq!((modified.mtime(), modified.mtime_nsec()), (1, 500_000_000));
}

#[test]
fn a_capability_survives_the_change_of_owner() {
    // Version 2 with CAP_NET_RAW, effective. Source: `linux/capability.h`.
    let mut capability = [0; 20];
    capability[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
    capability[4..8].copy_from_slice(&(1_u32 << 13).to_le_bytes());
    let tar = Tar::new().pax(&[("SCHILY.xattr.security.capability", &capability)]);
    let (place, unpacked) = unpacked(tar.entry(b'0', "ping", b"x", |header| {
        put(header, 100, "0000755");
        put(header, 108, "0000007");
    }));
    if unpacked.attributes_left_out > 0 {
        eprintln!("skipped: this user may not set capabilities");
        return;
    }
    let mut read = [0; 64];
    let ping = place.root().join("ping");
    let length = rustix::fs::getxattr(&ping, "security.capability", &mut read).unwrap();
    assert_eq!(read[..8], capability[..8]);
    assert!(length >= 20);
}

/// Every form of one sparse file: `ab`, a hole of a mebibyte, `cd`.
#[test]
fn a_sparse_file_has_its_holes_in_each_of_the_forms() {
    const SIZE: usize = 4 + (1 << 20);
    let second = (SIZE - 2).to_string();
    let size = SIZE.to_string();
    let map = format!("0,2,{second},2");
    let (second, size) = (second.as_bytes(), size.as_bytes());
    let data = |tar: Tar| tar.entry(b'0', "GNUSparseFile.0/x", b"abcd", |_| {});
    let in_data = format!("2\n0\n2\n{}\n2\n", SIZE - 2);
    let mut block = in_data.into_bytes();
    block.resize(512, 0);
    block.extend_from_slice(b"abcd");
    let tar = Tar::new()
        .entry(b'S', "old", b"abcd", |header| {
            put(header, 257, "ustar  \0");
            put(header, 386, "00000000000\x0000000000002\0");
            put(header, 410, &format!("{:011o}\x0000000000002\0", SIZE - 2));
            put(header, 483, &format!("{SIZE:011o}"));
        })
        .pax(&[
            ("GNU.sparse.size", size),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.offset", b"0"),
            ("GNU.sparse.numbytes", b"2"),
            ("GNU.sparse.offset", second),
            ("GNU.sparse.numbytes", b"2"),
        ])
        .entry(b'0', "v0.0", b"abcd", |_| {});
    let tar = data(tar.pax(&[
        ("GNU.sparse.size", size),
        ("GNU.sparse.name", b"v0.1"),
        ("GNU.sparse.map", map.as_bytes()),
    ]));
    let tar = tar
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"v1.0"),
            ("GNU.sparse.realsize", size),
        ])
        .entry(b'0', "GNUSparseFile.0/x", &block, |_| {});
    let (place, _) = unpacked(tar.file("after", "it"));
    for name in ["old", "v0.0", "v0.1", "v1.0"] {
        let path = place.root().join(name);
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len(), SIZE, "{name}");
        assert_eq!(
            (&content[..2], &content[SIZE - 2..]),
            (&b"ab"[..], &b"cd"[..]),
            "{name}"
        );
        assert!(content[2..SIZE - 2].iter().all(|byte| *byte == 0), "{name}");
        assert!(
            fs::metadata(path).unwrap().blocks() * 512 < 1 << 19,
            "{name}"
        );
    }
    assert!(place.root().join("after").exists());
}

#[test]
fn a_map_that_does_not_fit_its_file_is_refused() {
    for (map, size) in [
        ("0,2,1,2", "10"),
        ("4,2,0,2", "10"),
        ("0,4", "2"),
        ("0,3", "10"),
        ("18446744073709551615,4", "10"),
        ("0", "10"),
        ("0,x", "10"),
    ] {
        let pax = [
            ("GNU.sparse.map", map.as_bytes()),
            ("GNU.sparse.size", size.as_bytes()),
        ];
        let reason = refused(Tar::new().pax(&pax).file("f", "abcd"));
        assert!(reason.contains("sparse"), "{map}: {reason}");
    }
}

#[test]
fn long_runs_of_zeros_take_no_room() {
    let zeros = "\0".repeat(4 << 20);
    let (place, _) = unpacked(Tar::new().file("z", &zeros).file("y", &format!("{zeros}x")));
    for (name, length) in [("z", 4 << 20), ("y", (4 << 20) + 1)] {
        let file = fs::metadata(place.root().join(name)).unwrap();
        assert_eq!(file.len(), length);
        assert!(file.blocks() * 512 < 1 << 19, "{name}: {}", file.blocks());
    }
}
