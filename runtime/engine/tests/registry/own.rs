//! Our server, asked by hand and by our own client.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use isolab_engine::image::{
    Algorithm, Descriptor, Digest, Hasher, Index, Manifest, MediaType, Platform,
};
use isolab_engine::registry::{Serving, serve};
use isolab_engine::store::Store;
use libtest_mimic::Trial;

use super::images::{client, image, name, place, tag};
use super::peers::own;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        own("our_client_and_our_server_agree", both_ours),
        own("local_images_are_served_as_they_are", as_they_are),
        own("a_blob_is_read_whole_in_part_and_not_beyond", reading),
        own(
            "an_upload_is_taken_whole_in_chunks_and_only_in_order",
            uploading,
        ),
        own(
            "a_blob_is_mounted_from_a_repository_that_has_it_only",
            mounting,
        ),
        own("sha512_is_a_digest_too", sha512),
        own("a_manifest_is_kept_byte_for_byte_with_its_type", manifests),
        own(
            "what_lacks_a_blob_or_lies_about_itself_is_no_manifest",
            refused_manifests,
        ),
        own("tags_and_repositories_are_listed_page_by_page", listing),
        own("referrers_are_listed_by_type", referrers),
        own(
            "a_deletion_respects_tags_indexes_and_other_repositories",
            deleting,
        ),
        own(
            "what_is_pushed_by_digest_survives_a_sweep_until_it_is_deleted",
            untagged,
        ),
        own("other_machines_and_pages_of_a_browser_only_read", read_only),
        own("a_hostile_request_gets_an_answer_and_no_file", hostile),
        own("a_slow_client_is_closed_and_others_are_served", slow),
        own("a_stop_lets_what_is_under_way_end", stopping),
    ]
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

fn both_ours() {
    let (ours, here, there) = (Ours::start(), place(), place());
    let target = image(&here.store, &[1, 2], 3 << 20);
    let push = |text: &str, target: &Descriptor| {
        client()
            .push(&here.store, target, &ours.name(text), &())
            .unwrap()
    };
    let first = push("team/app:v1", &target);
    assert_eq!((first.skipped, first.mounted), (0, 0));
    let host = Platform::host();
    let pulled = client()
        .pull(&ours.name("team/app:v1"), &host, &there.store, &())
        .unwrap();
    assert_eq!((&pulled.target, pulled.fetched), (&target, first.sent));
    let uploads = ours.count("POST");
    let second = push("team/app:v2", &image(&here.store, &[1, 3], 3 << 20));
    assert_eq!(
        ours.count("POST") - uploads,
        2,
        "a layer and a configuration"
    );
    assert!(second.skipped > 2 << 20);
    let bytes = ours.count("PATCH") + ours.count("PUT /v2/other/blobs");
    let other = push("other:v1", &target);
    assert_eq!((other.sent, other.mounted), (0, first.sent));
    assert_eq!(
        ours.count("PATCH") + ours.count("PUT /v2/other/blobs"),
        bytes
    );
    assert_eq!(client().tags(&ours.name("team/app")).unwrap(), ["v1", "v2"]);
    assert_eq!(
        client().catalog(&ours.address).unwrap(),
        ["other", "team/app"]
    );
    let log = ours.store.log(&name("team/app:v1")).unwrap();
    let provenance = log[0].provenance.as_ref().unwrap();
    assert_eq!(provenance.origin, isolab_engine::store::Origin::Pushed);
}

fn as_they_are() {
    let (ours, there) = (Ours::start(), place());
    let target = image(&ours.store, &[4], 1000);
    for text in ["app:v1", "me/tool:latest", "a.example/x:v2"] {
        tag(&ours.store, text, &target);
        let pulled = client().pull(&ours.name(text), &Platform::host(), &there.store, &());
        assert_eq!(pulled.unwrap().target, target, "{text}");
    }
    // What has a port in its name cannot be named by a path.
    tag(&ours.store, "localhost:5000/y", &target);
    let listed = client().catalog(&ours.address).unwrap();
    assert_eq!(listed, ["a.example/x", "app", "me/tool"]);
}

