//! Layers that would write outside, lie, or have no end.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::building::{Tar, put};
use super::*;

#[test]
fn an_absolute_name_lies_beneath_the_root() {
    let place = Place::new();
    let name = place.outside().join("made");
    let tar = Tar::new()
        .pax(&[("path", name.to_str().unwrap().as_bytes())])
        .file("x", "inside");
    place.unpack(&tar.end(), &how()).unwrap();
    let inside = place.root().join(name.strip_prefix("/").unwrap());
    assert_eq!(fs::read(inside).unwrap(), b"inside");
}

#[test]
fn a_name_that_leaves_by_dots_is_refused() {
    for name in [
        "../outside/made",
        "a/../../outside/made",
        "/../outside/made",
        "..",
    ] {
        let reason = refused(Tar::new().file(name, "x"));
        assert!(reason.contains("leads out of the root"), "{name}: {reason}");
    }
}

#[test]
fn a_layer_cannot_write_through_a_symlink() {
    for target in ["../outside", "../../../../../../../../tmp", "/", "/outside"] {
        let tar = Tar::new().symlink("out", target).file("out/made", "inside");
        let (place, _) = unpacked(tar);
        let inside = target.trim_start_matches("../").trim_start_matches('/');
        let made = place.root().join(inside).join("made");
        assert_eq!(fs::read(&made).unwrap(), b"inside", "{target}");
    }
    let place = Place::new();
    let outside = place.outside();
    let tar = Tar::new()
        .symlink("out", outside.to_str().unwrap())
        .file("out/made", "inside");
    place.unpack(&tar.end(), &how()).unwrap();
}

#[test]
fn the_last_part_of_a_name_is_never_followed() {
    let place = Place::new();
    let secret = place.outside().join("secret");
    let secret = secret.to_str().unwrap();
    for last in [
        Tar::new().symlink("s", secret).file("s", "mine"),
        Tar::new().symlink("s", secret).directory("s"),
        Tar::new()
            .symlink("s", "../outside")
            .directory("s")
            .file("s/made", ""),
        Tar::new().symlink("s", secret).symlink("s", "x"),
        Tar::new()
            .symlink("s", secret)
            .entry(b'6', "s", b"", |_| {}),
        Tar::new()
            .symlink("t", secret)
            .file("f", "")
            .hard_link("t", "f"),
        // Its owner, mode and time are its own, not those of what it leads to.
        Tar::new().entry(b'2', "s", b"", |header| {
            put(header, 157, secret);
            put(header, 100, "0000777");
        }),
    ] {
        let before = fs::metadata(secret).unwrap();
        place.unpack(&last.end(), &how()).unwrap();
        let after = fs::metadata(secret).unwrap();
        assert_eq!(
            (before.mode(), before.mtime()),
            (after.mode(), after.mtime())
        );
        fs::remove_dir_all(place.root()).unwrap();
        fs::create_dir(place.root()).unwrap();
    }
}

#[test]
fn a_directory_swapped_for_a_symlink_is_not_remembered_as_a_directory() {
    let tar = Tar::new()
        .directory("a")
        .file("a/one", "")
        .symlink("a", "../outside");
    let (place, _) = unpacked(tar.clone().file("a/made", "inside"));
    assert_eq!(
        fs::read(place.root().join("outside/made")).unwrap(),
        b"inside"
    );
    // The directory's mode and time, which come last, go nowhere.
    let (place, _) = unpacked(tar.symlink("b", "../outside"));
    assert!(place.root().join("a").is_symlink());
}

#[test]
fn a_symlink_swapped_for_a_directory_is_not_remembered_as_a_symlink() {
    let tar = Tar::new()
        .symlink("a/s", ".")
        .file("a/s/one", "")
        .directory("a/s/s");
    let (place, _) = unpacked(tar.file("a/s/two", ""));
    assert!(place.root().join("a/s/two").exists());
    assert!(!place.root().join("a/s").is_symlink());
}

#[test]
fn a_hard_link_leads_to_files_of_the_root_only() {
    let place = Place::new();
    let secret = place.outside().join("secret");
    let absolute = secret.to_str().unwrap();
    for (tar, reason) in [
        (Tar::new().hard_link("h", "../outside/secret"), "outside"),
        (Tar::new().hard_link("h", absolute), "missing"),
        (
            Tar::new()
                .symlink("s", "../outside")
                .hard_link("h", "s/secret"),
            "missing",
        ),
        (
            Tar::new()
                .symlink("s", place.outside().to_str().unwrap())
                .hard_link("h", "s/secret"),
            "missing",
        ),
        (Tar::new().hard_link("h", "nothing"), "not there"),
        (Tar::new().file("h", "").hard_link("h", "h"), "itself"),
        (Tar::new().hard_link("h", "."), "root"),
        (
            Tar::new().directory("d").hard_link("h", "d"),
            "cannot be linked",
        ),
    ] {
        let error = place.unpack(&tar.end(), &how()).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
        fs::remove_dir_all(place.root()).unwrap();
        fs::create_dir(place.root()).unwrap();
    }
}

