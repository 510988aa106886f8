//! A registry that does not do as it should: each lie ends in an error that says
//! so, soon, and the store is as it was.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use isolab_engine::Error;
use isolab_engine::image::{Descriptor, Digest, Index, MediaType, Platform, Reference};
use isolab_engine::registry::{Client, DockerConfig, Fate, Progress, Pulled};
use isolab_engine::store::Store;
use libtest_mimic::Trial;

use super::images::{Place, Told, client, image, name, place, settings};
use super::own::Ours;
use super::peers::own;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        own("a_blob_that_is_another_is_refused", another_blob),
        own("a_manifest_that_is_another_is_refused", another_manifest),
        own(
            "a_blob_that_is_longer_is_refused_before_it_is_read",
            longer_blob,
        ),
        own(
            "of_a_blob_without_end_no_more_is_read_than_was_promised",
            endless_blob,
        ),
        own("a_blob_that_always_breaks_off_is_given_up", shorter_blob),
        own("what_breaks_off_is_gone_on_with", goes_on),
        own(
            "what_breaks_off_is_whole_even_where_ranges_are_not_known",
            no_ranges,
        ),
        own("a_range_that_is_another_is_refused", another_range),
        own(
            "an_interrupted_pull_is_gone_on_with_by_the_next_command",
            next_command,
        ),
        own("what_was_left_damaged_is_fetched_again", damaged_part),
        own("a_registry_that_says_nothing_is_given_up", silence),
        own("a_registry_that_trickles_is_given_up", trickle),
        own("who_a_redirect_leads_to_is_told_nothing", redirected),
        own("redirects_have_an_end", redirected_for_ever),
        own("who_gives_tokens_is_asked_once_for_each_scope", tokens),
        own("a_registry_that_never_lets_in_is_asked_twice", never_in),
        own("a_page_for_people_is_no_manifest", page),
        own("a_manifest_without_end_is_refused", endless_manifest),
        own("an_index_that_leads_on_and_on_is_refused", deep_index),
        own("a_registry_that_is_busy_is_asked_again_when_it_says", busy),
        own(
            "a_registry_that_is_busy_for_an_hour_is_given_up_at_once",
            busy_for_long,
        ),
        own("a_list_that_leads_in_a_circle_ends", circle),
        own("an_upload_that_breaks_off_is_gone_on_with", upload_goes_on),
        own(
            "an_upload_elsewhere_is_sent_no_credentials",
            upload_elsewhere,
        ),
        own(
            "a_layer_is_handed_on_while_it_comes_and_not_believed_before_its_end",
            handed_on,
        ),
        own("an_interrupt_ends_a_pull_soon", interrupt),
    ]
}

/// A request, without its body.
struct Asked {
    line: String,
    headers: HashMap<String, String>,
    /// How many requests this server had before.
    turn: usize,
}

impl Asked {
    fn is(&self, part: &str) -> bool {
        self.line.contains(part)
    }
}

/// A request's line, and its headers.
type Noted = (String, HashMap<String, String>);

/// A server that does as its test says.
struct Liar {
    address: String,
    asked: Arc<Mutex<Vec<Noted>>>,
}

impl Liar {
    fn start(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (notes, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (notes, answer) = (Arc::clone(&notes), Arc::clone(&answer));
                thread::spawn(move || one(stream, &notes, &*answer));
            }
        });
        Self { address, asked }
    }

    fn count(&self, part: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(line, _)| line.contains(part)).count()
    }

    /// The values of a header in all requests.
    fn header(&self, wanted: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let all = asked
            .iter()
            .filter_map(|(_, headers)| headers.get(wanted).cloned());
        all.collect()
    }

    fn reference(&self) -> Reference {
        name(&format!("{}/app:v1", self.address))
    }

    fn pull(&self, store: &Store) -> Result<Pulled, Error> {
        client().pull(&self.reference(), &Platform::host(), store, &())
    }
}

