//! Our server as a whole: with our client, to other machines, to the hostile and the
//! slow, and at its end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use isolab_engine::image::{Descriptor, Digest, Platform};
use isolab_engine::registry::{Serving, serve};
use isolab_engine::store::Store;
use libtest_mimic::Trial;

use super::{Ours, ask};
use crate::images::{client, image, name, place, tag};
use crate::peers::own;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        own("our_client_and_our_server_agree", both_ours),
        own("local_images_are_served_as_they_are", as_they_are),
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
