//! An archive says exactly what was put into it, to our reader and to a foreign one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use vm_model::Error;
use vm_model::initramfs::{Archive, Member, members};

fn read_back(archive: &Archive) -> BTreeMap<PathBuf, Member> {
    let members = members(&archive.to_bytes().unwrap()).unwrap();
    members
        .into_iter()
        .map(|member| (member.name.clone(), member))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_added_is_read_back(
        files in proptest::collection::btree_map("[a-c]{1,2}(/[d-f\u{e9}][d.-]{0,9}){0,2}/g", any::<Vec<u8>>(), 0..20),
    ) {
        let mut archive = Archive::new();
        for (name, bytes) in &files {
            archive.add_file(name, 0o640, bytes.clone()).unwrap();
        }
        let read = read_back(&archive);
        for (name, bytes) in &files {
            let member = &read[Path::new(name)];
            prop_assert_eq!(&member.bytes, bytes);
            prop_assert_eq!((member.mode, member.links, member.modified), (0o100_640, 1, 0));
        }
        // Each other entry is a parent, and each parent stands before what it holds.
        let order: Vec<_> = read.keys().collect();
        for (index, name) in order.iter().enumerate() {
            let parent = name.parent().unwrap();
            prop_assert!(parent.as_os_str().is_empty() || order[..index].contains(&&parent.to_owned()));
        }
        let directories = read.values().filter(|member| member.mode == 0o040_755).count();
        prop_assert_eq!(directories + files.len(), read.len());
    }

    #[test]
    fn the_order_of_adding_does_not_show(names in proptest::collection::vec("[a-e]{1,3}", 1..9)) {
        let archive = |names: &mut dyn Iterator<Item = &String>| {
            let mut archive = Archive::new();
            names.for_each(|name| archive.add_file(name, 0o644, name.as_bytes()).unwrap());
            archive.to_bytes().unwrap()
        };
        prop_assert_eq!(archive(&mut names.iter()), archive(&mut names.iter().rev()));
    }

    #[test]
    fn a_damaged_archive_never_panics_the_reader(at in 0usize..600, byte in any::<u8>()) {
        let mut bytes = Archive::guest(b"init").unwrap().to_bytes().unwrap();
        bytes[at] = byte;
        let _ = members(&bytes);
        prop_assert!(members(&bytes[..at]).is_err());
    }
}

/// A tree with each kind of entry: a file with two names, one of them in a directory, and links.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("lib/deep")).unwrap();
    fs::write(root.join("program"), b"#!code").unwrap();
    fs::set_permissions(root.join("program"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(root.join("program"), root.join("lib/deep/same")).unwrap();
    symlink("../program", root.join("lib/link")).unwrap();
    symlink("/nowhere", root.join("lib/dangling")).unwrap();
    dir
}

#[test]
fn a_tree_keeps_modes_links_and_shared_files() {
    let mut archive = Archive::new();
    archive.add_tree(tree().path(), "/usr").unwrap();
    let refused = archive.to_bytes().unwrap_err();
    assert!(
        matches!(refused, Error::File { .. }),
        "the tree is gone by now: {refused}"
    );

    let tree = tree();
    let mut archive = Archive::new();
    archive.add_tree(tree.path(), "/usr").unwrap();
    let read = read_back(&archive);
    let member = |name: &str| &read[Path::new(name)];
    assert_eq!(member("usr/program").mode, 0o100_755);
    assert_eq!(member("usr/lib/link").bytes, b"../program");
    assert_eq!(member("usr/lib/dangling").mode, 0o120_777);
    let (first, second) = (member("usr/lib/deep/same"), member("usr/program"));
    assert_eq!((first.inode, first.links), (second.inode, 2));
    assert_eq!(
        [first.bytes.len(), second.bytes.len()],
        [0, 6],
        "the last name carries the bytes"
    );
}

#[test]
fn the_device_nodes_are_those_of_the_guests_channel() {
    let read = read_back(&Archive::guest(b"").unwrap());
    let channel = &read[Path::new("dev/ttyS1")];
    assert_eq!((channel.mode, channel.device), (0o020_600, (4, 65)));
    assert_eq!(read[Path::new("dev/console")].device, (5, 1));
    assert_eq!(read[Path::new("init")].mode, 0o100_755);
}

#[test]
fn names_that_leave_the_root_or_pass_through_a_link_are_refused() {
    let mut archive = Archive::new();
    archive.add_symlink("lib", "usr/lib").unwrap();
    archive.add_file("file", 0o644, b"".as_slice()).unwrap();
    let refused = |name: &str| {
        let mut archive = archive.clone();
        archive.add_file(name, 0o644, b"".as_slice()).is_err()
    };
    for name in [
        "../etc/passwd",
        "a/../../b",
        "lib/libc.so",
        "file/below",
        "",
        "TRAILER!!!",
        "a\0b",
    ] {
        assert!(refused(name), "`{name}` was taken");
    }
    assert!(!refused("usr/lib/libc.so"));
    assert!(archive.add_hard_link("second", "absent").is_err());
}

#[test]
fn an_archive_that_cannot_be_finished_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("initrd");
    let mut archive = Archive::new();
    let tree = tree();
    archive.add_tree(tree.path(), "").unwrap();
    fs::write(tree.path().join("program"), b"#!code that grew").unwrap();
    let error = archive.write_file(&path).unwrap_err();
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("changed"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn a_full_disk_is_an_error_with_a_remedy() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: there is no /dev/full");
        return;
    }
    // Written through a link, so that the device itself is not what a failure removes.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("initrd");
    symlink("/dev/full", &path).unwrap();
    let error = Archive::guest(b"init")
        .unwrap()
        .write_file(&path)
        .unwrap_err();
    assert!(error.hint().unwrap().contains("free some space"), "{error}");
    assert!(!path.is_symlink());
}
