//! Images to move: of real layers, so that everybody's programs take them.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use isolab_engine::image::{
    Compression, Config, Descriptor, Manifest, MediaType, Platform, Reference,
};
use isolab_engine::registry::{Client, Fate, Progress, Settings};
use isolab_engine::store::{Origin, Provenance, Store};

/// A store in a directory of its own.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) store: Store,
}

pub(crate) fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("images")).unwrap();
    Place { directory, store }
}

pub(crate) fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

/// A client that knows no credentials and has little patience.
pub(crate) fn client() -> Client {
    Client::new(settings(Path::new("/nowhere")))
}

pub(crate) fn settings(home: &Path) -> Settings {
    let home = home.to_str().unwrap().to_owned();
    let mut settings = Settings::of(|name| (name == "HOME").then(|| home.clone()));
    settings.pause = Duration::from_millis(20);
    settings.stall = Duration::from_secs(5);
    settings
}

/// A gzipped archive of one file with `bytes` of noise that `seed` decides.
fn layer(seed: u64, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    let content: Vec<u8> = noise.take(bytes).collect();
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    let path = format!("file-{seed}");
    archive
        .append_data(&mut header, path, &content[..])
        .unwrap();
    let plain = archive.into_inner().unwrap();
    let level = flate2::Compression::fast();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), level);
    packer.write_all(&plain).unwrap();
    (plain, packer.finish().unwrap())
}

/// An image of one layer for each seed, each of `bytes`.
pub(crate) fn image(store: &Store, seeds: &[u64], bytes: usize) -> Descriptor {
    let mut config = Config::empty(Platform::host());
    let mut layers = Vec::new();
    for &seed in seeds {
        let (plain, packed) = layer(seed, bytes);
        config
            .rootfs
            .diff_ids
            .push(isolab_engine::image::Digest::of(&plain));
        layers.push(
            store
                .put(MediaType::Layer(Compression::Gzip), &packed)
                .unwrap(),
        );
    }
    let config = store.put_json(MediaType::Config, &config).unwrap();
    let manifest = Manifest::new(config, layers);
    store.put_json(MediaType::Manifest, &manifest).unwrap()
}

pub(crate) fn tag(store: &Store, text: &str, target: &Descriptor) {
    let provenance = Provenance::now(Origin::Built);
    store.tag(&name(text), target, &provenance).unwrap();
}

/// Remembers what it is told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) waits: Mutex<Vec<(String, Duration)>>,
    pub(crate) fates: Mutex<Vec<Fate>>,
}

impl Progress for Told {
    fn waits(&self, why: &str, pause: Duration) {
        self.waits.lock().unwrap().push((why.to_owned(), pause));
    }

    fn done(&self, _: &Descriptor, fate: Fate) {
        self.fates.lock().unwrap().push(fate);
    }
}