fn reading() {
    let ours = Ours::start();
    let digest = ours.put_blob("a/b", b"0123456789");
    let path = format!("/v2/a/b/blobs/{digest}");
    let get = |range: &str| ours.ask("GET", &path, &[("range", range)], b"");
    let whole = ours.ask("GET", &path, &[], b"").is(200);
    assert_eq!(whole.body, b"0123456789");
    assert_eq!(whole.header("docker-content-digest"), digest.to_string());
    let head = ours.ask("HEAD", &path, &[], b"").is(200);
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        ("10".to_owned(), 0)
    );
    let part = get("bytes=3-5").is(206);
    assert_eq!(part.body, b"345");
    assert_eq!(part.header("content-range"), "bytes 3-5/10");
    assert_eq!(get("bytes=8-").is(206).body, b"89");
    assert_eq!(get("bytes=-1").is(206).body, b"9");
    assert_eq!(
        get("bytes=10-").is(416).header("content-range"),
        "bytes */10"
    );
    let other = path.replace("a/b", "other");
    ours.ask("GET", &other, &[], b"").fails(404, "BLOB_UNKNOWN");
    ours.ask("HEAD", &other, &[], b"").is(404);
    ours.ask("GET", "/v2/", &[], b"").is(200);
}

fn uploading() {
    let ours = Ours::start();
    let begin = || {
        ours.ask("POST", "/v2/a/blobs/uploads/", &[], b"")
            .is(202)
            .header("location")
    };
    let digest = Digest::of(b"0123456789");
    // Whole, in the second request.
    let place = begin();
    let put = ours
        .ask(
            "PUT",
            &format!("{place}?digest={digest}"),
            &[],
            b"0123456789",
        )
        .is(201);
    assert_eq!(put.header("location"), format!("/v2/a/blobs/{digest}"));
    // In chunks, which have an order.
    let place = begin();
    let patch =
        |range: &str, bytes: &[u8]| ours.ask("PATCH", &place, &[("content-range", range)], bytes);
    assert_eq!(patch("0-3", b"0123").is(202).header("range"), "0-3");
    let early = patch("6-9", b"6789");
    assert_eq!(early.header("range"), "0-3");
    early.fails(416, "BLOB_UPLOAD_INVALID");
    patch("0-3", b"0123").fails(416, "BLOB_UPLOAD_INVALID");
    patch("4-9", b"45").fails(416, "BLOB_UPLOAD_INVALID");
    patch("nonsense", b"45").fails(416, "BLOB_UPLOAD_INVALID");
    let state = ours.ask("GET", &place, &[], b"").is(204);
    assert_eq!(state.header("range"), "0-3");
    assert_eq!(patch("4-6", b"456").is(202).header("range"), "0-6");
    ours.ask(
        "PUT",
        &format!("{place}?digest={digest}"),
        &[("content-range", "7-9")],
        b"789",
    )
    .is(201);
    ours.ask("GET", &place, &[], b"")
        .fails(404, "BLOB_UPLOAD_UNKNOWN");
    // One stream without a range, as docker sends it.
    let place = begin();
    ours.ask("PATCH", &place, &[], b"0123456789").is(202);
    let wrong = Digest::of(b"other");
    ours.ask("PUT", &format!("{place}?digest={wrong}"), &[], b"")
        .fails(400, "DIGEST_INVALID");
    assert!(ours.store.blob_bytes(&wrong).is_none());
    // Given up.
    let place = begin();
    let elsewhere = place.replace("/v2/a/", "/v2/b/");
    ours.ask("DELETE", &elsewhere, &[], b"")
        .fails(404, "BLOB_UPLOAD_UNKNOWN");
    ours.ask("DELETE", &place, &[], b"").is(204);
    ours.ask("GET", &place, &[], b"")
        .fails(404, "BLOB_UPLOAD_UNKNOWN");
    let ingest = ours.store.root().join("ingest");
    assert_eq!(std::fs::read_dir(ingest).unwrap().count(), 0);
    let bad = ours.ask("POST", "/v2/a/blobs/uploads/?digest=sha256:12", &[], b"");
    bad.fails(400, "DIGEST_INVALID");
}

fn mounting() {
    let ours = Ours::start();
    let digest = ours.put_blob("a", b"shared");
    let mount = |to: &str, from: &str| {
        let path = format!("/v2/{to}/blobs/uploads/?mount={digest}&from={from}");
        ours.ask("POST", &path, &[], b"")
    };
    assert_eq!(
        mount("b", "a").is(201).header("location"),
        format!("/v2/b/blobs/{digest}")
    );
    let blob = |repository: &str| {
        ours.ask(
            "HEAD",
            &format!("/v2/{repository}/blobs/{digest}"),
            &[],
            b"",
        )
    };
    blob("b").is(200);
    // Who has it not gives none: an upload begins.
    mount("c", "nobody").is(202).header("docker-upload-uuid");
    blob("c").is(404);
}

