//! What a store promises, against a real directory.

use std::fs;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use crate::image::{
    Algorithm, Compression, Config, Descriptor, Digest, Manifest, MediaType, Platform, Reference,
};

/// A store in a directory of its own.
pub(crate) fn with_store(check: impl FnOnce(&Path, &Store)) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("images");
    let store = Store::open(&root).unwrap();
    check(&root, &store);
}

pub(crate) fn tag(text: &str) -> Reference {
    text.parse().unwrap()
}

/// An image of one layer that holds `content` and is no archive.
pub(crate) fn image_of(store: &Store, content: &str) -> Descriptor {
    let layer = MediaType::Layer(Compression::None);
    let layer = store.put(layer, content.as_bytes()).unwrap();
    let mut config = Config::empty(Platform::host());
    config.rootfs.diff_ids.push(layer.digest.clone());
    let config = store.put_json(MediaType::Config, &config).unwrap();
    let manifest = Manifest::new(config, vec![layer]);
    store.put_json(MediaType::Manifest, &manifest).unwrap()
}

fn made(store: &Store, name: &str, content: &str) -> Version {
    let provenance = Provenance::now(Origin::Built);
    let image = image_of(store, content);
    store.tag(&tag(name), &image, &provenance).unwrap()
}

fn du(root: &Path) -> u64 {
    let mut du = Command::new("du");
    let output = du
        .args(["-s", "--block-size=1"])
        .arg(root)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_tag_keeps_a_log_and_goes_back_without_a_byte() {
    with_store(|root, store| {
        let versions = ["one", "two", "three"].map(|content| made(store, "app", content));
        let app = tag("app");
        assert_eq!(versions.each_ref().map(|version| version.number), [1, 2, 3]);
        let blobs = store.all_blobs().len();
        let back = store.roll_back(&app, None).unwrap();
        assert_eq!(
            (back.number, &back.descriptor),
            (4, &versions[1].descriptor)
        );
        let back = store.roll_back(&app, None).unwrap();
        assert_eq!(back.descriptor, versions[0].descriptor, "two steps back");
        assert!(store.roll_back(&app, None).is_err(), "there is none before");
        let forth = store.roll_back(&app, Some(3)).unwrap();
        assert_eq!(forth.descriptor, versions[2].descriptor);
        assert_eq!(store.all_blobs().len(), blobs);
        let log = Store::open(root).unwrap().log(&app).unwrap();
        assert_eq!(log.len(), 6);
        assert_eq!(log.iter().filter(|version| version.current).count(), 1);
        assert_eq!(
            log[5].provenance.as_ref().unwrap().origin,
            Origin::RolledBack
        );
    });
}

#[test]
fn a_tag_that_stands_for_it_already_gets_no_new_version() {
    with_store(|_, store| {
        made(store, "app", "same");
        assert_eq!(made(store, "app", "same").number, 1);
        assert_eq!(store.tags().unwrap().len(), 1);
    });
}

#[test]
fn names_lead_to_what_docker_would_find() {
    with_store(|_, store| {
        let one = made(store, "app", "one");
        let two = made(store, "app", "two");
        let other = made(store, "localhost:5000/other:v1", "other");
        let host = Platform::host();
        let image = store.image(&two.descriptor, &host).unwrap();
        let manifest = two.descriptor.digest.clone();
        for name in [
            "app".to_owned(),
            "app:latest".to_owned(),
            "docker.io/library/app".to_owned(),
            "app@2".to_owned(),
            format!("app@{manifest}"),
            image.id().short().to_owned(),
            image.id().to_string(),
            manifest.hex()[..7].to_owned(),
        ] {
            assert_eq!(
                store.resolve(&name).unwrap().descriptor,
                two.descriptor,
                "{name}"
            );
        }
        assert_eq!(store.resolve("app@1").unwrap().descriptor, one.descriptor);
        let found = store.resolve("localhost:5000/other:v1").unwrap();
        assert_eq!(found.descriptor, other.descriptor);
        for name in [
            "other",
            "app:v2",
            "app@3",
            "0000000",
            "App",
            "localhost:5000/app",
        ] {
            assert!(store.resolve(name).is_err(), "{name}");
        }
    });
}

#[test]
fn an_image_named_by_its_digest_moves_no_tag_and_is_found_and_kept() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("images");
    let store = Store::open(&root).unwrap();
    let own = made(&store, "app", "own").descriptor;
    let old = image_of(&store, "old");
    let pulled = Provenance::now(Origin::Pulled);
    for text in ["app", "app:latest"] {
        let name = tag(&format!("{text}@{}", old.digest));
        let kept = store.keep(&name, &old, &pulled).unwrap();
        assert!(kept.is_untagged(), "{kept:?}");
        assert!(store.tag(&name, &old, &pulled).is_err());
        assert!(store.keep(&name, &own, &pulled).is_err(), "it is another");
    }
    assert_eq!(store.log(&tag("app")).unwrap().len(), 1);
    assert_eq!(store.resolve("app").unwrap().descriptor, own);
    store.forget_versions().unwrap();
    drop(store);
    Store::sweep(&root).unwrap().unwrap();
    let store = Store::open(&root).unwrap();
    let named = format!("app@{}", old.digest);
    for text in [&*named, &old.digest.hex()[..12]] {
        let found = store.resolve(text).unwrap();
        assert_eq!(found.descriptor, old, "{text}");
        assert_eq!(found.provenance.unwrap().origin, Origin::Pulled);
        store.image(&old, &Platform::host()).unwrap();
    }
    assert!(store.resolve(&format!("other@{}", old.digest)).is_err());
    assert_eq!(store.untagged().unwrap().len(), 1, "it is held once");
    store.release(&tag(&named), &[old.digest]).unwrap();
    drop(store);
    assert_eq!(Store::sweep(&root).unwrap().unwrap().blobs, 3);
}