/// One request a connection: what is not read of it may go.
fn one(
    mut stream: TcpStream,
    notes: &Mutex<Vec<(String, HashMap<String, String>)>>,
    answer: &(impl Fn(&Asked, &mut TcpStream) + ?Sized),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut headers = HashMap::new();
    loop {
        let mut text = String::new();
        if reader.read_line(&mut text).unwrap_or(0) < 3 {
            break;
        }
        if let Some((name, value)) = text.split_once(": ") {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let mut all = notes.lock().unwrap();
    let turn = all.len();
    all.push((line.clone(), headers.clone()));
    drop(all);
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse::<u64>().ok());
    let mut body = reader.take(length.unwrap_or(0));
    let _ = std::io::copy(&mut body, &mut std::io::sink());
    let asked = Asked {
        line,
        headers,
        turn,
    };
    answer(&asked, &mut stream);
    let _ = stream.shutdown(Shutdown::Both);
}

fn reply(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// An image to serve: what its blobs are, and what is asked first.
struct Truth {
    target: Descriptor,
    blobs: HashMap<String, Vec<u8>>,
    layer: Descriptor,
    _place: Place,
}

const TYPE: &str = "content-type: application/vnd.oci.image.manifest.v1+json\r\n";

impl Truth {
    fn new(bytes: usize) -> Arc<Self> {
        let place = place();
        let target = image(&place.store, &[1], bytes);
        let known = place.store.image(&target, &Platform::host()).unwrap();
        let (config, layer) = (
            known.manifest.config.clone(),
            known.manifest.layers[0].clone(),
        );
        let read = |blob: &Descriptor| {
            let bytes = std::fs::read(place.store.blob_path(&blob.digest)).unwrap();
            (blob.digest.to_string(), bytes)
        };
        let blobs = [&target, &config, &layer].map(read).into();
        Arc::new(Self {
            target,
            blobs,
            layer,
            _place: place,
        })
    }

    fn bytes(&self, blob: &Descriptor) -> &[u8] {
        &self.blobs[&blob.digest.to_string()]
    }

    fn is_layer(&self, asked: &Asked) -> bool {
        asked.is(self.layer.digest.hex())
    }

    /// The answer of a registry that does not lie.
    fn tell(&self, asked: &Asked, stream: &mut TcpStream) {
        if asked.is("/manifests/") {
            return reply(stream, "200 OK", TYPE, self.bytes(&self.target));
        }
        let found = self.blobs.iter().find(|(digest, _)| asked.is(digest));
        let Some((_, bytes)) = found else {
            return reply(stream, "404 Not Found", "", b"");
        };
        let range = asked.headers.get("range").and_then(|text| {
            text.strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
        match range {
            None => reply(stream, "200 OK", "", bytes),
            Some(from) => {
                let (last, whole) = (bytes.len() - 1, bytes.len());
                let range = format!("content-range: bytes {from}-{last}/{whole}\r\n");
                reply(stream, "206 Partial Content", &range, &bytes[from..]);
            }
        }
    }

    /// Sends a part of what is promised, and breaks off.
    fn cut(&self, stream: &mut TcpStream, bytes: usize) {
        let layer = self.bytes(&self.layer);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", layer.len());
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&layer[..bytes]);
    }
}

/// A registry whose answer about the layer is `lie`.
fn lying_about_the_layer(
    bytes: usize,
    lie: impl Fn(&Truth, &Asked, &mut TcpStream) + Send + Sync + 'static,
) -> (Liar, Arc<Truth>) {
    let truth = Truth::new(bytes);
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |asked, stream| match told.is_layer(asked) {
        true => lie(&told, asked, stream),
        false => told.tell(asked, stream),
    });
    (liar, truth)
}

/// The error of a pull, which took no longer than `most`, and left no layer.
#[track_caller]
fn refused(liar: &Liar, truth: &Truth, most: Duration) -> Error {
    let there = place();
    let begun = Instant::now();
    let error = liar.pull(&there.store).unwrap_err();
    assert!(begun.elapsed() < most, "{error}: {:?}", begun.elapsed());
    assert!(!there.store.has(&truth.layer), "{error}");
    assert!(there.store.tags().unwrap().is_empty());
    let root = there.store.root().to_owned();
    drop(there.store);
    assert!(Store::sweep(&root).unwrap().is_some());
    let left = std::fs::read_dir(root.join("ingest")).unwrap().count();
    assert_eq!(left, 0, "a sweep takes what was left");
    error
}

const SOON: Duration = Duration::from_secs(8);

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

fn another_blob() {
    let (liar, truth) = lying_about_the_layer(1000, |truth, _, stream| {
        let other = vec![7; truth.bytes(&truth.layer).len()];
        reply(stream, "200 OK", "", &other);
    });
    let error = refused(&liar, &truth, SOON);
    assert!(matches!(error, Error::Untrusted { .. }));
    says(&error, &[&truth.layer.digest.to_string(), "has the digest"]);
    assert_eq!(liar.count("/blobs/"), 2, "a lie is not asked for again");
}

fn another_manifest() {
    let truth = Truth::new(1000);
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |asked, stream| told.tell(asked, stream));
    let other = Digest::of(b"other");
    let there = place();
    let by_digest = liar.reference().with_digest(other.clone());
    let error = client()
        .pull(&by_digest, &Platform::host(), &there.store, &())
        .unwrap_err();
    says(&error, &[&other.to_string(), "cannot trust"]);
    // What the header says has to agree, too.
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |_, stream| {
        let head = format!("{TYPE}docker-content-digest: {}\r\n", Digest::of(b"other"));
        reply(stream, "200 OK", &head, told.bytes(&told.target));
    });
    refused(&liar, &truth, SOON);
}

