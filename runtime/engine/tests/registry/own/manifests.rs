//! Manifests at our server, by tag, by digest and by what they refer to; their
//! deletion.

use isolab_engine::image::{Descriptor, Digest, Index, Manifest, MediaType};
use libtest_mimic::Trial;

use super::{INDEX, MANIFEST, Ours};
use crate::images::client;
use crate::peers::own;

pub(super) fn trials() -> Vec<Trial> {
    vec![
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
    ]
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
