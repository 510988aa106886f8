//! Archives made here and by the tests' own hands, read into a real store.

use std::io::Read;

use tar::{Builder, EntryType, Header};

use crate::error::Error;
use crate::image::{Config, Digest, Platform};
use crate::store::tests::{image_of, tag, with_store};
use crate::store::{Origin, Provenance, Store, Version};

fn archive(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, to) in links {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, to).unwrap();
    }
    for (path, content) in files {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn load(store: &Store, bytes: &[u8]) -> crate::Result<Vec<Version>> {
    store.load(bytes, &Provenance::now(Origin::Loaded))
}

/// The names that an archive brings into an empty store, and the content of the
/// one layer of the first.
fn check(bytes: &[u8], names: &[&str], content: &str) {
    with_store(|_, store| {
        let loaded = load(store, bytes).unwrap();
        let found: Vec<_> = loaded.iter().map(|version| &*version.name).collect();
        assert_eq!(found, names);
        let image = store
            .image(&loaded[0].descriptor, &Platform::host())
            .unwrap();
        let mut text = String::new();
        let mut layer = store.open_blob(&image.manifest.layers[0], "test").unwrap();
        layer.read_to_string(&mut text).unwrap();
        assert_eq!(text, content);
    });
}

fn refused(bytes: &[u8], reason: &str) {
    with_store(|_, store| {
        let error = load(store, bytes).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(store.tags().unwrap().is_empty());
    });
}

fn config_of(layer: &str) -> Vec<u8> {
    let mut config = Config::empty(Platform::host());
    config.rootfs.diff_ids.push(Digest::of(layer.as_bytes()));
    serde_json::to_vec(&config).unwrap()
}

#[test]
fn what_is_saved_is_loaded_under_its_names() {
    with_store(|_, store| {
        let target = image_of(store, "content");
        let image = store.image(&target, &Platform::host()).unwrap();
        let names = vec![tag("app:v1"), tag("localhost:5000/app")];
        let mut first = Vec::new();
        store.save(&[(names, image.clone())], &mut first).unwrap();
        let expected = ["docker.io/library/app:v1", "localhost:5000/app:latest"];
        check(&first, &expected, "content");
        let mut again = Vec::new();
        let names = vec![tag("app:v1"), tag("localhost:5000/app")];
        store.save(&[(names, image.clone())], &mut again).unwrap();
        assert_eq!(first, again, "the same images give the same bytes");
        let mut nameless = Vec::new();
        store.save(&[(vec![], image)], &mut nameless).unwrap();
        let made_up = format!("docker.io/library/loaded:{}", target.digest.short());
        check(&nameless, &[&made_up], "content");
    });
}

#[test]
fn what_docker_saved_before_25_is_loaded_links_and_all() {
    let config = config_of("content");
    let name = format!("{}.json", Digest::of(&config).hex());
    let manifest =
        format!(r#"[{{"Config":"{name}","RepoTags":["old:v1"],"Layers":["b/layer.tar"]}}]"#);
    let files: [(&str, &[u8]); 5] = [
        (&name, &config),
        ("a/VERSION", b"1.0"),
        ("a/json", b"{}"),
        ("a/layer.tar", b"content"),
        ("manifest.json", manifest.as_bytes()),
    ];
    let bytes = archive(&files, &[("b/layer.tar", "../a/layer.tar")]);
    check(&bytes, &["docker.io/library/old:v1"], "content");
    let packed = zstd::encode_all(&bytes[..], 1).unwrap();
    check(&packed, &["docker.io/library/old:v1"], "content");
}

#[test]
fn an_archive_that_lies_changes_no_tag() {
    let config = config_of("content");
    let docker = |config: &str, layer: &str| {
        format!(r#"[{{"Config":"{config}","RepoTags":["a"],"Layers":["{layer}"]}}]"#)
    };
    let with = |manifest: &str, links: &[(&str, &str)]| {
        let files: [(&str, &[u8]); 3] = [
            ("c.json", &config),
            ("l.tar", b"content"),
            ("manifest.json", manifest.as_bytes()),
        ];
        archive(&files, links)
    };
    refused(b"", "neither");
    refused(b"this is no archive", "cannot be read");
    refused(&archive(&[("x", b"y")], &[]), "neither");
    refused(&with("{}", &[]), "manifest.json is none");
    refused(
        &with(&docker("c.json", "m.tar"), &[]),
        "`m.tar`, which it lacks",
    );
    refused(
        &with(&docker("c.json", "../../l.tar"), &[]),
        "which it lacks",
    );
    let circle = [("m.tar", "n.tar"), ("n.tar", "m.tar")];
    refused(&with(&docker("c.json", "m.tar"), &circle), "which it lacks");
    refused(&with(&docker("l.tar", "l.tar"), &[]), "expected value");
    let good = with(&docker("c.json", "l.tar"), &[]);
    refused(&good[..1400], "cannot be read");
    let packed = zstd::encode_all(&good[..], 1).unwrap();
    refused(&packed[..packed.len() / 2], "cannot be read");
    let hex = Digest::of(b"content").hex().to_owned();
    let blob = format!("blobs/sha256/{hex}");
    refused(&archive(&[(&blob, b"CONTENT")], &[]), "has the digest");
    let two = docker("c.json", "l.tar").replace(r#"["l.tar"]"#, r#"["l.tar","l.tar"]"#);
    refused(&with(&two, &[]), "1 diff ids for 2 layers");
}

#[test]
fn an_archive_that_lacks_a_blob_is_refused_by_the_blobs_name() {
    with_store(|_, store| {
        let image = image_of(store, "content");
        let image = store.image(&image, &Platform::host()).unwrap();
        let mut bytes = Vec::new();
        store.save(&[(vec![], image.clone())], &mut bytes).unwrap();
        let layer = image.manifest.layers[0].digest.clone();
        let mut without = Builder::new(Vec::new());
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let entry = entry.unwrap();
            if !entry.path().unwrap().ends_with(layer.hex()) {
                let header = entry.header().clone();
                without.append(&header, entry).unwrap();
            }
        }
        with_store(|_, other| {
            let error = load(other, &without.into_inner().unwrap()).unwrap_err();
            assert!(
                matches!(&error, Error::Missing { digest, .. } if *digest == layer),
                "{error}"
            );
        });
    });
}
