//! What is remembered of answers, for how long, and for whom.

use venv_sim::{Catalogue, IndexFlags};

use crate::lab::{Lab, WHEEL, at, file, name, only_offer, page, serving, told, wheel};
use crate::server::{Answer, Server};

fn index(control: &'static str) -> Server {
    Server::start(move |request| {
        let answer = Answer::json(page("a", &[file(&format!("/f/{WHEEL}"), b"")]));
        let answer = answer
            .with("ETag", "\"one\"")
            .with("Cache-Control", control);
        match request.header("if-none-match") {
            Some("\"one\"") => Answer {
                status: 304,
                body: Vec::new(),
                ..answer
            },
            _ => answer,
        }
    })
}

#[test]
fn a_fresh_answer_is_not_asked_for_again_unless_it_is_wanted() {
    let server = index("max-age=600, public");
    let lab = Lab::new();
    let flags = at(&server.url("/simple/"));
    only_offer(&lab.index(&flags));
    only_offer(&lab.index(&flags));
    assert_eq!(server.requests().len(), 1);
    only_offer(&lab.index(&IndexFlags {
        refresh: true,
        ..flags
    }));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("if-none-match"), Some("\"one\""));
}

#[test]
fn a_stale_answer_is_asked_about_and_used_if_it_is_still_the_same() {
    let server = index("no-cache");
    let lab = Lab::new();
    let flags = at(&server.url("/simple/"));
    for _ in 0..3 {
        only_offer(&lab.index(&flags));
    }
    let conditions: Vec<bool> = server
        .requests()
        .iter()
        .map(|request| request.header("if-none-match").is_some())
        .collect();
    assert_eq!(conditions, [false, true, true]);
}

#[test]
fn what_may_not_be_kept_is_not() {
    let server = index("no-store");
    let lab = Lab::new();
    for _ in 0..2 {
        only_offer(&lab.index(&at(&server.url("/simple/"))));
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("if-none-match").is_none())
    );
    let offline = IndexFlags {
        offline: true,
        ..at(&server.url("/simple/"))
    };
    assert!(lab.index(&offline).offers(&name("a")).is_err());
}

#[test]
fn offline_nobody_is_asked_and_what_is_remembered_is_enough() {
    let bytes = wheel("a", "1.0", 100);
    let server = Server::start(serving(bytes, Answer::ranged));
    let lab = Lab::new();
    let flags = at(&server.url("/simple/"));
    let online = lab.index(&flags);
    online.metadata(&only_offer(&online)).expect("metadata");
    let asked = server.requests().len();

    let offline = lab.index(&IndexFlags {
        offline: true,
        ..flags
    });
    let offer = only_offer(&offline);
    offline.metadata(&offer).expect("metadata");
    for error in [
        offline.offers(&name("b")).expect_err("not remembered"),
        offline.fetch(&offer, &lab.files()).expect_err("not here"),
    ] {
        assert!(told(&error).contains("--offline"), "{error}");
    }
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn what_is_remembered_is_only_for_its_owner_and_only_if_it_is_whole() {
    use std::os::unix::fs::PermissionsExt;
    let server = index("max-age=600");
    let lab = Lab::new();
    let flags = at(&server.url("/simple/"));
    only_offer(&lab.index(&flags));
    let mut left = vec![lab.home.path().join("cache")];
    let mut entries = Vec::new();
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else {
                entries.push(path);
            }
        }
    }
    assert_eq!(entries.len(), 1, "{entries:?}");
    let mode = entries[0].metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Cut short, as after a power failure.
    let content = std::fs::read(&entries[0]).expect("a file");
    std::fs::write(&entries[0], &content[..content.len() - 1]).expect("written");
    only_offer(&lab.index(&flags));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn who_lies_about_one_wheel_is_not_believed_about_another_s() {
    // The same digest at two servers, of which one sends another METADATA.
    let bytes = wheel("a", "1.0", 100);
    let honest = Server::start(serving(bytes.clone(), Answer::ranged));
    let mut forged = bytes.clone();
    let at_name = forged
        .windows(6)
        .position(|part| part == b"needed")
        .expect("in it");
    forged[at_name..at_name + 6].copy_from_slice(b"forged");
    // Where METADATA is stored, its checksum is in the archive, too.
    let checksum = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let text = crate::lab::metadata("a", "1.0");
    let (old, new) = (
        checksum(text.as_bytes()),
        checksum(text.replace("needed", "forged").as_bytes()),
    );
    for place in 0..forged.len() - 4 {
        if forged[place..place + 4] == old {
            forged[place..place + 4].copy_from_slice(&new);
        }
    }
    let liar = Server::start(serving(bytes, move |request, _| {
        Answer::ranged(request, &forged)
    }));
    let lab = Lab::new();
    let needed = |server: &Server| {
        let index = lab.index(&at(&server.url("/simple/")));
        let metadata = index.metadata(&only_offer(&index)).expect("metadata");
        metadata.requires[0].name.to_string()
    };
    assert_eq!(needed(&liar), "forged");
    assert_eq!(needed(&honest), "needed");
    // The wheel itself is held to its digest.
    let index = lab.index(&at(&liar.url("/simple/")));
    let error = index
        .fetch(&only_offer(&index), &lab.files())
        .expect_err("a lie");
    assert!(told(&error).contains("digest"), "{error}");
}
