//! Names and passwords: who is shown them, and who is not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use venv_sim::index::Variables;
use venv_sim::{Catalogue, IndexFlags};

use crate::lab::{Lab, WHEEL, at, file, name, only_offer, page, serving, sha256, told, wheel};
use crate::server::{Answer, Server};

/// `me:secret`, as RFC 7617 has it.
const AUTHORIZATION: &str = "Basic bWU6c2VjcmV0";

fn with_user(url: &str) -> String {
    url.replacen("http://", "http://me:secret@", 1)
}

#[test]
fn the_address_of_an_index_says_who_asks_and_only_its_server_is_told() {
    let bytes = wheel("a", "1.0", 10);
    let other = Server::start({
        let bytes = bytes.clone();
        move |_| Answer::file(bytes.clone())
    });
    let elsewhere = other.url("/moved");
    let listed = [
        file(&format!("/f/{WHEEL}"), &bytes),
        file(&other.url("/f/a-2.0-py3-none-any.whl"), &bytes),
        file("/moved/a-3.0-py3-none-any.whl", &bytes),
    ];
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", &listed)),
        path if path.starts_with("/moved/") => Answer::redirect(&elsewhere),
        _ => Answer::file(bytes.clone()),
    });
    let lab = Lab::new();
    let index = lab.index(&at(&with_user(&server.url("/simple/"))));
    let offers = index.offers(&name("a")).expect("offers");
    for offer in &offers {
        index.fetch(offer, &lab.files()).expect("fetched");
    }
    let told: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(told, vec![Some(AUTHORIZATION.to_owned()); 3]);
    let told: Vec<bool> = other
        .requests()
        .iter()
        .map(|request| request.header("authorization").is_some())
        .collect();
    assert_eq!(told, [false, false]);
    for text in [
        format!("{offers:?}"),
        format!("{:?}", index.settings()),
        index.settings().explanation(),
    ] {
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn no_error_shows_a_password() {
    let server = Server::start(|request| match &request.path[..] {
        "/simple/a/" => Answer::new(403, "text/plain", ""),
        "/simple/b/" => Answer::redirect("http://you:other-secret@bad host/"),
        "/simple/c/" => Answer::json("nonsense"),
        _ => Answer::new(500, "text/plain", ""),
    });
    let index = Lab::new().index(&at(&with_user(&server.url("/simple/"))));
    for project in ["a", "b", "c", "d"] {
        let error = index.offers(&name(project)).expect_err(project);
        let text = format!("{} {error:?}", told(&error));
        assert!(!text.contains("secret"), "{text}");
    }
    for bad in [
        "http://me:secret@a b/",
        "gopher://me:secret@host/",
        "http://me:secret@/x",
    ] {
        let error = Lab::new()
            .settings(&at(bad), &Variables::new())
            .expect_err(bad);
        assert!(!told(&error).contains("secret"), "{error}");
    }
}

#[test]
fn the_netrc_says_who_asks_on_which_server() {
    let bytes = wheel("a", "1.0", 10);
    let server = Server::start(serving(bytes, |_, bytes| Answer::file(bytes)));
    let asked = |netrc: &str| {
        let lab = Lab::new();
        let path = lab.home.path().join(".netrc");
        std::fs::write(&path, netrc).expect("written");
        let home = ("HOME".to_owned(), lab.home.path().display().to_string());
        let index = lab.index_with(&at(&server.url("/simple/")), &Variables::from([home]));
        index.offers(&name("a")).expect("offers");
        let requests = server.requests();
        requests
            .last()
            .and_then(|request| request.header("authorization").map(str::to_owned))
    };
    assert_eq!(
        asked("machine 127.0.0.1 login me password secret").as_deref(),
        Some(AUTHORIZATION)
    );
    assert_eq!(asked("machine other.test login me password secret"), None);
    assert_eq!(
        asked("default login me password secret").as_deref(),
        Some(AUTHORIZATION)
    );
}

#[test]
fn the_default_of_a_netrc_is_not_for_servers_that_a_page_leads_to() {
    let bytes = wheel("a", "1.0", 10);
    let other = Server::start({
        let bytes = bytes.clone();
        move |_| Answer::file(bytes.clone())
    });
    let listed = [file(&other.url(&format!("/f/{WHEEL}")), &bytes)];
    let server = Server::start(move |_| Answer::json(page("a", &listed)));
    let lab = Lab::new();
    let netrc = lab.home.path().join("a netrc");
    std::fs::write(&netrc, "default login me password secret").expect("written");
    let variable = ("NETRC".to_owned(), netrc.display().to_string());
    let index = lab.index_with(&at(&server.url("/simple/")), &Variables::from([variable]));
    index
        .fetch(&only_offer(&index), &lab.files())
        .expect("fetched");
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(AUTHORIZATION)
    );
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[test]
fn what_one_user_was_answered_is_not_shown_to_another() {
    let server = Server::start(|request| match request.header("authorization") {
        Some(AUTHORIZATION) => {
            let answer = Answer::json(page("a", &[file(&format!("/f/{WHEEL}"), b"")]));
            answer.with("Cache-Control", "max-age=600")
        }
        _ => Answer::missing(),
    });
    let lab = Lab::new();
    let url = server.url("/simple/");
    only_offer(&lab.index(&at(&with_user(&url))));
    only_offer(&lab.index(&at(&with_user(&url))));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(lab.index(&at(&url)).offers(&name("a")).expect("none"), []);
    let offline = IndexFlags {
        offline: true,
        ..at(&url)
    };
    assert!(lab.index(&offline).offers(&name("a")).is_err());
}

#[test]
fn without_encryption_only_this_machine_and_who_is_trusted_are_asked() {
    let proxy = Server::start(|_| Answer::new(502, "text/plain", ""));
    let flags = IndexFlags {
        proxy: Some(proxy.url("")),
        ..at("http://index.test/simple/")
    };
    let error = Lab::new()
        .index(&flags)
        .offers(&name("a"))
        .expect_err("not encrypted");
    assert!(
        told(&error).contains("not https") && told(&error).contains("--trusted-host"),
        "{error}"
    );
    assert_eq!(proxy.requests().len(), 0, "nobody was asked");

    for trusted in ["index.test", "index.test:80"] {
        let asked = proxy.requests().len();
        let flags = IndexFlags {
            trusted_hosts: vec![trusted.to_owned()],
            ..flags.clone()
        };
        Lab::new()
            .index(&flags)
            .offers(&name("a"))
            .expect_err("the proxy refuses");
        assert!(proxy.requests().len() > asked, "{trusted}");
    }
    let flags = IndexFlags {
        trusted_hosts: vec!["index.test:8080".to_owned()],
        ..flags
    };
    let error = Lab::new()
        .index(&flags)
        .offers(&name("a"))
        .expect_err("another port");
    assert!(told(&error).contains("not https"), "{error}");
}

#[test]
fn a_redirect_cannot_take_the_encryption_away() {
    // From a server that may be asked to one that may not.
    let server = Server::start(|_| Answer::redirect("http://index.test/simple/a/"));
    let error = Lab::new()
        .index(&at(&server.url("/simple/")))
        .offers(&name("a"))
        .expect_err("refused");
    assert!(told(&error).contains("not https"), "{error}");
}

#[test]
fn a_proxy_is_asked_to_lead_there_and_told_who_asks_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0; 1];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.extend(byte);
            }
            let _ = sender.send(String::from_utf8_lossy(&head).into_owned());
            let _ = stream.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let flags = IndexFlags {
        proxy: Some(format!("http://me:secret@{address}")),
        trusted_hosts: vec!["index.test".to_owned()],
        ..at("https://index.test/simple/")
    };
    let error = Lab::new()
        .index(&flags)
        .offers(&name("a"))
        .expect_err("the proxy refuses");
    let text = format!("{} {error:?}", told(&error));
    assert!(
        text.contains("proxy") && text.contains("407") && !text.contains("secret"),
        "{text}"
    );
    let head = receiver.recv().expect("a question");
    assert!(
        head.starts_with("CONNECT index.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains(&format!("Proxy-Authorization: {AUTHORIZATION}\r\n")),
        "{head}"
    );
    assert!(!head.contains("/simple/"), "{head}");
}

#[test]
fn digests_are_asked_of_files_of_this_machine_too() {
    let lab = Lab::new();
    let place = lab.home.path().join("links");
    std::fs::create_dir(&place).expect("made");
    std::fs::write(place.join(WHEEL), "tampered with").expect("written");
    let hex = sha256(b"as it was");
    std::fs::write(
        place.join("l.html"),
        format!("<a href='{WHEEL}#sha256={hex}'>x</a>"),
    )
    .expect("written");
    let page = place.join("l.html").display().to_string();
    let flags = IndexFlags {
        no_index: true,
        find_links: vec![page],
        ..IndexFlags::default()
    };
    let index = lab.index(&flags);
    let error = index
        .fetch(&only_offer(&index), &lab.files())
        .expect_err("tampered with");
    assert!(told(&error).contains("digest"), "{error}");
}
