//! Layers and manifests that are not what was promised, or come slowly, in parts, or not
//! to their end.

use super::*;

pub(super) fn another_blob() {
    let (liar, truth) = lying_about_the_layer(1000, |truth, _, stream| {
        let other = vec![7; truth.bytes(&truth.layer).len()];
        reply(stream, "200 OK", "", &other);
    });
    let error = refused(&liar, &truth, SOON);
    assert!(matches!(error, Error::Untrusted { .. }));
    says(&error, &[&truth.layer.digest.to_string(), "has the digest"]);
    assert_eq!(liar.count("/blobs/"), 2, "a lie is not asked for again");
}

pub(super) fn another_manifest() {
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

pub(super) fn longer_blob() {
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

pub(super) fn endless_blob() {
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

pub(super) fn shorter_blob() {
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

pub(super) fn goes_on() {
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

pub(super) fn no_ranges() {
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

pub(super) fn another_range() {
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

pub(super) fn next_command() {
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

pub(super) fn damaged_part() {
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

pub(super) fn silence() {
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

pub(super) fn trickle() {
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

/// Nobody wants it any more after a moment.
struct Soon(Instant);

impl Progress for Soon {
    fn is_cancelled(&self) -> bool {
        self.0.elapsed() > Duration::from_millis(300)
    }
}

/// A pull that ends because nobody wants it.
fn interrupted(reference: &Reference) {
    let (there, begun) = (place(), Instant::now());
    let progress = Soon(begun);
    let client = client();
    let pulled = client.pull(reference, &Platform::host(), &there.store, &progress);
    says(&pulled.unwrap_err(), &["interrupted"]);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

pub(super) fn interrupted_wait() {
    let (liar, _) = lying_about_the_layer(500_000, |truth, _, stream| {
        truth.cut(stream, 100);
        thread::sleep(Duration::from_secs(40));
    });
    interrupted(&liar.reference());
}

pub(super) fn interrupted_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Nobody takes connections, and few may wait for that.
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(200);
    let waiting = (0..8).map_while(|_| TcpStream::connect_timeout(&address, short).ok());
    let waiting: Vec<_> = waiting.collect();
    assert!(waiting.len() < 8, "all of them are taken");
    interrupted(&name(&format!("{address}/app:v1")));
}

pub(super) fn interrupt() {
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
    interrupted(&liar.reference());
}
