//! Redirects, passwords and tokens: who is told what.

use super::*;

pub(super) fn redirected() {
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
        if !admitted(asked, stream) {
            return;
        }
        if told.is_layer(asked) {
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

pub(super) fn redirected_for_ever() {
    let (liar, truth) = lying_about_the_layer(1000, |_, asked, stream| {
        let place = asked.line.split(' ').nth(1).unwrap();
        reply(stream, "302 Found", &format!("location: {place}\r\n"), b"");
    });
    says(&refused(&liar, &truth, SOON), &["again and again"]);
    assert!(liar.count(truth.layer.digest.hex()) <= 6);
}

pub(super) fn tokens() {
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

pub(super) fn never_in() {
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

pub(super) fn urls() {
    let elsewhere = Liar::start(|_, stream| reply(stream, "200 OK", "", b"layer"));
    let there = place();
    let target = image(&there.store, &[1], 1000);
    let image = there.store.image(&target, &Platform::host()).unwrap();
    let mut manifest = image.manifest;
    manifest.layers[0].urls = vec![format!("http://{}/layer", elsewhere.address)];
    let target = there.store.put_json(MediaType::Manifest, &manifest);
    let truth = Truth::of(there, target.unwrap());
    let told = Arc::clone(&truth);
    let liar = Liar::start(
        move |asked, stream| match told.is_layer(asked) && asked.turn < 10 {
            true => reply(stream, "404 Not Found", "", b""),
            false => told.tell(asked, stream),
        },
    );
    let there = place();
    says(&liar.pull(&there.store).unwrap_err(), &["does not have it"]);
    while liar.count("GET") < 10 {
        let _ = liar.pull(&there.store);
    }
    liar.pull(&there.store).unwrap();
    assert!(there.store.has(&truth.layer));
    assert_eq!(elsewhere.count(""), 0);
}
