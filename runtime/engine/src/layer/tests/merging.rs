//! Layers laid over each other by copying.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::building::{Tar, put};
use super::*;
use crate::layer::{Content, MergeHow, merge};

fn merge_how(content: Content) -> MergeHow {
    MergeHow {
        content,
        userxattr: true,
        ownership: Ownership::Squash,
    }
}

/// The layers unpacked for overlay, or `None` where there are no user attributes.
fn layers(tars: Vec<Tar>) -> Option<Vec<Place>> {
    let unpack = |tar: Tar| {
        let place = Place::new();
        let unpacked = place.unpack(&tar.end(), &how());
        unpacked.map(|_| place)
    };
    let places: crate::Result<Vec<Place>> = tars.into_iter().map(unpack).collect();
    places.map_err(|error| eprintln!("skipped: {error}")).ok()
}

fn merged(places: &[Place], content: Content) -> Place {
    let place = Place::new();
    let roots: Vec<PathBuf> = places.iter().map(Place::root).collect();
    let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
    merge(&roots, &place.root(), &merge_how(content)).unwrap();
    place.check_outside();
    place
}

fn two() -> Vec<Tar> {
    let below = Tar::new()
        .file("a/one", "below")
        .file("a/two", "below")
        .file("b/old", "below")
        .symlink("s", "../outside")
        .directory("t/deep")
        .file("f", "below");
    let above = Tar::new()
        .entry(b'5', "a", b"", |header| put(header, 100, "0000700"))
        .file("a/.wh.one", "")
        .file("a/three", "above")
        .file("b/new", "above")
        .file("b/.wh..wh..opq", "")
        .directory("s")
        .file("s/made", "above")
        .file("t", "file over directory")
        .directory("f")
        .file("f/made", "directory over file");
    vec![below, above]
}

#[test]
fn merged_layers_are_what_applied_ones_are() {
    let Some(places) = layers(two()) else { return };
    let applied = Place::new();
    for tar in two() {
        let whiteouts = Whiteouts::Apply;
        applied
            .unpack(&tar.end(), &How { whiteouts, ..how() })
            .unwrap();
    }
    for content in [Content::Copy, Content::HardLink] {
        let place = merged(&places, content);
        let tree = |place: &Place| {
            let mut paths = Vec::new();
            let mut pending = vec![place.root()];
            while let Some(path) = pending.pop() {
                for entry in fs::read_dir(&path).unwrap() {
                    let path = entry.unwrap().path();
                    let meta = path.symlink_metadata().unwrap();
                    let content = fs::read(&path).ok();
                    let name = path.strip_prefix(place.root()).unwrap().to_owned();
                    if meta.is_dir() {
                        pending.push(path);
                    }
                    paths.push((name, meta.permissions().mode(), content));
                }
            }
            paths.sort();
            paths
        };
        assert_eq!(tree(&place), tree(&applied), "{content:?}");
        assert_eq!(fs::metadata(place.root().join("a")).unwrap().mtime(), 10);
        // A layer stays what it was.
        assert!(places[0].root().join("a/one").exists());
    }
}

#[test]
fn a_symlink_of_a_layer_below_is_not_written_through() {
    let Some(places) = layers(vec![
        Tar::new()
            .symlink("out", "../outside")
            .symlink("f", "../outside/secret"),
        Tar::new().file("out/made", "inside").file("f", "mine"),
    ]) else {
        return;
    };
    let place = merged(&places, Content::Copy);
    assert_eq!(fs::read(place.root().join("out/made")).unwrap(), b"inside");
    assert!(!place.root().join("f").is_symlink());
}

#[test]
fn a_copy_is_apart_from_its_layer_and_a_hard_link_is_not() {
    let tar = Tar::new()
        .file("f", "content")
        .hard_link("g/again", "f")
        .file("alone", "x");
    let Some(places) = layers(vec![tar]) else {
        return;
    };
    let inode = |place: &Place, name: &str| {
        let meta = fs::metadata(place.root().join(name)).unwrap();
        (meta.ino(), meta.nlink())
    };
    let copy = merged(&places, Content::Copy);
    assert_ne!(inode(&copy, "f").0, inode(&places[0], "f").0);
    // Two names of one file are so in the copy.
    assert_eq!(inode(&copy, "f"), inode(&copy, "g/again"));
    assert_eq!((inode(&copy, "f").1, inode(&copy, "alone").1), (2, 1));
    let linked = merged(&places, Content::HardLink);
    assert_eq!(inode(&linked, "f"), inode(&places[0], "f"));
    assert_eq!(inode(&linked, "alone"), inode(&places[0], "alone"));
}

#[test]
fn a_hole_is_copied_as_a_hole() {
    let data = format!("{}x{}", "\0".repeat(2 << 20), "\0".repeat(1 << 20));
    let Some(places) = layers(vec![Tar::new().file("f", &data)]) else {
        return;
    };
    let place = merged(&places, Content::Copy);
    let copy = place.root().join("f");
    assert_eq!(fs::read(&copy).unwrap(), data.as_bytes());
    assert!(fs::metadata(copy).unwrap().blocks() * 512 < 1 << 19);
}

#[test]
fn a_layer_without_an_end_is_not_merged() {
    let place = Place::new();
    let deep = Place::new();
    fs::create_dir_all(deep.root().join("d/".repeat(300))).unwrap();
    let merged = merge(&[&deep.root()], &place.root(), &merge_how(Content::Copy));
    assert!(
        matches!(merged, Err(crate::Error::Read { .. })),
        "{merged:?}"
    );
}