#[test]
fn a_hard_link_to_a_symlink_is_not_one_to_what_that_leads_to() {
    let place = Place::new();
    let secret = place.outside().join("secret");
    let tar = Tar::new()
        .symlink("s", secret.to_str().unwrap())
        .hard_link("h", "s");
    place.unpack(&tar.clone().end(), &how()).unwrap();
    assert!(place.root().join("h").is_symlink());
    // And a file in its place is a file of its own.
    let place = Place::new();
    place.unpack(&tar.file("h", "mine").end(), &how()).unwrap();
    assert!(!place.root().join("h").is_symlink());
}

#[test]
fn a_device_is_made_where_that_is_permitted_and_else_counted() {
    let tar = Tar::new()
        .device("null", b'3', 1, 3)
        .hard_link("again", "null");
    let (place, unpacked) = unpacked(tar.device("disk", b'4', 7, 200));
    let null = place.root().join("null");
    if unpacked.devices_left_out > 0 {
        assert_eq!(unpacked.devices_left_out, 3);
        assert!(!null.exists());
        return;
    }
    let made = fs::symlink_metadata(null).unwrap();
    assert!(made.file_type().is_char_device());
    assert_eq!((made.rdev(), made.nlink()), (rustix::fs::makedev(1, 3), 2));
    let disk = fs::symlink_metadata(place.root().join("disk")).unwrap();
    assert!(disk.file_type().is_block_device());
}

#[test]
fn overlays_own_marks_cannot_be_forged() {
    let device = refused(Tar::new().device("etc", b'3', 0, 0));
    assert!(device.contains("overlay's own mark"), "{device}");
    for mark in [
        "trusted.overlay.opaque",
        "user.overlay.redirect",
        "user.overlay.metacopy",
    ] {
        let key = format!("SCHILY.xattr.{mark}");
        let tar = || Tar::new().pax(&[(&key, b"y")]);
        for tar in [
            tar().directory("d"),
            tar().file("f", ""),
            tar().directory("./"),
        ] {
            let reason = refused(tar);
            assert!(reason.contains("overlay's own"), "{mark}: {reason}");
        }
    }
}

#[test]
fn a_layer_of_too_many_entries_or_bytes_is_refused() {
    let place = Place::new();
    let mut few = how();
    few.limits.entries = 2;
    let tar = Tar::new().file("a", "").file("b", "").file("c", "");
    let error = place.unpack(&tar.end(), &few).unwrap_err().to_string();
    assert!(error.contains("more than 2 entries"), "{error}");
    let mut small = how();
    small.limits.bytes = 1 << 20;
    let zeros = "\0".repeat(2 << 20);
    let bomb = Tar::new().file("bomb", &zeros).end();
    let packed = zstd::encode_all(&bomb[..], 19).unwrap();
    assert!(packed.len() < 1000);
    // Nor is it to be found where no file is.
    let behind = [Tar::new().end(), vec![0; 2 << 20]].concat();
    let error = place.unpack(&behind, &small).unwrap_err().to_string();
    assert!(error.contains("unpacks to more"), "{error}");
    let error = unpack(&packed[..], Compression::Zstd, &place.root(), &small).unwrap_err();
    assert!(error.to_string().contains("allowed"), "{error}");
}

#[test]
fn a_sparse_file_counts_by_its_apparent_size() {
    let huge = (1_u64 << 50).to_string();
    let tar = Tar::new().pax(&[
        ("GNU.sparse.map", b"0,0"),
        ("GNU.sparse.size", huge.as_bytes()),
    ]);
    let reason = refused(tar.file("f", ""));
    assert!(reason.contains("bytes allowed"), "{reason}");
}

#[test]
fn what_describes_an_entry_is_bounded() {
    let long = "x".repeat(2 << 20);
    let reason = refused(
        Tar::new()
            .pax(&[("comment", long.as_bytes())])
            .file("f", ""),
    );
    assert!(reason.contains("described by"), "{reason}");
    for flag in [b'L', b'K'] {
        let tar = Tar::new().entry(flag, "././@LongLink", long.as_bytes(), |_| {});
        assert!(refused(tar.file("f", "")).contains("described by"));
    }
    // Where the header alone tells the length, nothing is put aside for it.
    let tar = Tar::new().entry(b'x', "x", b"", |header| put(header, 124, "77777777777"));
    assert!(refused(tar).contains("described by"));
    let parts = "1,0,".repeat(70_000) + "2,0";
    let tar = Tar::new().pax(&[
        ("GNU.sparse.map", parts.as_bytes()),
        ("GNU.sparse.size", b"2"),
    ]);
    let reason = refused(tar.file("f", ""));
    assert!(reason.contains("too many parts"), "{reason}");
}

