//! Indexes that stall, lie, flood, or are none: each ends in an error that says so, in time, and
//! leaves nothing behind.

use std::io::Write;
use std::time::{Duration, Instant};

use venv_sim::{Catalogue, Error};

use crate::lab::{Lab, WHEEL, at, file, name, only_offer, page, serving, told, wheel};
use crate::server::{Answer, Request, Server};

/// What asking for the files of `a` ends with.
fn asking(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> String {
    let server = Server::start(answer);
    let index = Lab::new().index(&at(&server.url("/simple/")));
    told(&index.offers(&name("a")).expect_err("no list of files"))
}

/// What fetching the wheel ends with, and that nothing is left of it.
fn fetching(answer: impl Fn(&Request, &[u8]) -> Answer + Send + Sync + 'static) -> Error {
    let server = Server::start(serving(wheel("a", "1.0", 200_000), answer));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offer = only_offer(&index);
    let error = index
        .fetch(&offer, &lab.files())
        .expect_err("no such wheel");
    assert_eq!(lab.listed(), Vec::<String>::new(), "{error}");
    error
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let stalled = |bytes: usize| {
        let start = Instant::now();
        let text = asking(move |_| {
            let mut answer = Answer::json(page("a", &[]));
            answer.stall = Some(bytes);
            answer
        });
        // Two tries of a second each, and a pause.
        assert!(start.elapsed() < Duration::from_secs(10));
        text
    };
    for bytes in [0, 10] {
        let text = stalled(bytes);
        assert!(
            text.contains("nothing came from it for 1 s") && text.contains("--timeout"),
            "{text}"
        );
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/simple/",
        silent.local_addr().expect("an address")
    );
    let error = Lab::new()
        .index(&at(&url))
        .offers(&name("a"))
        .expect_err("silence");
    assert!(
        told(&error).contains("nothing came from it for 1 s"),
        "{error}"
    );
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_is_given_up() {
    let start = Instant::now();
    let text = asking(|_| {
        let mut answer = Answer::json(page("a", &[]));
        answer.drip = Some(Duration::from_millis(300));
        answer
    });
    assert!(text.contains("bytes in"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_file_that_is_always_cut_off_is_no_file() {
    let error = fetching(|_, bytes| {
        let mut answer = Answer::file(bytes);
        answer.cut = Some(1000);
        answer
    });
    assert!(told(&error).contains("ended"), "{error}");
}

#[test]
fn a_file_that_stalls_is_given_up() {
    let error = fetching(|_, bytes| {
        let mut answer = Answer::file(bytes);
        answer.stall = Some(1000);
        answer
    });
    assert!(told(&error).contains("nothing came from it"), "{error}");
}

#[test]
fn a_file_that_is_not_the_one_that_was_promised_is_not_kept() {
    let error = fetching(move |_, bytes| {
        let mut bytes = bytes.to_vec();
        bytes[100] ^= 1;
        Answer::file(bytes)
    });
    assert!(
        told(&error).contains("digest") && told(&error).contains("do not install"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_length_is_not_kept() {
    let longer = fetching(|_, bytes| Answer::file([bytes, &b"more"[..]].concat()));
    let shorter = fetching(|_, bytes| Answer::file(&bytes[..1000]));
    // Where the head says nothing of the length, it shows when it has come.
    let endless = fetching(|_, bytes| {
        let mut answer =
            Answer::file([bytes, bytes].concat()).with("Transfer-Encoding", "identity");
        answer.cut = Some(2 * bytes.len());
        answer.with("Connection", "close")
    });
    for error in [longer, shorter, endless] {
        assert!(
            matches!(error, Error::Index { .. }) && told(&error).contains("bytes"),
            "{error}"
        );
    }
}

#[test]
fn a_part_that_was_not_asked_for_is_not_taken() {
    // The rest of the file, but from elsewhere.
    let error = fetching(|request, bytes| {
        if request.header("range").is_some() {
            let mut answer = Answer::file(&bytes[..100]).with("ETag", "\"one\"");
            answer.status = 206;
            return answer.with("Content-Range", &format!("bytes 0-99/{}", bytes.len()));
        }
        let mut answer = Answer::file(bytes).with("ETag", "\"one\"");
        answer.cut = Some(1000);
        answer
    });
    assert!(
        told(&error).contains("less of the file") || told(&error).contains("another part"),
        "{error}"
    );
    let error = fetching(|_, bytes| {
        let mut answer = Answer::file(bytes);
        answer.status = 206;
        answer.with(
            "Content-Range",
            &format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len()),
        )
    });
    assert!(told(&error).contains("not asked for"), "{error}");
}

#[test]
fn ranges_that_lie_end_in_an_error_and_not_in_metadata() {
    let lies: [fn(&Request, &[u8]) -> Answer; 5] = [
        // Other bytes than those that are said.
        |request, bytes| {
            let mut answer = Answer::ranged(request, bytes);
            answer.body.pop();
            answer
        },
        // More of them.
        |request, bytes| {
            let mut answer = Answer::ranged(request, bytes);
            answer.body.extend_from_slice(b"more");
            answer
        },
        // Another length of the whole.
        |_, bytes| {
            let mut answer = Answer::file(bytes);
            answer.status = 206;
            answer.with("Content-Range", "bytes 0-99999999/100000000")
        },
        // Not said at all.
        |_, bytes| {
            let mut answer = Answer::file(bytes);
            answer.status = 206;
            answer
        },
        // No numbers.
        |_, bytes| {
            let mut answer = Answer::file(bytes);
            answer.status = 206;
            answer.with(
                "Content-Range",
                "bytes 18446744073709551615-18446744073709551615/*",
            )
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let server = Server::start(serving(wheel("a", "1.0", 200_000), lie));
        let index = Lab::new().index(&at(&server.url("/simple/")));
        let error = index.metadata(&only_offer(&index)).expect_err("a lie");
        assert!(matches!(error, Error::Index { .. }), "{number}: {error}");
    }
}

#[test]
fn metadata_that_is_not_the_one_that_was_promised_is_not_believed() {
    let listed = format!(
        r#"{{"filename": "{WHEEL}", "url": "/f/{WHEEL}", "hashes": {{}}, "core-metadata": {{"sha256": "{}"}}}}"#,
        "0".repeat(64)
    );
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", std::slice::from_ref(&listed))),
        _ => Answer::file(crate::lab::metadata("a", "1.0")),
    });
    let index = Lab::new().index(&at(&server.url("/simple/")));
    let error = index.metadata(&only_offer(&index)).expect_err("a lie");
    assert!(
        told(&error).contains("METADATA") && told(&error).contains("digest"),
        "{error}"
    );
}

#[test]
fn metadata_of_another_project_is_not_believed() {
    let bytes = wheel("b", "1.0", 10);
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", &[file(&format!("/f/{WHEEL}"), &bytes)])),
        _ => Answer::file(bytes.clone()),
    });
    let index = Lab::new().index(&at(&server.url("/simple/")));
    let error = index.metadata(&only_offer(&index)).expect_err("another's");
    assert!(told(&error).contains("its METADATA `b`"), "{error}");
}

#[test]
fn what_is_no_list_of_files_is_told_for_what_it_is() {
    for (answer, why) in [
        (
            Answer::html("<html><body><form action=/login><input></form></body>"),
            "page for people",
        ),
        (Answer::json("<!DOCTYPE html><html>"), "HTML"),
        (Answer::json(page("b", &[])), "`b`"),
        (
            Answer::json(page("a", &[]).replace("1.1", "3.0")),
            "unknown",
        ),
        (Answer::new(200, "image/png", "\u{89}PNG"), "image/png"),
        (
            Answer::json(page("a", &[])).with("Content-Encoding", "br"),
            "packed",
        ),
    ] {
        let text = asking(move |_| answer.clone());
        assert!(text.contains(why) && text.contains("/simple/"), "{text}");
    }
}

#[test]
fn who_may_not_ask_is_told_how_to_say_who_they_are() {
    for status in [401, 403] {
        let text = asking(move |_| Answer::new(status, "text/html", "no"));
        assert!(
            text.contains(&status.to_string()) && text.contains(".netrc"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_http_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/simple/",
        listener.local_addr().expect("an address")
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"SSH-2.0-nothing\r\n\r\n");
        }
    });
    let error = Lab::new()
        .index(&at(&url))
        .offers(&name("a"))
        .expect_err("no HTTP");
    assert!(
        told(&error).contains("HTTP") || told(&error).contains("reached"),
        "{error}"
    );
}

/// Zeros, packed.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..mebibytes {
        packed.write_all(&vec![b' '; 1 << 20]).expect("packed");
    }
    packed.finish().expect("packed")
}

#[test]
fn a_page_that_unpacks_without_end_is_not_unpacked_to_the_end() {
    let packed = bomb(80);
    assert!(packed.len() < 1 << 20);
    let text = asking(move |_| Answer::json(packed.clone()).with("Content-Encoding", "gzip"));
    assert!(text.contains("longer than"), "{text}");
}

#[test]
fn a_page_that_came_packed_is_read() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed
        .write_all(page("a", &[file(&format!("/f/{WHEEL}"), b"")]).as_bytes())
        .expect("packed");
    let packed = packed.finish().expect("packed");
    let server = Server::start(move |request| {
        assert_eq!(request.header("accept-encoding"), Some("gzip"));
        Answer::json(packed.clone()).with("Content-Encoding", "gzip")
    });
    only_offer(&Lab::new().index(&at(&server.url("/simple/"))));
}

