//! What pack writes, unpack and others read.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::building::{Tar, put};
use super::*;
use crate::image::Digest;
use crate::layer::archive::{Archive, Kind};
use crate::layer::{Form, PackHow, Packed, Packing, pack};

/// As a layer is packed by the user who is root in it.
const ROOTS: &dyn Fn(u32, u32) -> (u32, u32) = &|_, _| (0, 0);

fn pack_how() -> PackHow<'static> {
    PackHow {
        packing: Packing::None,
        form: Form::Upper { userxattr: true },
        ids: ROOTS,
        source_date_epoch: None,
        limits: Limits::default(),
    }
}

fn packed(directory: &Path, how: &PackHow<'_>) -> (Vec<u8>, Packed) {
    let mut bytes = Vec::new();
    let packed = pack(directory, &mut bytes, how).unwrap();
    (bytes, packed)
}

/// The names in an archive, with what they are.
fn entries(tar: &[u8]) -> Vec<(Kind, String)> {
    let limits = Limits::default();
    let mut archive = Archive::new(tar, &limits);
    let mut entries = Vec::new();
    while let Some(entry) = archive.next().unwrap() {
        entries.push((
            entry.kind,
            String::from_utf8_lossy(&entry.name).into_owned(),
        ));
    }
    entries
}

fn age(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_tree_is_the_same_bytes_whatever_it_was_made_in() {
    let made = |names: &[&str]| {
        let place = Place::new();
        for name in names {
            let path = place.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            age(&path, 1000);
        }
        for directory in ["b", "b/c", ""] {
            age(&place.root().join(directory), 1000);
        }
        packed(&place.root(), &pack_how()).0
    };
    let tar = made(&["a", "b/c/d", "b.x", "b/c.x"]);
    assert_eq!(tar, made(&["b/c.x", "b.x", "b/c/d", "a"]));
    let names: Vec<String> = entries(&tar).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["a", "b/", "b/c/", "b/c/d", "b/c.x", "b.x"]);
}

#[test]
fn both_digests_are_those_of_what_was_written() {
    let place = Place::new();
    fs::write(place.root().join("f"), "content ".repeat(100_000)).unwrap();
    let (tar, plain) = packed(&place.root(), &pack_how());
    assert_eq!(
        (&plain.blob, plain.blob_bytes),
        (&Digest::of(&tar), tar.len() as u64)
    );
    for (packing, compression) in [
        (Packing::None, Compression::None),
        (Packing::Gzip(6), Compression::Gzip),
        (Packing::Zstd(3), Compression::Zstd),
    ] {
        let (bytes, packed) = packed(
            &place.root(),
            &PackHow {
                packing,
                ..pack_how()
            },
        );
        assert_eq!(
            (packed.diff_id, packed.diff_bytes),
            (Digest::of(&tar), tar.len() as u64)
        );
        assert_eq!(
            (&packed.blob, packed.blob_bytes),
            (&Digest::of(&bytes), bytes.len() as u64)
        );
        let unpacked = unpack(&bytes[..], compression, &Place::new().root(), &how()).unwrap();
        assert_eq!(unpacked.diff_id, Digest::of(&tar));
        assert_eq!(unpacked.entries, packed.entries);
    }
}

/// A tree of everything that an archive can hold, as far as this user may make it.
fn of_everything() -> Tar {
    let long = format!("{}/{}", "d".repeat(150), "f\u{e9}".repeat(80));
    Tar::new()
        .directory("d")
        .entry(b'0', "d/f", b"content", |header| {
            put(header, 100, "0004755");
        })
        .hard_link("d/again", "d/f")
        .symlink("d/s", &"../".repeat(33))
        .pax(&[("linkpath", "x/".repeat(100).as_bytes())])
        .symlink("long-link", "")
        .entry(b'6', "p", b"", |header| put(header, 100, "0000600"))
        .pax(&[("path", long.as_bytes()), ("mtime", b"-5")])
        .file("", "long")
        .pax(&[
            ("mtime", b"9000000000"),
            ("uid", b"3000000"),
            ("gid", b"3000001"),
        ])
        .file("large", "")
        .pax(&[("SCHILY.xattr.user.x", b"1\n2=\0")])
        .file("x", "")
        .device("null", b'3', 1, 3)
        .entry(b'5', "t", b"", |header| put(header, 100, "0001777"))
        .entry(b'0', b"\xff\n", b"", |_| {})
}

#[test]
fn what_is_packed_unpacks_to_what_packs_to_the_same() {
    let (place, _) = unpacked(of_everything());
    let same = PackHow {
        ids: &|uid, gid| (uid, gid),
        ..pack_how()
    };
    let (tar, first) = packed(&place.root(), &same);
    let again = Place::new();
    let unpacked = again.unpack(&tar, &how()).unwrap();
    assert_eq!(unpacked.diff_id, first.diff_id);
    assert_eq!(packed(&again.root(), &same).0, tar);
    // It is not the same because it is empty.
    let kinds: Vec<Kind> = entries(&tar).into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.len() >= 12, "{kinds:?}");
    let again = |name: &str| fs::symlink_metadata(again.root().join(name)).unwrap();
    assert_eq!(again("d/f").ino(), again("d/again").ino());
    assert_eq!(again("large").mtime(), 9_000_000_000);
    assert_eq!(again("t").mode() & 0o7777, 0o1777);
}

