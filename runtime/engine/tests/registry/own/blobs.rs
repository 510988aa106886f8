//! Blobs at our server: read, sent, mounted.

use isolab_engine::image::{Algorithm, Descriptor, Digest, Hasher, Manifest, MediaType, Platform};
use libtest_mimic::Trial;

use super::{MANIFEST, Ours};
use crate::images::{client, place};
use crate::peers::own;

pub(super) fn trials() -> Vec<Trial> {
    vec![
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
    ]
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