#[test]
fn a_blob_that_is_not_what_was_promised_is_gone() {
    with_store(|_, store| {
        let promised = Descriptor::of(MediaType::Config, b"what was promised");
        for lie in ["what was PROMISED", "longer than was promised"] {
            let mut writer = store.new_blob(Algorithm::Sha256).unwrap();
            writer.write_all(lie.as_bytes()).unwrap();
            assert!(writer.finish_as(&promised).is_err(), "{lie}");
        }
        assert!(!store.has(&promised));
        assert_eq!(fs::read_dir(store.ingest()).unwrap().count(), 0);
        let mut writer = store.new_blob(Algorithm::Sha256).unwrap();
        writer.write_all(b"what was promised").unwrap();
        writer.finish_as(&promised).unwrap();
        assert!(store.has(&promised));
    });
}

#[test]
fn a_blob_that_was_cut_short_or_changed_is_not_used() {
    with_store(|_, store| {
        let image = made(store, "app", "content").descriptor;
        let path = store.blob_path(&image.digest);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = store.read_manifest(&image, "app").unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        fs::write(&path, " ".repeat(whole.len())).unwrap();
        let error = store.read_manifest(&image, "app").unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        // Putting it again mends it.
        fs::write(&path, "").unwrap();
        image_of(store, "content");
        store.read_manifest(&image, "app").unwrap();
    });
}

#[test]
fn a_sweep_removes_what_no_version_leads_to_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("images");
    let store = Store::open(&root).unwrap();
    made(&store, "app", "one");
    made(&store, "app", "two");
    made(&store, "gone", "three");
    let pinned = Digest::of(b"pinned");
    for diff_id in [&Digest::of(b"one"), &Digest::of(b"three"), &pinned] {
        let closed = store.layer_path(diff_id, Owners::Single).join("fs/closed");
        fs::create_dir_all(&closed).unwrap();
        fs::write(closed.join("file"), "x").unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
    }
    let pin = store.pin([&pinned]).unwrap();
    store.untag(&tag("gone")).unwrap();
    assert_eq!(Store::sweep(&root).unwrap(), None, "it is in use");
    let usage = store.usage().unwrap();
    let before = du(&root);
    assert!(usage.garbage > 0);
    assert_eq!(usage.bytes(), before);
    drop(store);

    let swept = Store::sweep(&root).unwrap().unwrap();
    assert_eq!((swept.blobs, swept.layers), (3, 1));
    assert_eq!(before - du(&root), swept.bytes);
    drop(pin);
    assert_eq!(Store::sweep(&root).unwrap().unwrap().layers, 1);
    let store = Store::open(&root).unwrap();
    let usage = store.usage().unwrap();
    assert_eq!((usage.garbage, usage.bytes()), (0, du(&root)));
    assert_eq!(store.all_layers().len(), 1);
    for name in ["app@1", "app@2"] {
        let version = store.resolve(name).unwrap();
        store.image(&version.descriptor, &Platform::host()).unwrap();
    }
}