#[test]
fn gnu_tar_reads_what_is_packed() {
    let version = Command::new("tar").arg("--version").output();
    if !version.is_ok_and(|output| output.stdout.starts_with(b"tar (GNU tar)")) {
        eprintln!("skipped: there is no GNU tar");
        return;
    }
    let (place, _) = unpacked(of_everything());
    let (tar, packed_first) = packed(&place.root(), &pack_how());
    let theirs = Place::new();
    fs::write(theirs.directory.path().join("tar"), &tar).unwrap();
    let mut command = Command::new("tar");
    command.args([
        "--xattrs",
        "--xattrs-include=*",
        "--delay-directory-restore",
        "-xpf",
        "../tar",
    ]);
    let status = command
        .current_dir(theirs.root())
        .stderr(Stdio::inherit())
        .status()
        .unwrap();
    assert!(status.success());
    fs::remove_file(theirs.directory.path().join("tar")).unwrap();
    let (_, packed_again) = packed(&theirs.root(), &pack_how());
    assert_eq!(packed_again.diff_id, packed_first.diff_id);
}

#[test]
fn whiteouts_come_back() {
    let tar = Tar::new()
        .directory("a")
        .file("a/.wh.gone", "")
        .directory("b")
        .file("b/.wh..wh..opq", "")
        .file("b/new", "");
    let place = Place::new();
    if let Err(error) = place.unpack(&tar.end(), &how()) {
        eprintln!("skipped: no user attributes here: {error}");
        return;
    }
    let (tar, _) = packed(&place.root(), &pack_how());
    let names: Vec<String> = entries(&tar).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["a/", "a/.wh.gone", "b/", "b/.wh..wh..opq", "b/new"]);
    // Where it is no layer, a device is a device and an attribute nobody's.
    let (tar, _) = packed(
        &place.root(),
        &PackHow {
            form: Form::Tree,
            ..pack_how()
        },
    );
    assert!(entries(&tar).contains(&(Kind::Character, "a/gone".to_owned())));
}

#[test]
fn owners_are_mapped_and_times_clamped() {
    let place = Place::new();
    let (old, new) = (place.root().join("old"), place.root().join("new"));
    for (path, time) in [(&old, 500), (&new, 5000)] {
        fs::write(path, "").unwrap();
        age(path, time);
    }
    let shifted = |_: u32, _: u32| (70, 3_000_000);
    let how = PackHow {
        ids: &shifted,
        source_date_epoch: Some(1000),
        ..pack_how()
    };
    let (tar, _) = packed(&place.root(), &how);
    let limits = Limits::default();
    let mut archive = Archive::new(&tar[..], &limits);
    let mut times = Vec::new();
    while let Some(entry) = archive.next().unwrap() {
        assert_eq!((entry.uid, entry.gid), (70, 3_000_000));
        times.push((entry.name, entry.modified.seconds));
    }
    assert_eq!(
        times[1..],
        [(b"new".to_vec(), 1000), (b"old".to_vec(), 500)]
    );
    assert_eq!(times[0].0, b"./", "the root is another's, and says so");
}

#[test]
fn what_cannot_be_in_a_layer_is_not_packed() {
    let refused = |place: &Place| {
        let error = pack(&place.root(), &mut Vec::new(), &pack_how()).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    };
    let place = Place::new();
    fs::write(place.root().join(".wh.name"), "").unwrap();
    assert!(refused(&place).contains("of this name"));
    let place = Place::new();
    fs::create_dir_all(place.root().join("d/".repeat(250))).unwrap();
    assert!(refused(&place).contains("too deep"));
    let place = Place::new();
    File::create(place.root().join("f"))
        .unwrap()
        .set_len(1 << 41)
        .unwrap();
    assert!(refused(&place).contains("too large"));
}

#[test]
fn nothing_is_followed_or_opened_that_is_no_file() {
    let place = Place::new();
    symlink(place.outside(), place.root().join("directory")).unwrap();
    symlink(place.outside().join("secret"), place.root().join("file")).unwrap();
    let fifo = place.root().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let _server = std::os::unix::net::UnixListener::bind(place.root().join("socket")).unwrap();
    let (tar, _) = packed(&place.root(), &pack_how());
    let kinds: Vec<Kind> = entries(&tar).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Symlink, Kind::Fifo, Kind::Symlink]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_pack_wrote_unpack_reads(
        files in prop::collection::vec(("[a-c]{1,2}(/[a-c\n]{1,130}){0,2}", 0..3_u8, 0..70_000_usize), 0..8)
    ) {
        let place = Place::new();
        for (name, kind, length) in &files {
            let path = place.root().join(name);
            // What contradicts what is there is not made.
            let _ = fs::create_dir_all(path.parent().unwrap());
            let _ = match kind {
                0 => fs::write(&path, vec![b'x'; *length]),
                1 => symlink(name, &path),
                _ => fs::create_dir(&path),
            };
        }
        fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
        let (tar, packed_first) = packed(&place.root(), &pack_how());
        let again = Place::new();
        let unpacked = again.unpack(&tar, &how()).unwrap();
        prop_assert_eq!(&unpacked.diff_id, &packed_first.diff_id);
        prop_assert_eq!(packed(&again.root(), &pack_how()).1, packed_first);
    }
}
