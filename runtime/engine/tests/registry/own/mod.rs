//! Our server, asked by hand and by our own client.

mod blobs;
mod manifests;
mod serving;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use isolab_engine::image::{Descriptor, Digest, Manifest, MediaType};
use isolab_engine::registry::{Serving, serve};
use isolab_engine::store::Store;
use libtest_mimic::Trial;

use super::images::{name, place};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = blobs::trials();
    trials.extend(manifests::trials());
    trials.extend(serving::trials());
    trials
}

/// Our server on a port of its own.
pub(crate) struct Ours {
    pub(crate) address: String,
    pub(crate) store: Arc<Store>,
    pub(crate) directory: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    noted: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ours {
    pub(crate) fn start() -> Self {
        Self::with(|_| {}, "127.0.0.1:0")
    }

    fn with(change: impl FnOnce(&mut Serving), address: &str) -> Self {
        let place = place();
        let (store, directory) = (Arc::new(place.store), place.directory);
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let noted = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&noted);
        let mut serving = Serving {
            stall: Duration::from_secs(5),
            log: Some(Arc::new(move |served| {
                let line = format!("{} {} {}", served.method, served.path, served.status);
                notes.lock().unwrap().push(line);
            })),
            ..Serving::default()
        };
        change(&mut serving);
        let stop = Arc::new(AtomicBool::new(false));
        let (serves, stops) = (Arc::clone(&store), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            serve(&serves, listener, &serving, &stops).unwrap();
        });
        Self {
            address,
            store,
            directory,
            stop,
            noted,
            thread: Some(thread),
        }
    }

    pub(crate) fn name(&self, text: &str) -> isolab_engine::image::Reference {
        name(&format!("{}/{text}", self.address))
    }

    /// How many requests begin so.
    pub(crate) fn count(&self, begins: &str) -> usize {
        let noted = self.noted.lock().unwrap();
        noted.iter().filter(|line| line.starts_with(begins)).count()
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        ask(&self.address, method, path, headers, body)
    }

    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.ask("POST", &path, &[], bytes).is(201);
        digest
    }

    /// A manifest of two small blobs, pushed; gives its bytes.
    pub(crate) fn put_manifest(&self, repository: &str, which: &str, seed: &str) -> Vec<u8> {
        let (config, layer) = (format!("{{\"x\":\"{seed}\"}}"), format!("layer {seed}"));
        self.put_blob(repository, config.as_bytes());
        self.put_blob(repository, layer.as_bytes());
        let config = Descriptor::of(MediaType::Config, config.as_bytes());
        let layer = Descriptor::of(MediaType::of("text/plain"), layer.as_bytes());
        let text = serde_json::to_vec(&Manifest::new(config, vec![layer])).unwrap();
        let which = match which {
            "" => Digest::of(&text).to_string(),
            tag => tag.to_owned(),
        };
        let path = format!("/v2/{repository}/manifests/{which}");
        self.ask("PUT", &path, &[("content-type", MANIFEST)], &text)
            .is(201);
        text
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{}{body}", self.head);
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) {
        let answer = self.is(status);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["errors"][0]["code"], code);
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> String {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found
            .unwrap_or_else(|| panic!("no {name}: {}", self.head))
            .1
            .to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A request by hand, on a connection of its own.
fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let _ = stream.write_all(body);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let end = text.windows(4).position(|part| part == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{method} {path}: {}", String::from_utf8_lossy(&text)));
    let head = String::from_utf8_lossy(&text[..end + 2]).into_owned();
    Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body: text[end + 4..].to_vec(),
    }
}