fn longer_blob() {
    let (liar, truth) = lying_about_the_layer(1000, |_, _, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1u64 << 40);
        let _ = stream.write_all(head.as_bytes());
        let junk = vec![0; 1 << 20];
        while stream.write_all(&junk).is_ok() {}
    });
    let error = refused(&liar, &truth, SOON);
    says(
        &error,
        &[&truth.layer.digest.to_string(), "1099511627776 bytes"],
    );
}

fn endless_blob() {
    let sent = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&sent);
    let (liar, truth) = lying_about_the_layer(1000, move |_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = [&b"10000\r\n"[..], &[0; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {
            *counts.lock().unwrap() += 0x10000;
        }
    });
    let error = refused(&liar, &truth, SOON);
    says(&error, &[&truth.layer.digest.to_string(), "has the digest"]);
    thread::sleep(Duration::from_millis(200));
    let sent = *sent.lock().unwrap();
    assert!(
        sent < 32 << 20,
        "{sent} bytes were sent before it was closed"
    );
}

fn shorter_blob() {
    let (liar, truth) = lying_about_the_layer(100_000, |truth, asked, stream| {
        match asked.headers.contains_key("range") {
            // Nothing at all, as if it were there.
            true => {
                let layer = truth.bytes(&truth.layer);
                let range = format!(
                    "content-range: bytes 10-{0}/{1}\r\n",
                    layer.len() - 1,
                    layer.len()
                );
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\n{range}content-length: {}\r\n\r\n",
                    layer.len() - 10
                );
                let _ = stream.write_all(head.as_bytes());
            }
            false => truth.cut(stream, 10),
        }
    });
    let error = refused(&liar, &truth, SOON);
    says(
        &error,
        &[&truth.layer.digest.to_string(), "cannot be reached"],
    );
    assert!(liar.count(truth.layer.digest.hex()) <= 6, "bounded");
}

fn goes_on() {
    let (liar, truth) = lying_about_the_layer(3 << 20, |truth, asked, stream| {
        match asked.headers.contains_key("range") {
            true => truth.tell(asked, stream),
            false => truth.cut(stream, 2 << 20),
        }
    });
    let (there, told) = (place(), Told::default());
    let pulled = client()
        .pull(&liar.reference(), &Platform::host(), &there.store, &told)
        .unwrap();
    assert!(there.store.has(&truth.layer));
    let layer = pulled
        .blobs
        .iter()
        .find(|blob| blob.descriptor == truth.layer)
        .unwrap();
    assert_eq!(layer.moved, truth.layer.size, "no byte came twice");
    assert_eq!(liar.header("range").len(), 1);
    assert_eq!(told.waits.lock().unwrap().len(), 1);
}

fn no_ranges() {
    let (liar, truth) = lying_about_the_layer(500_000, |truth, asked, stream| {
        match asked.headers.contains_key("range") {
            true => reply(stream, "200 OK", "", truth.bytes(&truth.layer)),
            false => truth.cut(stream, 300_000),
        }
    });
    let there = place();
    liar.pull(&there.store).unwrap();
    let path = there.store.blob_path(&truth.layer.digest);
    assert_eq!(std::fs::read(path).unwrap(), truth.bytes(&truth.layer));
}

