//! Our client against Debian's registry server.

use isolab_engine::image::Platform;
use isolab_engine::registry::{Client, Fate};
use libtest_mimic::Trial;

use super::debian::Registry;
use super::images::{client, image, name, place, settings};
use super::peers::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |claim, check| trial(claim, "docker-registry", check);
    vec![
        trial("what_is_pushed_is_pulled_and_is_the_same", there_and_back),
        trial("a_second_version_sends_only_what_the_first_lacked", delta),
        trial("a_second_repository_mounts_instead_of_uploading", mounts),
        trial("a_registry_that_wants_a_password_gets_it", password),
        trial("lists_and_deletions_are_the_registrys", lists),
        trial("what_is_missing_is_told_by_its_name_with_a_remedy", missing),
    ]
}

fn there_and_back() {
    let (registry, here, there) = (Registry::start(), place(), place());
    let target = image(&here.store, &[1, 2], 3 << 20);
    let reference = name(&format!("{}/team/app:v1", registry.address));
    let pushed = client()
        .push(&here.store, &target, &reference, &())
        .unwrap();
    assert_eq!((pushed.skipped, pushed.mounted), (0, 0));
    assert_eq!(pushed.target, target);
    let pull = || {
        client()
            .pull(&reference, &Platform::host(), &there.store, &())
            .unwrap()
    };
    let pulled = pull();
    assert_eq!((&pulled.target, pulled.skipped), (&target, 0));
    assert_eq!(pulled.fetched, pushed.sent);
    let host = Platform::host();
    let same = |place: &super::images::Place| place.store.image(&target, &host).unwrap();
    assert_eq!(same(&here), same(&there));
    for blob in &pulled.blobs {
        let path = |place: &super::images::Place| place.store.blob_path(&blob.descriptor.digest);
        assert_eq!(
            std::fs::read(path(&here)).unwrap(),
            std::fs::read(path(&there)).unwrap()
        );
    }
    let again = pull();
    assert_eq!((again.fetched, again.skipped), (0, pulled.fetched));
    let by_digest = reference.with_digest(target.digest.clone());
    client()
        .pull(&by_digest, &Platform::host(), &there.store, &())
        .unwrap();
}

fn delta() {
    let (registry, here) = (Registry::start(), place());
    let reference = |tag: &str| name(&format!("{}/app:{tag}", registry.address));
    let push = |seeds: &[u64], tag: &str| {
        let target = image(&here.store, seeds, 200_000);
        client()
            .push(&here.store, &target, &reference(tag), &())
            .unwrap()
    };
    let first = push(&[1, 2, 3], "v1");
    assert_eq!(
        registry.count("POST", "/blobs/uploads/"),
        4,
        "3 layers and a configuration"
    );
    let (bytes, blobs) = registry.stored();
    let second = push(&[1, 2, 4], "v2");
    assert_eq!(
        registry.count("POST", "/blobs/uploads/"),
        6,
        "one layer and a configuration"
    );
    let (bytes_then, blobs_then) = registry.stored();
    assert_eq!(blobs_then - blobs, 3, "and a manifest");
    assert_eq!(bytes_then - bytes, second.sent + second.target.size);
    assert!(second.sent * 2 < first.sent && second.skipped > 0);
    let third = push(&[1, 2, 4], "v2");
    assert_eq!(
        (third.sent, registry.count("POST", "/blobs/uploads/")),
        (0, 6)
    );
}

fn mounts() {
    let (registry, here) = (Registry::start(), place());
    let target = image(&here.store, &[5, 6], 100_000);
    let push = |repository: &str| {
        let reference = name(&format!("{}/{repository}:v1", registry.address));
        client()
            .push(&here.store, &target, &reference, &())
            .unwrap()
    };
    let first = push("one");
    let second = push("team/two");
    assert_eq!((second.sent, second.mounted), (0, first.sent));
    assert!(second.blobs.iter().all(|blob| blob.fate == Fate::Mounted));
    assert_eq!(
        registry.count("PATCH", "") + registry.count("PUT", "/blobs/"),
        3
    );
}

fn password() {
    let (registry, here) = (Registry::start_guarded(), place());
    let target = image(&here.store, &[7], 2 << 20);
    let reference = name(&format!("{}/app:v1", registry.address));
    let home = here.directory.path();
    let stranger = Client::new(settings(home));
    let refused = stranger
        .push(&here.store, &target, &reference, &())
        .unwrap_err();
    let remedy = refused.hint().unwrap();
    assert!(
        remedy.contains(&format!("isolab login {}", registry.address)),
        "{refused}: {remedy}"
    );
    let wrong = stranger
        .login(&registry.address, "me", "nonsense", &())
        .unwrap_err();
    assert!(
        wrong.to_string().contains("does not know who asks"),
        "{wrong}"
    );
    assert!(!home.join(".docker/config.json").exists());
    stranger
        .login(&registry.address, "me", "pass:word", &())
        .unwrap();
    let known = Client::new(settings(home));
    known.push(&here.store, &target, &reference, &()).unwrap();
    let there = place();
    known
        .pull(&reference, &Platform::host(), &there.store, &())
        .unwrap();
    assert!(known.logout(&registry.address).unwrap());
    let forgotten = Client::new(settings(home));
    assert!(forgotten.tags(&reference).is_err());
}

fn lists() {
    let (registry, here) = (Registry::start(), place());
    let reference = |text: &str| name(&format!("{}/{text}", registry.address));
    let target = image(&here.store, &[8], 1000);
    for tag in ["v1", "v2", "v3"] {
        let reference = reference(&format!("team/app:{tag}"));
        client()
            .push(&here.store, &target, &reference, &())
            .unwrap();
    }
    let app = reference("team/app:v1");
    assert_eq!(client().tags(&app).unwrap(), ["v1", "v2", "v3"]);
    assert_eq!(client().catalog(&registry.address).unwrap(), ["team/app"]);
    assert_eq!(client().referrers(&app, &target.digest, None).unwrap(), []);
    client()
        .delete(&app.with_digest(target.digest.clone()), &())
        .unwrap();
    let gone = client().pull(&app, &Platform::host(), &here.store, &());
    assert!(gone.unwrap_err().to_string().contains("MANIFEST_UNKNOWN"));
}

fn missing() {
    let (registry, here) = (Registry::start(), place());
    let reference = name(&format!("{}/nobody/knows:v9", registry.address));
    let error = client()
        .pull(&reference, &Platform::host(), &here.store, &())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!("cannot pull {reference}: ")),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("spelling"), "{text}");
}