fn sha512() {
    let ours = Ours::start();
    let digest = |bytes: &[u8]| {
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(bytes);
        hasher.finish()
    };
    let (config, layer) = (digest(b"{}"), digest(b"layer"));
    for (digest, bytes) in [(&config, &b"{}"[..]), (&layer, b"layer")] {
        let path = format!("/v2/a/blobs/uploads/?digest={digest}");
        ours.ask("POST", &path, &[], bytes).is(201);
    }
    let manifest = Manifest::new(
        Descriptor::new(MediaType::Config, config, 2),
        vec![Descriptor::new(
            MediaType::of("text/plain"),
            layer.clone(),
            5,
        )],
    );
    let text = serde_json::to_vec(&manifest).unwrap();
    let path = format!("/v2/a/manifests/{}", digest(&text));
    ours.ask("PUT", &path, &[("content-type", MANIFEST)], &text)
        .is(201);
    assert_eq!(ours.ask("GET", &path, &[], b"").is(200).body, text);
    let path = format!("/v2/a/blobs/{layer}");
    assert_eq!(ours.ask("GET", &path, &[], b"").is(200).body, b"layer");
    let wrong = format!("/v2/a/blobs/uploads/?digest={}", digest(b"x"));
    ours.ask("POST", &wrong, &[], b"y")
        .fails(400, "DIGEST_INVALID");
    let there = place();
    let by_digest = ours.name("a").with_digest(digest(&text));
    let pulled = client()
        .pull(&by_digest, &Platform::host(), &there.store, &())
        .unwrap();
    assert_eq!(pulled.target.digest, digest(&text));
}

fn manifests() {
    let ours = Ours::start();
    let text = ours.put_manifest("a/b", "v1", "x");
    let digest = Digest::of(&text);
    for which in ["v1", &digest.to_string()] {
        let path = format!("/v2/a/b/manifests/{which}");
        let got = ours.ask("GET", &path, &[], b"").is(200);
        assert_eq!(
            (got.header("content-type"), &got.body),
            (MANIFEST.to_owned(), &text)
        );
        assert_eq!(got.header("docker-content-digest"), digest.to_string());
        let head = ours.ask("HEAD", &path, &[], b"").is(200);
        assert_eq!(head.header("content-length"), text.len().to_string());
    }
    // Docker's type, and spaces that nobody else would write.
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let spaced = String::from_utf8(text).unwrap().replace(MANIFEST, docker) + " \n";
    ours.ask(
        "PUT",
        "/v2/a/b/manifests/v1",
        &[("content-type", docker)],
        spaced.as_bytes(),
    )
    .is(201);
    let got = ours.ask("GET", "/v2/a/b/manifests/v1", &[], b"").is(200);
    assert_eq!(
        (got.header("content-type"), got.body),
        (docker.to_owned(), spaced.into_bytes())
    );
    // What the tag stood for before is still there.
    ours.ask("HEAD", &format!("/v2/a/b/manifests/{digest}"), &[], b"")
        .is(200);
    ours.ask("GET", "/v2/a/b/manifests/v9", &[], b"")
        .fails(404, "MANIFEST_UNKNOWN");
    ours.ask("GET", "/v2/nobody/manifests/v9", &[], b"")
        .fails(404, "NAME_UNKNOWN");
}

