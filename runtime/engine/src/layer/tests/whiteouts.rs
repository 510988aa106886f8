//! What is gone from the layers below.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::building::Tar;
use super::*;

fn is_whiteout(place: &Place, name: &str) -> bool {
    let file = fs::symlink_metadata(place.root().join(name)).unwrap();
    file.file_type().is_char_device() && file.rdev() == 0
}

/// Of the directory `name`; `None` where the file system cannot say.
fn is_opaque(place: &Place, name: &str) -> bool {
    let mut value = [0; 8];
    let path = place.root().join(name);
    matches!(
        rustix::fs::getxattr(&path, "user.overlay.opaque", &mut value),
        Ok(1)
    ) && value[0] == b'y'
}

/// Unpacks, or says why not: overlay's marks need a file system that holds them.
fn overlay(tar: Tar) -> Option<Place> {
    let place = Place::new();
    match place.unpack(&tar.end(), &how()) {
        Ok(_) => Some(place),
        Err(crate::Error::Write { source, .. }) if source.raw_os_error() == Some(libc::ENOTSUP) => {
            eprintln!("skipped: the file system has no user attributes");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_whiteout_becomes_overlays_device_and_an_opaque_directory_its_attribute() {
    let tar = Tar::new()
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .file("b/new", "");
    let Some(place) = overlay(tar) else { return };
    assert!(is_whiteout(&place, "a/gone"));
    assert!(is_opaque(&place, "b") && !is_opaque(&place, "a"));
    assert!(place.root().join("b/new").exists());
    let names = fs::read_dir(place.root().join("b")).unwrap().count();
    assert_eq!(names, 1, "the mark itself is no file");
}

#[test]
fn a_whiteout_hides_only_what_lies_below_the_layer() {
    let before = Tar::new()
        .file(".wh.f", "")
        .file(".wh.d", "")
        .file("f", "")
        .directory("d");
    let after = Tar::new()
        .file("f", "")
        .directory("d")
        .file(".wh.f", "")
        .file(".wh.d", "");
    for tar in [before, after] {
        let Some(place) = overlay(tar) else { return };
        assert!(place.root().join("f").is_file());
        // What the directory had below is gone, and it is there.
        assert!(is_opaque(&place, "d"));
    }
}

#[test]
fn a_whiteout_of_no_name_is_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh...", ".wh.a/b"] {
        for whiteouts in [Whiteouts::Apply, Whiteouts::Overlay { userxattr: true }] {
            let place = Place::new();
            let how = How { whiteouts, ..how() };
            let error = place.unpack(&Tar::new().file(name, "").end(), &how);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("whiteout"), "{name}: {error}");
        }
    }
}

#[test]
fn a_whiteout_behind_a_symlink_removes_nothing_outside() {
    let place = Place::new();
    let apply = How {
        whiteouts: Whiteouts::Apply,
        ..how()
    };
    for target in ["../outside", place.outside().to_str().unwrap()] {
        for name in ["out/.wh.secret", "out/.wh..wh..opq"] {
            let tar = Tar::new().symlink("out", target).file(name, "");
            place.unpack(&tar.end(), &apply).unwrap();
        }
    }
    // What is gone is the symlink, not what it leads to.
    let tar = Tar::new().file(".wh.out", "");
    place.unpack(&tar.end(), &apply).unwrap();
    assert!(!place.root().join("out").is_symlink());
}

#[test]
fn applied_whiteouts_remove_what_was_there_and_spare_their_own_layer() {
    let place = Place::new();
    let apply = How {
        whiteouts: Whiteouts::Apply,
        ..how()
    };
    let below = Tar::new()
        .file("a/one", "below")
        .file("a/two", "below")
        .file("b/deep/old", "below")
        .file("b/deep/kept/old", "below")
        .file("c/old", "below")
        .symlink("link", "a");
    place.unpack(&below.end(), &apply).unwrap();
    let above = Tar::new()
        .file("a/.wh.one", "")
        .file("b/deep/kept/new", "above")
        .file("b/.wh..wh..opq", "")
        .directory("c")
        .file("c/new", "above")
        .file(".wh.c", "")
        .file(".wh.link", "")
        .file(".wh.nothing", "");
    place.unpack(&above.end(), &apply).unwrap();
    let there = |name: &str| place.root().join(name).symlink_metadata().is_ok();
    for gone in ["a/one", "b/deep/old", "b/deep/kept/old", "c/old", "link"] {
        assert!(!there(gone), "{gone}");
    }
    for kept in ["a/two", "b/deep/kept/new", "c/new"] {
        assert!(there(kept), "{kept}");
    }
}
