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

/// Every file in the lab's cache.
fn entries(lab: &Lab) -> Vec<std::path::PathBuf> {
    let mut left = vec![lab.home.path().join("cache")];
    let mut entries = Vec::new();
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => left.push(path),
                false => entries.push(path),
            }
        }
    }
    entries
}

/// Changes a byte of what is remembered: that at `place` behind the first line, or so many before
/// the end.
fn spoil(lab: &Lab, place: Result<usize, usize>) {
    let entries = entries(lab);
    assert_eq!(entries.len(), 1, "{entries:?}");
    let mut content = std::fs::read(&entries[0]).expect("a file");
    let line = content.iter().position(|byte| *byte == b'\n');
    let at = match place {
        Ok(behind) => line.expect("a line") + 1 + behind,
        Err(before) => content.len() - before,
    };
    content[at] ^= 1;
    std::fs::write(&entries[0], content).expect("written");
}

#[test]
fn of_a_remembered_page_only_what_was_condensed_is_read_and_the_page_where_that_is_spoiled() {
    let server = index("max-age=600");
    let lab = Lab::new();
    let flags = at(&server.url("/simple/"));
    let first = only_offer(&lab.index(&flags));
    let whole = std::fs::read(&entries(&lab)[0]).expect("a file");
    // Whatever byte of it is another, the page is read instead, and condensed again.
    for behind in [0, 7, 8, 20, 100] {
        spoil(&lab, Ok(behind));
        assert_eq!(only_offer(&lab.index(&flags)), first, "{behind}");
        let mended = std::fs::read(&entries(&lab)[0]).expect("a file");
        assert_eq!(mended, whole, "{behind}");
    }
    // The page itself is no longer one.
    spoil(&lab, Err(1));
    assert_eq!(only_offer(&lab.index(&flags)), first);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_was_condensed_of_another_page_is_never_used() {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let file = file(&format!("/f/a-{turn}.0-py3-none-any.whl"), b"");
        Answer::json(page("a", &[file]))
            .with("ETag", &format!("\"{turn}\""))
            .with("Cache-Control", "no-cache")
    });
    let lab = Lab::new();
    for turn in 0..3 {
        let offer = only_offer(&lab.index(&at(&server.url("/simple/"))));
        assert_eq!(offer.version().to_string(), format!("{turn}.0"));
    }
}

#[test]
fn who_lies_at_one_index_is_not_believed_at_another_of_the_same_server() {
    let bytes = wheel("a", "1.0", 100);
    let listed = bytes.clone();
    let server = Server::start(move |request| match &request.path[..] {
        "/one/a/" | "/two/a/" => {
            let listed = file(&format!("/f{}{WHEEL}", &request.path), &listed);
            let listed = listed.replace("\"hashes\"", "\"core-metadata\": true, \"hashes\"");
            Answer::json(page("a", &[listed]))
        }
        path if path.ends_with(".metadata") => {
            let text = crate::lab::metadata("a", "1.0");
            let lies = path.starts_with("/f/one/");
            Answer::file(if lies {
                text.replace("needed", "forged")
            } else {
                text
            })
        }
        _ => Answer::missing(),
    });
    let lab = Lab::new();
    let needed = |index: &str| {
        let index = lab.index(&at(&server.url(index)));
        let metadata = index.metadata(&only_offer(&index)).expect("metadata");
        metadata.requires[0].name.to_string()
    };
    assert_eq!(needed("/one/"), "forged");
    assert_eq!(needed("/two/"), "needed");
}
