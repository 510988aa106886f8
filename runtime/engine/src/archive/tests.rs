//! Archives made here and by the tests' own hands, read into a real store.

use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::error::Error;
use crate::image::{Config, Descriptor, Digest, Index, Manifest, MediaType, Platform};
use crate::store::tests::{image_of, tag, with_store};
use crate::store::{Origin, Owners, Provenance, Store, Version};

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

/// An archive of `count` indexes, each of which lists the next one `listed` times; the
/// last lists an image.
fn indexes(count: usize, listed: usize) -> Vec<u8> {
    let config = serde_json::to_vec(&Config::empty(Platform::host())).unwrap();
    let manifest = Manifest::new(Descriptor::of(MediaType::Config, &config), Vec::new());
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut next = Descriptor::of(MediaType::Manifest, &manifest);
    let mut blobs = vec![config, manifest];
    for _ in 0..count {
        let index = serde_json::to_vec(&Index::new(vec![next; listed])).unwrap();
        next = Descriptor::of(MediaType::Index, &index);
        blobs.push(index);
    }
    let name = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let names: Vec<_> = blobs.iter().map(|bytes| name(bytes)).collect();
    let index = serde_json::to_vec(&Index::new(vec![next])).unwrap();
    let blobs = names
        .iter()
        .map(|name| &**name)
        .zip(blobs.iter().map(|b| &**b));
    let files: Vec<_> = blobs.chain([("index.json", &*index)]).collect();
    archive(&files, &[])
}

#[test]
fn indexes_that_lead_on_and_on_are_refused_and_each_is_read_once() {
    refused(&indexes(2_000, 1), "leads to an index more than 4 times");
    refused(&indexes(40, 2), "leads to an index more than 4 times");
    with_store(|_, store| assert_eq!(load(store, &indexes(3, 2_000)).unwrap().len(), 1));
}

/// A saved image of one layer: an archive with one file, packed by gzip.
pub(crate) fn saved() -> Vec<u8> {
    let mut bytes = Vec::new();
    with_store(|_, store| {
        let mut layer = store.new_layer().unwrap();
        layer
            .write_all(&archive(&[("file", b"content")], &[]))
            .unwrap();
        let (blob, diff_id) = layer.finish().unwrap();
        let mut config = Config::empty(Platform::host());
        config.rootfs.diff_ids.push(diff_id);
        let config = store.put_json(MediaType::Config, &config).unwrap();
        let manifest = Manifest::new(config, vec![blob]);
        let target = store.put_json(MediaType::Manifest, &manifest).unwrap();
        let image = store.image(&target, &Platform::host()).unwrap();
        store
            .save(&[(vec![tag("app")], image)], &mut bytes)
            .unwrap();
    });
    bytes
}

/// What there is of layers and of blobs after those of `bytes` were taken from a file.
fn taken(bytes: &[u8]) -> (usize, usize) {
    let mut there = (0, 0);
    with_store(|root, store| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let host = Platform::host();
        store.take_layers(&file, Owners::Single, &host).unwrap();
        assert_eq!(file.stream_position().unwrap(), 0, "it can be loaded");
        let count = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().count();
        assert_eq!(count(root.join("ingest")), 0, "something was left");
        let layers = std::fs::read_dir(root.join("layers")).unwrap();
        let layers = layers.map(|owners| count(owners.unwrap().path())).sum();
        there = (layers, count(root.join("blobs/sha256")));
    });
    there
}

#[test]
fn a_layer_in_a_file_is_kept_and_unpacked_in_one_pass() {
    let bytes = saved();
    assert_eq!(taken(&bytes), (1, 3));
    with_store(|_, store| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let host = Platform::host();
        store.take_layers(&file, Owners::Single, &host).unwrap();
        let loaded = store.load(&file, &Provenance::now(Origin::Loaded)).unwrap();
        let image = store.image(&loaded[0].descriptor, &host).unwrap();
        let layers = store.layers_of(&image, Owners::Single).unwrap();
        let file = std::fs::read(layers[0].path.join("file")).unwrap();
        assert_eq!(file, b"content");
    });
}

#[test]
fn a_file_is_loaded_as_its_bytes_are_packed_or_not_and_wherever_it_begins() {
    let bytes = saved();
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    let ahead = [b"not of it", &*bytes].concat();
    for (bytes, at) in [(bytes, 0), (packed.finish().unwrap(), 0), (ahead, 9)] {
        with_store(|_, store| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let mut load = || {
                file.seek(SeekFrom::Start(at)).unwrap();
                store.load_file(&file, &Provenance::now(Origin::Loaded))
            };
            let first = load().unwrap();
            // Of the second time the blobs are here.
            assert_eq!(load().unwrap()[0].descriptor, first[0].descriptor);
            let image = store.image(&first[0].descriptor, &Platform::host());
            store.layers_of(&image.unwrap(), Owners::Single).unwrap();
        });
    }
}

#[test]
fn of_an_archive_that_lies_no_layer_is_taken() {
    let bytes = saved();
    // The first byte of gzip's content, in the middle of a block of the archive.
    let magic = bytes
        .windows(3)
        .position(|part| part == [0x1f, 0x8b, 8])
        .unwrap();
    let mut damaged = bytes.clone();
    damaged[magic + 12] ^= 1;
    assert_eq!(taken(&damaged), (0, 2));
    refused(&damaged, "sha256:");
    assert_eq!(taken(&bytes[..magic + 20]).0, 0, "it ends in the layer");
    assert_eq!(taken(b"this is no archive"), (0, 0));
    assert_eq!(taken(b""), (0, 0));
    let packed = zstd::encode_all(&bytes[..], 1).unwrap();
    assert_eq!(taken(&packed), (0, 0), "nobody can look ahead in it");
}