fn another_range() {
    let (liar, truth) = lying_about_the_layer(500_000, |truth, asked, stream| {
        let layer = truth.bytes(&truth.layer);
        match asked.headers.contains_key("range") {
            true => {
                let range = format!("content-range: bytes 0-9/{}\r\n", layer.len());
                reply(stream, "206 Partial Content", &range, &layer[..10]);
            }
            false => truth.cut(stream, 300_000),
        }
    });
    let error = refused(&liar, &truth, SOON);
    says(&error, &["other bytes than it was asked for"]);
}

/// A pull from a registry that breaks off for good, which leaves a part.
fn leave_a_part(there: &Place, truth: &Arc<Truth>) {
    let told = Arc::clone(truth);
    let liar = Liar::start(move |asked, stream| match told.is_layer(asked) {
        true if asked.headers.contains_key("range") => reply(stream, "404 Not Found", "", b""),
        true => told.cut(stream, 300_000),
        false => told.tell(asked, stream),
    });
    liar.pull(&there.store).unwrap_err();
}

fn next_command() {
    let (truth, there) = (Truth::new(500_000), place());
    leave_a_part(&there, &truth);
    let root = there.store.root().to_owned();
    drop(there.store);
    let store = Store::open(&root).unwrap();
    let told = Arc::clone(&truth);
    let honest = Liar::start(move |asked, stream| told.tell(asked, stream));
    let pulled = honest.pull(&store).unwrap();
    let layer = pulled
        .blobs
        .iter()
        .find(|blob| blob.descriptor == truth.layer)
        .unwrap();
    assert_eq!(layer.fate, Fate::Resumed { had: 300_000 });
    assert_eq!(layer.moved, truth.layer.size - 300_000);
    assert_eq!(honest.header("range"), ["bytes=300000-"]);
    assert_eq!(std::fs::read_dir(root.join("ingest")).unwrap().count(), 0);
}

fn damaged_part() {
    let (truth, there) = (Truth::new(500_000), place());
    leave_a_part(&there, &truth);
    let ingest = there.store.root().join("ingest");
    let part = std::fs::read_dir(&ingest)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let told = Arc::clone(&truth);
    let honest = Liar::start(move |asked, stream| told.tell(asked, stream));
    honest.pull(&there.store).unwrap();
    let path = there.store.blob_path(&truth.layer.digest);
    assert_eq!(std::fs::read(path).unwrap(), truth.bytes(&truth.layer));
}

fn hasty() -> Client {
    let mut settings = settings(Path::new("/nowhere"));
    settings.stall = Duration::from_millis(300);
    settings.retries = 1;
    Client::new(settings)
}