fn refused_manifests() {
    let ours = Ours::start();
    let text = ours.put_manifest("a", "v1", "x");
    let put = |path: &str, kind: &str, bytes: &[u8]| {
        ours.ask("PUT", path, &[("content-type", kind)], bytes)
    };
    put("/v2/b/manifests/v1", MANIFEST, &text).fails(404, "MANIFEST_BLOB_UNKNOWN");
    put("/v2/a/manifests/v2", MANIFEST, b"<html>").fails(400, "MANIFEST_INVALID");
    put("/v2/a/manifests/v2", INDEX, &text).fails(400, "MANIFEST_INVALID");
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    put("/v2/a/manifests/v2", docker, &text).fails(400, "MANIFEST_INVALID");
    let other = format!("/v2/a/manifests/{}", Digest::of(b"other"));
    put(&other, MANIFEST, &text).fails(400, "DIGEST_INVALID");
    let long = vec![b' '; (4 << 20) + 1];
    put("/v2/a/manifests/v2", MANIFEST, &long).fails(413, "SIZE_INVALID");
    let missing = Index::new(vec![Descriptor::of(MediaType::Manifest, b"not here")]);
    let missing = serde_json::to_vec(&missing).unwrap();
    put("/v2/a/manifests/v2", INDEX, &missing).fails(404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(
        ours.ask("GET", "/v2/a/tags/list", &[], b"").json()["tags"],
        serde_json::json!(["v1"])
    );
}

fn listing() {
    let ours = Ours::start();
    for which in ["v1", "v2", "v3"] {
        ours.put_manifest("a", which, "x");
        ours.put_manifest(&format!("team/{which}"), "latest", "x");
    }
    let list = |path: &str| {
        let answer = ours.ask("GET", path, &[], b"").is(200);
        let next = answer.head.contains("rel=\"next\"").then(|| {
            let link = answer.header("link");
            link[1..link.find('>').unwrap()].to_owned()
        });
        (answer.json(), next)
    };
    let (all, next) = list("/v2/a/tags/list");
    assert_eq!(
        (&all["tags"], next),
        (&serde_json::json!(["v1", "v2", "v3"]), None)
    );
    let (first, next) = list("/v2/a/tags/list?n=2");
    assert_eq!(first["tags"], serde_json::json!(["v1", "v2"]));
    let (rest, end) = list(&next.unwrap());
    assert_eq!((&rest["tags"], end), (&serde_json::json!(["v3"]), None));
    let (none, _) = list("/v2/a/tags/list?n=0");
    assert_eq!(none["tags"], serde_json::json!([]));
    let (after, _) = list("/v2/a/tags/list?last=v1");
    assert_eq!(after["tags"], serde_json::json!(["v2", "v3"]));
    ours.ask("GET", "/v2/a/tags/list?n=x", &[], b"").is(400);
    ours.ask("GET", "/v2/nobody/tags/list", &[], b"")
        .fails(404, "NAME_UNKNOWN");
    let (first, next) = list("/v2/_catalog?n=3");
    assert_eq!(
        first["repositories"],
        serde_json::json!(["a", "team/v1", "team/v2"])
    );
    assert_eq!(
        list(&next.unwrap()).0["repositories"],
        serde_json::json!(["team/v3"])
    );
}

fn referrers() {
    let ours = Ours::start();
    let subject = ours.put_manifest("a", "v1", "x");
    let subject = Descriptor::of(MediaType::Manifest, &subject);
    ours.put_blob("a", b"{}");
    let mut digests = Vec::new();
    for kind in ["x/signature", "x/parts"] {
        let mut manifest = Manifest::new(Descriptor::of(MediaType::Empty, b"{}"), Vec::new());
        manifest.artifact_type = Some(kind.to_owned());
        manifest.subject = Some(subject.clone());
        manifest.annotations.insert("k".to_owned(), kind.to_owned());
        let text = serde_json::to_vec(&manifest).unwrap();
        let path = format!("/v2/a/manifests/{}", Digest::of(&text));
        let put = ours
            .ask("PUT", &path, &[("content-type", MANIFEST)], &text)
            .is(201);
        assert_eq!(put.header("oci-subject"), subject.digest.to_string());
        digests.push(Digest::of(&text));
    }
    let reference = ours.name("a:v1");
    let all = client()
        .referrers(&reference, &subject.digest, None)
        .unwrap();
    assert_eq!(all.len(), 2);
    let path = format!(
        "/v2/a/referrers/{}?artifactType=x/signature",
        subject.digest
    );
    let one = ours.ask("GET", &path, &[], b"").is(200);
    assert_eq!(one.header("oci-filters-applied"), "artifactType");
    assert_eq!(one.header("content-type"), INDEX);
    let one = one.json();
    assert_eq!(one["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(one["manifests"][0]["digest"], digests[0].to_string());
    assert_eq!(one["manifests"][0]["annotations"]["k"], "x/signature");
    let none = format!("/v2/a/referrers/{}", Digest::of(b"nothing"));
    assert_eq!(
        ours.ask("GET", &none, &[], b"").is(200).json()["manifests"],
        serde_json::json!([])
    );
    ours.ask("GET", "/v2/a/referrers/nonsense", &[], b"")
        .fails(400, "DIGEST_INVALID");
    // What refers to what is not here yet is taken.
    let other = format!("/v2/b/referrers/{}", subject.digest);
    assert_eq!(
        ours.ask("GET", &other, &[], b"").is(200).json()["manifests"],
        serde_json::json!([])
    );
}

fn deleting() {
    let ours = Ours::start();
    let text = ours.put_manifest("a", "v1", "x");
    ours.put_manifest("a", "v2", "x");
    ours.put_manifest("b", "v1", "x");
    let digest = Digest::of(&text);
    let ask = |method: &str, path: &str| ours.ask(method, path, &[], b"");
    let layer = Digest::of(b"layer x");
    ask("DELETE", &format!("/v2/a/blobs/{layer}")).fails(405, "UNSUPPORTED");
    ask("DELETE", "/v2/a/manifests/v1").is(202);
    ask("GET", "/v2/a/manifests/v1").fails(404, "MANIFEST_UNKNOWN");
    ask("DELETE", "/v2/a/manifests/v1").fails(404, "MANIFEST_UNKNOWN");
    ask("GET", "/v2/a/manifests/v2").is(200);
    ask("DELETE", &format!("/v2/a/manifests/{digest}")).is(202);
    ask("GET", &format!("/v2/a/manifests/{digest}")).is(404);
    ask("GET", "/v2/a/manifests/v2").is(404);
    // The other repository keeps everything.
    ask("GET", "/v2/b/manifests/v1").is(200);
    ask("GET", &format!("/v2/b/blobs/{layer}")).is(200);
    let lone = ours.put_blob("a", b"lone");
    ours.put_blob("b", b"lone");
    ask("DELETE", &format!("/v2/a/blobs/{lone}")).is(202);
    ask("GET", &format!("/v2/a/blobs/{lone}")).fails(404, "BLOB_UNKNOWN");
    ask("DELETE", &format!("/v2/a/blobs/{lone}")).fails(404, "BLOB_UNKNOWN");
    ask("GET", &format!("/v2/b/blobs/{lone}")).is(200);
    // What an index lists goes with it.
    let child = ours.put_manifest("a", "", "y");
    let child = Descriptor::of(MediaType::Manifest, &child);
    let index = serde_json::to_vec(&Index::new(vec![child.clone()])).unwrap();
    ours.ask(
        "PUT",
        "/v2/a/manifests/all",
        &[("content-type", INDEX)],
        &index,
    )
    .is(201);
    ask("DELETE", &format!("/v2/a/manifests/{}", child.digest)).fails(405, "UNSUPPORTED");
    ask("DELETE", &format!("/v2/a/manifests/{}", Digest::of(&index))).is(202);
    ask("GET", &format!("/v2/a/manifests/{}", child.digest)).is(404);
    client().delete(&ours.name("b:v1"), &()).unwrap();
}

fn untagged() {
    let mut ours = Ours::start();
    let text = ours.put_manifest("a", "", "x");
    let digest = Digest::of(&text);
    let path = format!("/v2/a/manifests/{digest}");
    ours.stop.store(true, Ordering::Relaxed);
    ours.thread.take().unwrap().join().unwrap();
    let root = ours.store.root().to_owned();
    let place = tempfile::tempdir().unwrap();
    let before = std::mem::replace(
        &mut ours.store,
        Arc::new(Store::open(&place.path().join("other")).unwrap()),
    );
    drop(before);
    assert_eq!(Store::sweep(&root).unwrap().unwrap().blobs, 0);
    let store = Arc::new(Store::open(&root).unwrap());
    assert!(store.tags().unwrap().is_empty());
    let again = serve_again(&store);
    assert_eq!(ask(&again.0, "GET", &path, &[], b"").is(200).body, text);
    ask(&again.0, "DELETE", &path, &[], b"").is(202);
    again.1.store(true, Ordering::Relaxed);
    again.2.join().unwrap();
    drop(store);
    assert_eq!(Store::sweep(&root).unwrap().unwrap().blobs, 3);
}

fn serve_again(store: &Arc<Store>) -> (String, Arc<AtomicBool>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = Arc::new(AtomicBool::new(false));
    let (serves, stops) = (Arc::clone(store), Arc::clone(&stop));
    let thread = std::thread::spawn(move || {
        serve(&serves, listener, &Serving::default(), &stops).unwrap();
    });
    (address, stop, thread)
}

fn read_only() {
    let ours = Ours::start();
    ours.put_manifest("a", "v1", "x");
    let post = |headers: &[(&str, &str)]| ours.ask("POST", "/v2/a/blobs/uploads/", headers, b"");
    post(&[("origin", "http://evil.example")]).fails(403, "DENIED");
    post(&[("host", "evil.example:5000")]).fails(403, "DENIED");
    let rebound = [("host", "evil.example:5000")];
    ours.ask("GET", "/v2/_catalog", &rebound, b"")
        .fails(403, "DENIED");
    post(&[("host", "localhost:5000")]).is(202);
    // As another machine sees it: over an address that is not loopback's.
    let Some(other) = other_address() else {
        eprintln!("other machines: not tried: this machine has no address but loopback's");
        return;
    };
    let every = Ours::with(|_| {}, "0.0.0.0:0");
    let port = every.address.rsplit(':').next().unwrap().to_owned();
    let near = format!("127.0.0.1:{port}");
    let far = format!("{other}:{port}");
    ask(&near, "POST", "/v2/a/blobs/uploads/", &[], b"").is(202);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        ask(&far, method, "/v2/a/manifests/v1", &[], b"").fails(403, "DENIED");
    }
    ask(&far, "GET", "/v2/_catalog", &[], b"").is(200);
    let open = Ours::with(|serving| serving.allow_push = true, "0.0.0.0:0");
    let port = open.address.rsplit(':').next().unwrap();
    ask(
        &format!("{other}:{port}"),
        "POST",
        "/v2/a/blobs/uploads/",
        &[],
        b"",
    )
    .is(202);
}

/// An address of this machine that is not loopback's; connecting a datagram socket
/// asks for the way and sends nothing.
fn other_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then(|| address.to_string())
}

fn hostile() {
    let ours = Ours::start();
    let secret = ours.directory.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    for path in [
        "/v2/../secret",
        "/v2/a/blobs/sha256:../../../secret",
        "/v2/a/blobs/%2e%2e%2f%2e%2e%2fsecret",
        "/v2/a/manifests/..%2f..%2fsecret",
        "/v2/../../secret/tags/list",
        "/v2/a%00b/tags/list",
        "/secret",
        "/v2/a/blobs/uploads/../../../secret",
    ] {
        for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE"] {
            let answer = ours.ask(method, path, &[], b"");
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path}: {answer:?}"
            );
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret\n"));
        }
    }
    let long = format!("/v2/{}/tags/list", "a/".repeat(40_000));
    let mut stream = TcpStream::connect(&ours.address).unwrap();
    let _ = stream.write_all(format!("GET {long} HTTP/1.1\r\n\r\n").as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    assert!(
        text.is_empty() || text.starts_with(b"HTTP/1.1 4"),
        "no end of the head"
    );
    ours.ask("GET", "/v2/", &[], b"").is(200);
}

