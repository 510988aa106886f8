//! Every operation of the distribution specification, once, in the order and by the
//! names of its table; what each refuses is in `own`.
//!
//! Source: OCI distribution specification 1.1, "Endpoints".

use std::cell::RefCell;
use std::collections::BTreeSet;

use isolab_engine::image::{Descriptor, Digest, Manifest, MediaType};
use libtest_mimic::Trial;

use super::own::{Answer, MANIFEST, Ours};
use super::peers::own;

pub(crate) fn trials() -> Vec<Trial> {
    vec![own(
        "every_operation_of_the_specification_is_answered",
        every_one,
    )]
}

/// All that the table has.
const TABLE: &[&str] = &[
    "end-1", "end-2", "end-3", "end-4a", "end-4b", "end-5", "end-6", "end-7", "end-8a", "end-8b",
    "end-9", "end-10", "end-11", "end-12a", "end-12b", "end-13",
];

/// Asks for operations, and remembers which.
struct Asking<'a> {
    ours: &'a Ours,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl Asking<'_> {
    #[track_caller]
    fn ask(&self, id: &'static str, method: &str, path: &str, body: &[u8], status: u16) -> Answer {
        self.asked.borrow_mut().insert(id);
        let headers = [("content-type", MANIFEST)];
        let headers = if id == "end-7" { &headers[..] } else { &[] };
        self.ours.ask(method, path, headers, body).is(status)
    }
}

fn every_one() {
    let ours = Ours::start();
    let asking = Asking {
        ours: &ours,
        asked: RefCell::default(),
    };
    let ask =
        |id, method, path: &str, body: &[u8], status| asking.ask(id, method, path, body, status);
    ask("end-1", "GET", "/v2/", b"", 200);

    // Blobs come: in two requests, in one, in chunks, and from another repository.
    let uploads = "/v2/a/blobs/uploads/";
    let (config, layer, chunks) = (b"{}", b"layer", b"chunks");
    let place = ask("end-4a", "POST", uploads, b"", 202).header("location");
    let put = |place: &str, bytes: &[u8]| format!("{place}?digest={}", Digest::of(bytes));
    ask("end-6", "PUT", &put(&place, config), config, 201);
    ask("end-4b", "POST", &put(uploads, layer), layer, 201);
    let place = ask("end-4a", "POST", uploads, b"", 202).header("location");
    let patched = ask("end-5", "PATCH", &place, &chunks[..4], 202);
    assert_eq!(patched.header("range"), "0-3");
    assert_eq!(
        ask("end-13", "GET", &place, b"", 204).header("range"),
        "0-3"
    );
    let next = patched.header("location");
    assert_eq!(
        ask("end-5", "PATCH", &next, &chunks[4..], 202).header("range"),
        "0-5"
    );
    ask("end-6", "PUT", &put(&next, chunks), b"", 201);
    let mount = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        format!("/v2/b/blobs/uploads/?mount={digest}&from=a")
    };
    ask("end-11", "POST", &mount(layer), b"", 201);

    // Manifests come, one of which refers to the other.
    let config = Descriptor::of(MediaType::Config, config);
    let part = |bytes: &[u8]| Descriptor::of(MediaType::of("text/plain"), bytes);
    let mut manifest = Manifest::new(config, vec![part(layer), part(chunks)]);
    let text = serde_json::to_vec(&manifest).unwrap();
    for tag in ["v1", "v2"] {
        ask(
            "end-7",
            "PUT",
            &format!("/v2/a/manifests/{tag}"),
            &text,
            201,
        );
    }
    let target = Descriptor::of(MediaType::Manifest, &text);
    manifest.subject = Some(target.clone());
    manifest.artifact_type = Some("x/y".to_owned());
    let refers = serde_json::to_vec(&manifest).unwrap();
    let refers_at = format!("/v2/a/manifests/{}", Digest::of(&refers));
    ask("end-7", "PUT", &refers_at, &refers, 201);

    // What came is there.
    let blob =
        |repository: &str, bytes: &[u8]| format!("/v2/{repository}/blobs/{}", Digest::of(bytes));
    for (path, bytes) in [(blob("a", chunks), &chunks[..]), (blob("b", layer), layer)] {
        assert_eq!(ask("end-2", "GET", &path, b"", 200).body, bytes);
        assert_eq!(ask("end-2", "HEAD", &path, b"", 200).body, b"");
    }
    for path in [
        "/v2/a/manifests/v1",
        &format!("/v2/a/manifests/{}", target.digest),
    ] {
        assert_eq!(ask("end-3", "GET", path, b"", 200).body, text);
        let head = ask("end-3", "HEAD", path, b"", 200);
        assert_eq!(
            head.header("docker-content-digest"),
            target.digest.to_string()
        );
    }
    let tags = |id, path: &str| ask(id, "GET", path, b"", 200).json()["tags"].clone();
    assert_eq!(
        tags("end-8a", "/v2/a/tags/list"),
        serde_json::json!(["v1", "v2"])
    );
    assert_eq!(
        tags("end-8b", "/v2/a/tags/list?n=1"),
        serde_json::json!(["v1"])
    );
    assert_eq!(
        tags("end-8b", "/v2/a/tags/list?n=1&last=v1"),
        serde_json::json!(["v2"])
    );
    let referrers = |id, query: &str| {
        let path = format!("/v2/a/referrers/{}{query}", target.digest);
        let index = ask(id, "GET", &path, b"", 200).json();
        index["manifests"].as_array().unwrap().len()
    };
    assert_eq!(referrers("end-12a", ""), 1);
    assert_eq!(referrers("end-12b", "?artifactType=x/y"), 1);
    assert_eq!(referrers("end-12b", "?artifactType=other"), 0);

    // And goes.
    ask("end-9", "DELETE", "/v2/a/manifests/v2", b"", 202);
    ask("end-3", "GET", "/v2/a/manifests/v2", b"", 404);
    ask("end-9", "DELETE", &refers_at, b"", 202);
    ask(
        "end-9",
        "DELETE",
        &format!("/v2/a/manifests/{}", target.digest),
        b"",
        202,
    );
    ask("end-3", "GET", "/v2/a/manifests/v1", b"", 404);
    let lone = blob("b", layer);
    ask("end-10", "DELETE", &lone, b"", 202);
    ask("end-2", "GET", &lone, b"", 404);

    let asked: Vec<&str> = asking.asked.into_inner().into_iter().collect();
    let mut table = TABLE.to_vec();
    table.sort_unstable();
    assert_eq!(asked, table);
}