fn silence() {
    let (liar, truth) = lying_about_the_layer(500_000, |truth, _, stream| {
        truth.cut(stream, 100);
        thread::sleep(Duration::from_secs(20));
    });
    let (there, begun) = (place(), Instant::now());
    let error = hasty().pull(&liar.reference(), &Platform::host(), &there.store, &());
    says(
        &error.unwrap_err(),
        &[&truth.layer.digest.to_string(), "nothing moved for 0.3 s"],
    );
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

fn trickle() {
    let (liar, truth) = lying_about_the_layer(500_000, |truth, _, stream| {
        truth.cut(stream, 100);
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let (there, begun) = (place(), Instant::now());
    let error = hasty().pull(&liar.reference(), &Platform::host(), &there.store, &());
    says(
        &error.unwrap_err(),
        &[&truth.layer.digest.to_string(), "bytes in"],
    );
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// A client whose `config.json` knows a password for `registry`.
fn knowing(registry: &str, home: &Path) -> Client {
    let path = home.join(".docker/config.json");
    DockerConfig::change(&path, |config| config.set(registry, "me", "secret")).unwrap();
    Client::new(settings(home))
}

/// `me:secret`, encoded.
const BASIC: &str = "Basic bWU6c2VjcmV0";

fn redirected() {
    let truth = Truth::new(1000);
    let told = Arc::clone(&truth);
    // It wants credentials, too, and gets none.
    let elsewhere = Liar::start(move |asked, stream| match asked.turn {
        0 => reply(
            stream,
            "401 Unauthorized",
            "www-authenticate: Basic realm=x\r\n",
            b"",
        ),
        _ => told.tell(asked, stream),
    });
    let told = Arc::clone(&truth);
    let to = format!(
        "location: http://{}/x/{}\r\n",
        elsewhere.address, truth.layer.digest
    );
    let liar = Liar::start(move |asked, stream| {
        if asked
            .headers
            .get("authorization")
            .is_none_or(|said| said != BASIC)
        {
            reply(
                stream,
                "401 Unauthorized",
                "www-authenticate: Basic realm=x\r\n",
                b"",
            );
        } else if told.is_layer(asked) {
            reply(stream, "307 Temporary Redirect", &to, b"");
        } else {
            told.tell(asked, stream);
        }
    });
    let home = tempfile::tempdir().unwrap();
    let there = place();
    let pull = || {
        let client = knowing(&liar.address, home.path());
        client.pull(&liar.reference(), &Platform::host(), &there.store, &())
    };
    says(&pull().unwrap_err(), &["does not know who asks"]);
    pull().unwrap();
    assert_eq!(elsewhere.header("authorization"), [""; 0]);
    assert!(liar.header("authorization").len() > 2);
    assert_eq!(elsewhere.count("GET"), 2);
}

fn redirected_for_ever() {
    let (liar, truth) = lying_about_the_layer(1000, |_, asked, stream| {
        let place = asked.line.split(' ').nth(1).unwrap();
        reply(stream, "302 Found", &format!("location: {place}\r\n"), b"");
    });
    says(&refused(&liar, &truth, SOON), &["again and again"]);
    assert!(liar.count(truth.layer.digest.hex()) <= 6);
}

fn tokens() {
    let truth = Truth::new(1000);
    let giver = Liar::start(|asked, stream| {
        let known = asked
            .headers
            .get("authorization")
            .is_some_and(|said| said == BASIC);
        match known && asked.is("scope=repository:app:pull") && asked.is("service=s") {
            true => reply(stream, "200 OK", "", br#"{"token":"good","expires_in":60}"#),
            false => reply(stream, "403 Forbidden", "", b""),
        }
    });
    let challenge = format!(
        "www-authenticate: Bearer realm=\"http://{}/token\",service=\"s\",scope=\"repository:app:pull\"\r\n",
        giver.address
    );
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |asked, stream| {
        match asked
            .headers
            .get("authorization")
            .is_some_and(|said| said == "Bearer good")
        {
            true => told.tell(asked, stream),
            false => reply(stream, "401 Unauthorized", &challenge, b""),
        }
    });
    let (home, there) = (tempfile::tempdir().unwrap(), place());
    let client = knowing(&liar.address, home.path());
    client
        .pull(&liar.reference(), &Platform::host(), &there.store, &())
        .unwrap();
    assert_eq!(giver.count("/token"), 1);
    assert!(
        liar.header("authorization")
            .iter()
            .all(|said| said == "Bearer good")
    );
    let stranger = liar.pull(&there.store).unwrap_err();
    assert!(
        stranger.hint().unwrap().contains("isolab login"),
        "{stranger}"
    );
}

fn never_in() {
    let truth = Truth::new(1000);
    let liar = Liar::start(|_, stream| {
        reply(
            stream,
            "401 Unauthorized",
            "www-authenticate: Basic realm=x\r\n",
            b"<html>",
        );
    });
    let (home, there) = (tempfile::tempdir().unwrap(), place());
    let client = knowing(&liar.address, home.path());
    let error = client
        .pull(&liar.reference(), &Platform::host(), &there.store, &())
        .unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .contains(&format!("isolab login {}", liar.address))
    );
    assert_eq!(liar.count("GET"), 2);
    refused(&liar, &truth, SOON);
}

fn page() {
    let truth = Truth::new(1000);
    let liar = Liar::start(|_, stream| {
        reply(
            stream,
            "200 OK",
            "content-type: text/html\r\n",
            b"<html>Sign in\x1b[2J</html>",
        );
    });
    says(&refused(&liar, &truth, SOON), &["no manifest", "text/html"]);
    let typed = Liar::start(|_, stream| reply(stream, "200 OK", TYPE, b"<html>"));
    says(&refused(&typed, &truth, SOON), &["manifest sha256:"]);
    let error = client().tags(&liar.reference()).unwrap_err();
    says(&error, &["its list is none"]);
}

fn endless_manifest() {
    let truth = Truth::new(1000);
    let liar = Liar::start(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\n{TYPE}transfer-encoding: chunked\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        let chunk = [&b"10000\r\n"[..], &[b' '; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
    });
    says(
        &refused(&liar, &truth, SOON),
        &["longer than 4194304 bytes"],
    );
}

fn deep_index() {
    let truth = Truth::new(1000);
    let mut blobs = HashMap::new();
    let mut below = truth.target.clone();
    for _ in 0..6 {
        below.platform = Some(Platform::host());
        let text = serde_json::to_vec(&Index::new(vec![below])).unwrap();
        below = Descriptor::of(MediaType::Index, &text);
        blobs.insert(below.digest.to_string(), text);
    }
    let first = below.digest.to_string();
    let liar = Liar::start(move |asked, stream| {
        let named = blobs.iter().find(|(digest, _)| asked.is(digest));
        let (_, text) = named.unwrap_or_else(|| blobs.get_key_value(&first).unwrap());
        reply(
            stream,
            "200 OK",
            &format!("content-type: {}\r\n", MediaType::Index),
            text,
        );
    });
    says(
        &refused(&liar, &truth, SOON),
        &["leads to an index more than 4 times"],
    );
    assert!(liar.count("GET") < 7);
}

fn busy() {
    let truth = Truth::new(1000);
    let told = Arc::clone(&truth);
    let liar = Liar::start(move |asked, stream| match asked.turn {
        0 => reply(stream, "429 Too Many Requests", "retry-after: 1\r\n", b""),
        1 => reply(stream, "503 Service Unavailable", "", b""),
        _ => told.tell(asked, stream),
    });
    let (there, progress, begun) = (place(), Told::default(), Instant::now());
    let reference = liar.reference();
    client()
        .pull(&reference, &Platform::host(), &there.store, &progress)
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let waits = progress.waits.lock().unwrap();
    assert_eq!(waits[0].0, "HTTP 429");
    assert!(waits[0].1 >= Duration::from_secs(1) && waits[1].1 < Duration::from_secs(1));
}

fn busy_for_long() {
    let truth = Truth::new(1000);
    let liar = Liar::start(|_, stream| {
        reply(
            stream,
            "429 Too Many Requests",
            "retry-after: 3600\r\n",
            b"",
        );
    });
    let error = refused(&liar, &truth, Duration::from_secs(1));
    says(&error, &["asked too often"]);
    assert!(error.hint().unwrap().contains("isolab login"));
}

fn circle() {
    let liar = Liar::start(|asked, stream| {
        let next = format!(
            "link: </v2/app/tags/list?last={}>; rel=\"next\"\r\n",
            asked.turn
        );
        let body: &[u8] = match asked.turn {
            0..3 => br#"{"name":"app","tags":["v1"]}"#,
            _ => br#"{"name":"app","tags":[]}"#,
        };
        reply(stream, "200 OK", &next, body);
    });
    assert_eq!(client().tags(&liar.reference()).unwrap().len(), 3);
    assert_eq!(liar.count("GET"), 4);
}

/// Stands before a server and cuts the first long upload off.
fn cutting(before: &str, at: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let before = before.to_owned();
    let has_cut = Arc::new(Mutex::new(false));
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&before).unwrap();
            let (mut back_from, mut back_to) =
                (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
            let has_cut = Arc::clone(&has_cut);
            let (mut near, mut far) = (near, far);
            thread::spawn(move || {
                let (mut passed, mut piece) = (0, vec![0; 64 << 10]);
                while let Ok(count @ 1..) = near.read(&mut piece) {
                    if far.write_all(&piece[..count]).is_err() {
                        break;
                    }
                    passed += count;
                    let mut has_cut = has_cut.lock().unwrap();
                    if passed > at && !*has_cut {
                        *has_cut = true;
                        break;
                    }
                }
                let _ = near.shutdown(Shutdown::Both);
                let _ = far.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

fn upload_goes_on() {
    let (ours, here) = (Ours::start(), place());
    let target = image(&here.store, &[9], 8 << 20);
    let address = cutting(&ours.address, 4 << 20);
    let reference = name(&format!("{address}/app:v1"));
    let told = Told::default();
    let pushed = client()
        .push(&here.store, &target, &reference, &told)
        .unwrap();
    assert_eq!(
        ours.store
            .tagged(&name("app:v1"))
            .unwrap()
            .unwrap()
            .descriptor,
        target
    );
    assert_eq!(told.waits.lock().unwrap().len(), 1);
    let layer = pushed
        .blobs
        .iter()
        .max_by_key(|blob| blob.descriptor.size)
        .unwrap();
    let again = layer.moved - layer.descriptor.size;
    // What was on its way when it broke off, and no more.
    assert!(again < 6 << 20, "{again} bytes went twice");
    assert_eq!(ours.count("PATCH"), 2);
    assert_eq!(ours.count("GET /v2/app/blobs/uploads/"), 1);
}

fn upload_elsewhere() {
    let elsewhere = Liar::start(|_, stream| reply(stream, "201 Created", "", b""));
    let place_there = format!("location: http://{}/upload\r\n", elsewhere.address);
    let liar = Liar::start(move |asked, stream| {
        if asked
            .headers
            .get("authorization")
            .is_none_or(|said| said != BASIC)
        {
            reply(
                stream,
                "401 Unauthorized",
                "www-authenticate: Basic realm=x\r\n",
                b"",
            );
        } else if asked.is("POST") {
            reply(stream, "202 Accepted", &place_there, b"");
        } else if asked.is("PUT") {
            reply(stream, "201 Created", "", b"");
        } else {
            reply(stream, "404 Not Found", "", b"");
        }
    });
    let (home, here) = (tempfile::tempdir().unwrap(), place());
    let target = image(&here.store, &[1], 1000);
    let client = knowing(&liar.address, home.path());
    client
        .push(&here.store, &target, &liar.reference(), &())
        .unwrap();
    assert_eq!(elsewhere.count("PUT"), 2);
    assert_eq!(elsewhere.header("authorization"), [""; 0]);
}

fn handed_on() {
    let truth = Truth::new(500_000);
    let pull = |lie: bool| {
        let told = Arc::clone(&truth);
        let liar = Liar::start(move |asked, stream| {
            if !told.is_layer(asked) || asked.headers.contains_key("range") {
                told.tell(asked, stream);
            } else if lie {
                let mut bytes = told.bytes(&told.layer).to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                reply(stream, "200 OK", "", &bytes);
            } else {
                told.cut(stream, 300_000);
            }
        });
        let (there, taken) = (place(), Mutex::new(Vec::new()));
        let reference = liar.reference();
        let host = Platform::host();
        let unpack = |blob: &Descriptor, bytes: &mut dyn std::io::Read| {
            assert_eq!(blob.digest, truth.layer.digest);
            let mut all = Vec::new();
            let read = bytes.read_to_end(&mut all);
            taken.lock().unwrap().push((all, read.is_ok()));
            Ok(())
        };
        let pulled = client().pull_through(&reference, &host, &there.store, &(), &unpack);
        (pulled.is_ok(), taken.into_inner().unwrap())
    };
    let whole = truth.bytes(&truth.layer).to_vec();
    assert_eq!(pull(false), (true, vec![(whole.clone(), true)]));
    let (succeeded, taken) = pull(true);
    assert!(
        !succeeded && taken.len() == 1 && !taken[0].1,
        "the end says that it is a lie"
    );
}

fn interrupt() {
    struct Soon(Instant);
    impl Progress for Soon {
        fn is_cancelled(&self) -> bool {
            self.0.elapsed() > Duration::from_millis(300)
        }
    }
    let (liar, _) = lying_about_the_layer(8 << 20, |truth, _, stream| {
        let layer = truth.bytes(&truth.layer);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", layer.len());
        let _ = stream.write_all(head.as_bytes());
        for piece in layer.chunks(10_000) {
            if stream.write_all(piece).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let (there, begun) = (place(), Instant::now());
    let progress = Soon(begun);
    let pulled = client().pull(
        &liar.reference(),
        &Platform::host(),
        &there.store,
        &progress,
    );
    says(&pulled.unwrap_err(), &["interrupted"]);
    assert!(begun.elapsed() < Duration::from_secs(3));
}