#[test]
fn a_page_cannot_lead_to_files_of_this_machine_nor_name_paths() {
    let html = "<a href='file:///etc/a-1.0-py3-none-any.whl'>x</a>\
        <a href='a%2f..%2fa-2.0-py3-none-any.whl'>x</a>";
    let json = page(
        "a",
        &[
            file("file:///etc/a-1.0-py3-none-any.whl", b""),
            r#"{"filename": "../a-2.0-py3-none-any.whl", "url": "/f/a", "hashes": {}}"#.to_owned(),
            r#"{"filename": "/a-3.0-py3-none-any.whl", "url": "/f/a", "hashes": {}}"#.to_owned(),
        ],
    );
    for answer in [Answer::html(html), Answer::json(json)] {
        let server = Server::start(move |_| answer.clone());
        let index = Lab::new().index(&at(&server.url("/simple/")));
        assert_eq!(index.offers(&name("a")).expect("a page"), []);
    }
}

#[test]
fn an_offer_with_a_path_for_a_name_is_written_nowhere() {
    let server = Server::start(serving(wheel("a", "1.0", 10), |_, bytes| {
        Answer::file(bytes)
    }));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let mut offer = only_offer(&index);
    for path in ["../escaped.whl", "/tmp/escaped.whl", "..", "", ".hidden"] {
        offer.file_name = path.to_owned();
        index.fetch(&offer, &lab.files()).expect_err(path);
    }
    assert!(!lab.home.path().join("escaped.whl").exists());
}

#[test]
fn the_first_that_fails_of_many_is_told_and_the_whole_ends() {
    let bytes = wheel("a", "1.0", 10);
    let files: Vec<String> = (0..20)
        .map(|number| file(&format!("/f/a-{number}-py3-none-any.whl"), &bytes))
        .collect();
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", &files)),
        path if path.contains("a-7-") => Answer::missing(),
        _ => Answer::file(bytes.clone()),
    });
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offers = index.offers(&name("a")).expect("offers");
    let error = index
        .fetch_all(&offers, &lab.files(), &|_, _| {})
        .expect_err("one is missing");
    assert!(told(&error).contains("a-7-"), "{error}");
    assert!(
        lab.listed().iter().all(|name| !name.starts_with('.')),
        "no part is left"
    );
}
