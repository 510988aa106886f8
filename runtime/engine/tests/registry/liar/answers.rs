//! Answers that are none, have no end, or ask for patience.

use super::*;

pub(super) fn page() {
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

pub(super) fn endless_manifest() {
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

pub(super) fn deep_index() {
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

pub(super) fn busy() {
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

pub(super) fn busy_for_long() {
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

pub(super) fn circle() {
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
