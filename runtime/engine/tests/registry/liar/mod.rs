//! A registry that does not do as it should: each lie ends in an error that says
//! so, soon, and the store is as it was.

mod answers;
mod blobs;
mod doors;
mod unpacking;
mod uploads;

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

pub(super) use unpacking::inside;

use super::images::{Place, Told, client, image, name, place, settings};
use super::own::Ours;
use super::peers::own;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        own("a_blob_that_is_another_is_refused", blobs::another_blob),
        own(
            "a_manifest_that_is_another_is_refused",
            blobs::another_manifest,
        ),
        own(
            "a_blob_that_is_longer_is_refused_before_it_is_read",
            blobs::longer_blob,
        ),
        own(
            "of_a_blob_without_end_no_more_is_read_than_was_promised",
            blobs::endless_blob,
        ),
        own(
            "a_blob_that_always_breaks_off_is_given_up",
            blobs::shorter_blob,
        ),
        own("what_breaks_off_is_gone_on_with", blobs::goes_on),
        own(
            "what_breaks_off_is_whole_even_where_ranges_are_not_known",
            blobs::no_ranges,
        ),
        own("a_range_that_is_another_is_refused", blobs::another_range),
        own(
            "an_interrupted_pull_is_gone_on_with_by_the_next_command",
            blobs::next_command,
        ),
        own(
            "what_was_left_damaged_is_fetched_again",
            blobs::damaged_part,
        ),
        own("a_registry_that_says_nothing_is_given_up", blobs::silence),
        own("a_registry_that_trickles_is_given_up", blobs::trickle),
        own("who_a_redirect_leads_to_is_told_nothing", doors::redirected),
        own("redirects_have_an_end", doors::redirected_for_ever),
        own(
            "who_gives_tokens_is_asked_once_for_each_scope",
            doors::tokens,
        ),
        own(
            "a_registry_that_never_lets_in_is_asked_twice",
            doors::never_in,
        ),
        own("a_page_for_people_is_no_manifest", answers::page),
        own(
            "a_manifest_without_end_is_refused",
            answers::endless_manifest,
        ),
        own(
            "an_index_that_leads_on_and_on_is_refused",
            answers::deep_index,
        ),
        own(
            "a_registry_that_is_busy_is_asked_again_when_it_says",
            answers::busy,
        ),
        own(
            "a_registry_that_is_busy_for_an_hour_is_given_up_at_once",
            answers::busy_for_long,
        ),
        own("a_list_that_leads_in_a_circle_ends", answers::circle),
        own(
            "an_upload_that_breaks_off_is_gone_on_with",
            uploads::upload_goes_on,
        ),
        own(
            "an_upload_elsewhere_is_sent_no_credentials",
            uploads::upload_elsewhere,
        ),
        own(
            "a_layer_that_breaks_off_goes_on_being_unpacked",
            unpacking::goes_on,
        ),
        own(
            "of_a_tampered_layer_neither_files_nor_blob_stay",
            unpacking::tampered,
        ),
        own(
            "a_layer_that_is_another_inside_is_not_unpacked",
            unpacking::another_content,
        ),
        own(
            "what_the_last_command_left_is_unpacked_with_the_rest",
            unpacking::next_command,
        ),
        own(
            "a_pull_that_is_killed_leaves_what_can_be_gone_on_with",
            unpacking::killed,
        ),
        own("an_interrupt_ends_a_pull_soon", blobs::interrupt),
        own(
            "an_interrupt_ends_a_pull_that_waits",
            blobs::interrupted_wait,
        ),
        own(
            "an_interrupt_ends_a_pull_that_reaches_nobody",
            blobs::interrupted_connection,
        ),
        own(
            "what_a_descriptor_names_elsewhere_is_never_asked",
            doors::urls,
        ),
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
        Self::of(place, target)
    }

    /// The image `target` of a store.
    fn of(place: Place, target: Descriptor) -> Arc<Self> {
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

/// A client whose `config.json` knows a password for `registry`.
fn knowing(registry: &str, home: &Path) -> Client {
    let path = home.join(".docker/config.json");
    DockerConfig::change(&path, |config| config.set(registry, "me", "secret")).unwrap();
    Client::new(settings(home))
}

/// `me:secret`, encoded.
const BASIC: &str = "Basic bWU6c2VjcmV0";

/// Whether a request has the password; one that has not is told so.
fn admitted(asked: &Asked, stream: &mut TcpStream) -> bool {
    let has = asked
        .headers
        .get("authorization")
        .is_some_and(|said| said == BASIC);
    if !has {
        let basic = "www-authenticate: Basic realm=x\r\n";
        reply(stream, "401 Unauthorized", basic, b"");
    }
    has
}