#[test]
fn nothing_is_forgotten_while_somebody_uses_the_store() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("images");
    let store = Store::open(&root).unwrap();
    made(&store, "app", "one");
    made(&store, "app", "two");
    let cache = store.cache_directory("id", |_| Ok::<_, Error>(())).unwrap();
    let forget = |store: &Store| {
        store.forget_caches();
        store.forget_versions().map(drop)
    };
    assert_eq!(Store::sweep_after(&root, forget).unwrap(), None);
    assert_eq!(store.log(&tag("app")).unwrap().len(), 2);
    assert!(cache.exists());
    drop(store);
    let swept = Store::sweep_after(&root, forget).unwrap().unwrap();
    assert_eq!((swept.blobs, cache.exists()), (3, false));
}

#[test]
fn what_a_killed_process_left_is_cleared_and_what_a_living_one_writes_is_not() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let living = store.new_blob(Algorithm::Sha256).unwrap();
    for name in [".new-1-0", ".old-layer/fs/closed"] {
        fs::create_dir_all(store.ingest().join(name)).unwrap();
    }
    fs::write(store.ingest().join(".new-1-1"), "half").unwrap();
    let opened = Store::open(place.path()).unwrap();
    assert_eq!(fs::read_dir(opened.ingest()).unwrap().count(), 1);
    drop(living);
    assert_eq!(fs::read_dir(opened.ingest()).unwrap().count(), 0);
}

#[test]
fn many_commands_at_once_lose_no_tag() {
    let place = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let root = place.path();
            scope.spawn(move || {
                for turn in 0..10 {
                    let store = Store::open(root).unwrap();
                    made(&store, "shared", &format!("{writer} {turn}"));
                    made(&store, &format!("own{writer}"), &format!("{turn}"));
                }
            });
        }
    });
    let store = Store::open(place.path()).unwrap();
    let numbers: Vec<_> = store.log(&tag("shared")).unwrap();
    let numbers: Vec<_> = numbers.iter().map(|version| version.number).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
    for writer in 0..8 {
        assert_eq!(store.log(&tag(&format!("own{writer}"))).unwrap().len(), 10);
    }
}

#[test]
fn an_index_that_is_none_is_an_error_and_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let image = image_of(&store, "x");
    let index = place.path().join("index.json");
    fs::write(&index, "{").unwrap();
    let provenance = Provenance::now(Origin::Built);
    assert!(store.tag(&tag("app"), &image, &provenance).is_err());
    assert_eq!(fs::read(&index).unwrap(), b"{");
    drop(store);
    assert!(Store::sweep(place.path()).is_err());
    let store = Store::open(place.path()).unwrap();
    assert_eq!(store.all_blobs().len(), 3, "nothing was swept");
    fs::write(
        place.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"9"}"#,
    )
    .unwrap();
    assert!(Store::open(place.path()).is_err());
}

#[test]
fn another_tools_names_are_names() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let mut entry = image_of(&store, "x");
    let key = index::REF_NAME.to_owned();
    entry.annotations.insert(key, "app:v1".to_owned());
    let added = store.change_entries(|entries| {
        entries.push(entry.clone());
        Ok(())
    });
    added.unwrap();
    assert_eq!(
        store.resolve("app:v1").unwrap().descriptor.digest,
        entry.digest
    );
    assert_eq!(made(&store, "app:v1", "y").number, 2);
}

