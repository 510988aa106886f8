//! Base images, made in a real store.

use std::io::Read as _;

use super::*;
use crate::archive::unpacked;
use crate::store::tests::with_store;

fn names(store: &Store, image: &Descriptor) -> Vec<String> {
    let image = store.image(image, &Platform::host()).unwrap();
    let blob = store.open_blob(&image.manifest.layers[0], "test").unwrap();
    let mut archive = tar::Archive::new(unpacked(blob).unwrap().0);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        entry.path().unwrap().display().to_string()
    });
    entries.collect()
}

#[test]
fn an_image_of_a_tree_holds_it_in_order_and_is_the_same_each_time() {
    let mut tree = Tree::skeleton();
    tree.put("usr/bin/program", Node::File(b"x".to_vec(), 0o755));
    tree.put("bin", Node::Link("usr/bin".to_owned()));
    let about = About {
        created_by: "a test".to_owned(),
        epoch: 1_700_000_000,
        ..About::default()
    };
    with_store(|_, store| {
        let image = of_tree(store, &tree, &about).unwrap();
        let found = names(store, &image);
        let mut sorted = found.clone();
        sorted.sort();
        assert_eq!(found, sorted);
        for name in [
            "bin",
            "etc/passwd",
            "tmp",
            "usr",
            "usr/bin",
            "usr/bin/program",
        ] {
            assert!(
                found
                    .iter()
                    .any(|found| found.trim_end_matches('/') == name),
                "{name}"
            );
        }
        with_store(|_, other| {
            assert_eq!(of_tree(other, &tree, &about).unwrap(), image);
        });
        let image = store.image(&image, &Platform::host()).unwrap();
        assert_eq!(
            image.config.created.as_deref(),
            Some("2023-11-14T22:13:20Z")
        );
        let mut plain = Vec::new();
        let blob = store.open_blob(&image.manifest.layers[0], "test").unwrap();
        unpacked(blob).unwrap().0.read_to_end(&mut plain).unwrap();
        assert_eq!(Digest::of(&plain), image.config.rootfs.diff_ids[0]);
    });
}

#[test]
fn busybox_comes_with_its_commands() {
    with_store(|_, store| match busybox(store) {
        Err(error) => println!("skipped: {error}"),
        Ok(image) => {
            let found = names(store, &image);
            for name in ["bin/busybox", "bin/sh"] {
                assert!(
                    found.iter().any(|found| found == name),
                    "{name} of {found:?}"
                );
            }
        }
    });
}
