//! Layers that are unpacked while they come, from registries that break off, lie or are
//! still sending when the process is killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use isolab_engine::image::Manifest;
use isolab_engine::store::{Image, Owners};

use super::*;

/// What is told to a process of ours that is to be killed: a store, and a name.
const VARIABLE: &str = "ISOLAB_TEST_PULLS";

fn pull(liar: &Liar, store: &Store) -> Result<Pulled, Error> {
    let (reference, host) = (liar.reference(), Platform::host());
    client().pull_unpacked(&reference, &host, store, Owners::Single, &())
}

/// The names below a directory of the store.
fn names(store: &Store, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(store.root().join(directory));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// Whether the layer lies there as the tar crate reads it, and nothing else is left.
#[track_caller]
fn assert_whole(store: &Store, truth: &Truth) {
    let packed = truth.bytes(&truth.layer);
    let blob = fs::read(store.blob_path(&truth.layer.digest)).unwrap();
    assert!(blob == packed, "the blob is another");
    let image = store.image(&truth.target, &Platform::host()).unwrap();
    let diff_id = &image.config.rootfs.diff_ids[0];
    let layer = store.unpacked(diff_id, Owners::Single).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut count = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let found = fs::read(layer.path.join(entry.path().unwrap())).unwrap();
        assert!(found == content, "{:?}", entry.path());
        count += 1;
    }
    assert!(count > 0);
    assert_eq!(names(store, "ingest"), [""; 0]);
}

#[track_caller]
fn assert_nothing(store: &Store, truth: &Truth) {
    assert!(!store.has(&truth.layer));
    assert_eq!(names(store, "layers/single"), [""; 0]);
}

pub(super) fn goes_on() {
    let (liar, truth) = lying_about_the_layer(3 << 20, |truth, asked, stream| {
        match asked.headers.contains_key("range") {
            true => truth.tell(asked, stream),
            false => truth.cut(stream, 2 << 20),
        }
    });
    let there = place();
    let pulled = pull(&liar, &there.store).unwrap();
    assert_whole(&there.store, &truth);
    let layer = pulled.blobs.iter().find(|it| it.descriptor == truth.layer);
    assert_eq!(layer.unwrap().moved, truth.layer.size, "no byte came twice");
    assert_eq!(liar.header("range"), [format!("bytes={}-", 2 << 20)]);
}

pub(super) fn tampered() {
    let lies: [fn(&mut [u8]); 3] = [
        |bytes| bytes[400_000] ^= 1,
        |bytes| bytes[bytes.len() - 1] ^= 1,
        // The system that packed it, as gzip's header has it: it unpacks as it should.
        |bytes| bytes[9] ^= 1,
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (liar, truth) = lying_about_the_layer(900_000, move |truth, _, stream| {
            let mut bytes = truth.bytes(&truth.layer).to_vec();
            lie(&mut bytes);
            reply(stream, "200 OK", "", &bytes);
        });
        let there = place();
        let error = pull(&liar, &there.store).unwrap_err();
        assert!(
            matches!(error, Error::Untrusted { .. }),
            "{number}: {error}"
        );
        says(&error, &[&truth.layer.digest.to_string(), "has the digest"]);
        assert_nothing(&there.store, &truth);
        assert_eq!(names(&there.store, "ingest"), [""; 0], "{number}");
    }
}

pub(super) fn another_content() {
    let place = place();
    let known = place
        .store
        .image(&image(&place.store, &[1], 300_000), &Platform::host());
    let Image {
        config, manifest, ..
    } = known.unwrap();
    let mut config = config;
    config.rootfs.diff_ids = vec![Digest::of(b"another")];
    let config = place.store.put_json(MediaType::Config, &config).unwrap();
    let manifest = Manifest::new(config, manifest.layers);
    let target = place
        .store
        .put_json(MediaType::Manifest, &manifest)
        .unwrap();
    let truth = Truth::of(place, target);
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |asked, stream| told.tell(asked, stream));
    let there = super::place();
    let error = pull(&liar, &there.store).unwrap_err();
    says(&error, &["it unpacks to", Digest::of(b"another").hex()]);
    assert_eq!(names(&there.store, "layers/single"), [""; 0]);
    assert_eq!(names(&there.store, "ingest"), [""; 0]);
}

pub(super) fn next_command() {
    let (truth, there) = (Truth::new(900_000), place());
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |asked, stream| match told.is_layer(asked) {
        true if asked.headers.contains_key("range") => reply(stream, "404 Not Found", "", b""),
        true => told.cut(stream, 500_000),
        false => told.tell(asked, stream),
    });
    pull(&liar, &there.store).unwrap_err();
    assert_nothing(&there.store, &truth);
    goes_on_honestly(&there.store, &truth, 500_000);
}

/// Pulls from a registry that tells the truth, which has to be asked for the rest only.
#[track_caller]
fn goes_on_honestly(store: &Store, truth: &Arc<Truth>, had: u64) {
    let told = Arc::clone(truth);
    let honest = Liar::start(move |asked, stream| told.tell(asked, stream));
    let pulled = pull(&honest, store).unwrap();
    let layer = pulled.blobs.iter().find(|it| it.descriptor == truth.layer);
    assert_eq!(layer.unwrap().fate, Fate::Resumed { had });
    assert_eq!(honest.header("range"), [format!("bytes={had}-")]);
    assert_whole(store, truth);
}

pub(super) fn killed() {
    const SENT: usize = 2 << 20;
    let (liar, truth) = lying_about_the_layer(3 << 20, |truth, _, stream| {
        truth.cut(stream, SENT);
        thread::sleep(Duration::from_secs(20));
    });
    let there = place();
    let root = there.store.root().to_owned();
    drop(there.store);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(VARIABLE, format!("{} {}", root.display(), liar.reference()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let unpacking = until_unpacking(&root, SENT, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(unpacking, "it did not begin to unpack");
    let store = Store::open(&root).unwrap();
    assert_nothing(&store, &truth);
    let left = names(&store, "ingest");
    assert!(
        left.len() == 1 && left[0].starts_with(".part-"),
        "only what can be gone on with stays: {left:?}"
    );
    goes_on_honestly(&store, &truth, SENT as u64);
}

/// Waits until all has arrived that is sent, and a file of the layer is there.
fn until_unpacking(root: &Path, sent: usize, child: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SOON && matches!(child.try_wait(), Ok(None)) {
        let entries = fs::read_dir(root.join("ingest")).unwrap().flatten();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        let arrived = |path: &PathBuf| path.metadata().is_ok_and(|it| it.len() == sent as u64);
        let begun = |path: &PathBuf| path.join("fs/file-1").exists();
        if paths.iter().any(arrived) && paths.iter().any(begun) {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// The pull that is killed, where this process is that.
pub(crate) fn inside() -> Option<ExitCode> {
    let told = std::env::var(VARIABLE).ok()?;
    let (root, reference) = told.split_once(' ')?;
    let store = Store::open(Path::new(root)).unwrap();
    let (reference, host) = (name(reference), Platform::host());
    let pulled = client().pull_unpacked(&reference, &host, &store, Owners::Single, &());
    Some(match pulled {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}