/// An image of one layer, unpackable.
fn real_image(store: &Store, content: &str) -> Image {
    let mut tree = crate::bootstrap::Tree::skeleton();
    let file = crate::bootstrap::Node::File(content.into(), 0o644);
    tree.put("file", file);
    let about = crate::bootstrap::About::default();
    let target = crate::bootstrap::of_tree(store, &tree, &about).unwrap();
    store.image(&target, &Platform::host()).unwrap()
}

#[test]
fn a_layer_is_unpacked_once_and_whole() {
    with_store(|_, store| {
        let image = real_image(store, "content");
        let layers = store.layers_of(&image, Owners::Single).unwrap();
        assert_eq!(fs::read(layers[0].path.join("file")).unwrap(), b"content");
        assert!(layers[0].facts.entries > 5);
        fs::write(layers[0].path.join("mark"), "").unwrap();
        assert_eq!(store.layers_of(&image, Owners::Single).unwrap(), layers);
        assert!(
            layers[0].path.join("mark").exists(),
            "it was not unpacked again"
        );
        assert_eq!(fs::read_dir(store.ingest()).unwrap().count(), 0);
    });
}

#[test]
fn a_layer_that_was_not_whole_on_the_disk_is_replaced() {
    with_store(|root, store| {
        let image = real_image(store, "content");
        let layer = store.layers_of(&image, Owners::Single).unwrap().remove(0);
        let told = layer.path.with_file_name("layer.json");
        let file = layer.path.join("file");
        for is_there in [false, true] {
            fs::write(&file, "").unwrap();
            fs::remove_file(&told).unwrap();
            if is_there {
                fs::write(&told, "").unwrap();
            }
            let again = store.layers_of(&image, Owners::Single).unwrap();
            assert_eq!(again[0], layer);
            assert_eq!(fs::read(&file).unwrap(), b"content");
            let (_, diff_id) = image.layers().next().unwrap();
            assert!(store.unpacked(diff_id, Owners::Single).is_some());
            assert_eq!(fs::read_dir(root.join("ingest")).unwrap().count(), 0);
        }
    });
}

#[test]
fn a_layer_that_streams_in_is_unpacked_or_not_there() {
    with_store(|_, one| {
        let image = real_image(one, "content");
        let (blob, diff_id) = image.layers().next().unwrap();
        let bytes = fs::read(one.blob_path(&blob.digest)).unwrap();
        let last = bytes.len() - 1;
        let other = Digest::of(b"other");
        with_store(|_, store| {
            let take = |diff_id, stream: &[u8]| {
                let taken = store.take_layer(blob, diff_id, Owners::Single, stream);
                assert_eq!(fs::read_dir(store.ingest()).unwrap().count(), 0);
                taken
            };
            take(diff_id, &bytes[..last]).unwrap_err();
            take(&other, &bytes).unwrap_err();
            // Whoever keeps the bytes says at their end that they are a lie.
            let lie = io::Error::other("a lie");
            let stream = io::Read::chain(&bytes[..], Failing(Some(lie)));
            let taken = store.take_layer(blob, diff_id, Owners::Single, stream);
            assert!(matches!(taken, Err(Error::Read { .. })), "{taken:?}");
            assert_eq!(store.all_layers().len(), 0);
            take(diff_id, &bytes).unwrap();
            let layer = store.unpacked(diff_id, Owners::Single).unwrap();
            assert_eq!(fs::read(layer.path.join("file")).unwrap(), b"content");
            assert!(!store.has(blob), "somebody else keeps it");
        });
    });
}

/// Fails where it is read.
struct Failing(Option<io::Error>);

impl io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[test]
fn nothing_is_swept_while_a_manifest_cannot_be_read() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    let image = made(&store, "app", "content").descriptor;
    let path = store.blob_path(&image.digest);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, " ".repeat(whole.len())).unwrap();
    drop(store);
    assert!(Store::sweep(place.path()).is_err(), "it may lead anywhere");
    fs::write(&path, whole).unwrap();
    let store = Store::open(place.path()).unwrap();
    assert_eq!(store.all_blobs().len(), 3);
}