fn slow() {
    let quick = |serving: &mut Serving| serving.stall = Duration::from_millis(400);
    let ours = Ours::with(quick, "127.0.0.1:0");
    let until_closed = |begins: &[u8]| {
        let mut stream = TcpStream::connect(&ours.address).unwrap();
        stream.write_all(begins).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let begun = Instant::now();
        let mut text = Vec::new();
        let ended = stream.read_to_end(&mut text);
        assert!(begun.elapsed() < Duration::from_secs(8), "{ended:?}");
        String::from_utf8_lossy(&text).into_owned()
    };
    until_closed(b"GET /v2/ HTTP/1.1\r\nhost: loc");
    let place = ours
        .ask("POST", "/v2/a/blobs/uploads/", &[], b"")
        .is(202)
        .header("location");
    let head =
        format!("PATCH {place} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nabc");
    let said = until_closed(head.as_bytes());
    assert!(said.contains("408"), "{said}");
    let state = ours.ask("GET", &place, &[], b"").is(204);
    assert_eq!(state.header("range"), "0-2", "what came is kept");
    // Who reads nothing of a long answer.
    let digest = ours.put_blob("a", &vec![7; 32 << 20]);
    let mut reader = TcpStream::connect(&ours.address).unwrap();
    let request = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    reader.write_all(request.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    ours.ask("GET", "/v2/", &[], b"").is(200);
    let mut got = Vec::new();
    let _ = reader.read_to_end(&mut got);
    assert!(got.len() < 32 << 20, "it was closed in the middle");
}

fn stopping() {
    let mut ours = Ours::start();
    let digest = Digest::of(&vec![1; 100_000]);
    let mut stream = TcpStream::connect(&ours.address).unwrap();
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![1; 50_000]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    ours.stop.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        TcpStream::connect(&ours.address).is_err(),
        "nobody new is let in"
    );
    stream.write_all(&vec![1; 50_000]).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 201"), "{text}");
    ours.thread.take().unwrap().join().unwrap();
}