#[test]
fn a_path_of_ten_thousand_directories_is_refused() {
    let deep = "d/".repeat(10_000);
    let reason = refused(Tar::new().pax(&[("path", deep.as_bytes())]).directory("d"));
    assert!(reason.contains("too long"), "{reason}");
    let deep = "d/".repeat(1000);
    let reason = refused(Tar::new().pax(&[("path", deep.as_bytes())]).directory("d"));
    assert!(reason.contains("deeper"), "{reason}");
    // Nor can one be put together by symlinks.
    let half = "d/".repeat(150);
    let tar = Tar::new()
        .pax(&[("path", half.as_bytes())])
        .directory("d")
        .symlink("s", &half[..99]);
    let tar = tar.symlink("d/d/d/d/d/d/d/d/t", "../../s");
    let reason = refused(
        tar.pax(&[("path", format!("s/{half}/s/{half}").as_bytes())])
            .file("f", ""),
    );
    assert!(reason.contains("deeper"), "{reason}");
}

#[test]
fn symlinks_that_lead_to_each_other_are_refused() {
    let reason = refused(
        Tar::new()
            .symlink("a", "b")
            .symlink("b", "a")
            .file("a/x", ""),
    );
    assert!(reason.contains("too many symlinks"), "{reason}");
    let mut tar = Tar::new().directory("d");
    let back = "d/../".repeat(18);
    for link in 0..39 {
        tar = tar.symlink(format!("l{link}"), &format!("{back}l{}", link + 1));
    }
    let reason = refused(tar.file("l0/x", ""));
    assert!(reason.contains("too many symlinks"), "{reason}");
}

#[test]
fn a_file_is_no_directory() {
    let reason = refused(Tar::new().file("a", "").file("a/b", ""));
    assert!(reason.contains("something else"), "{reason}");
    let reason = refused(Tar::new().symlink("s", ""));
    assert!(reason.contains("to nothing"), "{reason}");
    // A root that became a symlink would lead the next layer out.
    for name in [".", "./", "/", "a/.."] {
        for tar in [
            Tar::new().file(name, ""),
            Tar::new().symlink(name, "../outside"),
        ] {
            let reason = refused(tar);
            assert!(
                reason.contains("the root is a directory"),
                "{name}: {reason}"
            );
        }
    }
}

#[test]
fn an_archive_that_two_programs_read_differently_is_refused() {
    let tar = || Tar::new().file("a", "");
    for (tar, reason) in [
        (tar().bytes(&[0; 512]).file("b", ""), "block of zeros"),
        (
            tar()
                .pax(&[("path", b"x")])
                .pax(&[("path", b"y")])
                .file("b", ""),
            "twice",
        ),
        (tar().pax(&[("path", b"x\0y")]).file("b", ""), "a name"),
        (tar().pax(&[("path", b"x")]), "ends where"),
        (
            tar()
                .entry(b'x', "x", b"9 path=abc\n", |_| {})
                .file("b", ""),
            "PAX record",
        ),
        (tar().pax(&[("size", b"-1")]).file("b", ""), "number"),
        (tar().entry(b'Z', "b", b"", |_| {}), "not known"),
        (
            tar().entry(b'0', "b", b"", |header| put(header, 124, "9999999")),
            "a size",
        ),
        (
            tar().entry(b'0', "b", b"", |header| header[108..116].fill(0xff)),
            "an owner",
        ),
        (
            tar().pax(&[("uid", b"4294967295")]).file("b", ""),
            "an owner",
        ),
    ] {
        let refused = refused(tar);
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
    let mut tar = tar().end();
    tar[0] ^= 1;
    let error = Place::new().unpack(&tar, &how()).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn the_size_of_a_file_is_its_records_and_of_nothing_in_between() {
    // Its content is an archive, which must not be taken for entries of this one.
    let inner = Tar::new().file("smuggled", "").end();
    let size = inner.len().to_string();
    let tar = Tar::new()
        .pax(&[("size", size.as_bytes())])
        .entry(b'L', "././@LongLink", b"named\0", |_| {})
        .entry(b'0', "x", b"", |_| {})
        .bytes(&inner);
    let (place, _) = unpacked(tar.file("after", ""));
    assert_eq!(fs::read(place.root().join("named")).unwrap(), inner);
    assert!(place.root().join("after").exists());
    assert!(!place.root().join("smuggled").exists());
}

#[test]
fn what_has_no_data_by_its_type_has_none_whatever_its_header_says() {
    // Go's reader, by which docker reads, says so; one that skips 1024 bytes instead
    // would not see the file.
    let tar = Tar::new().entry(b'2', "s", b"", |header| {
        put(header, 157, "x");
        put(header, 124, "00000002000");
    });
    let (place, _) = unpacked(tar.file("seen", "it"));
    assert_eq!(fs::read(place.root().join("seen")).unwrap(), b"it");
}

#[test]
fn a_hostile_name_does_nothing_to_a_terminal() {
    let reason = refused(Tar::new().file("..\u{1b}[2J\n/../..", ""));
    assert!(!reason.contains(['\u{1b}', '\n']), "{reason:?}");
}
