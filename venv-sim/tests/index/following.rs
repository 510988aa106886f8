//! Redirects, interruptions, and tries again.

use std::sync::atomic::{AtomicUsize, Ordering};

use venv_sim::Catalogue;

use crate::lab::{Lab, WHEEL, at, name, only_offer, read, serving, told, wheel};
use crate::server::{Answer, Server};

/// Answers with each of `answers` in turn, and then with the last.
fn in_turn<A>(answers: Vec<A>) -> impl Fn() -> A
where
    A: Clone,
{
    let next = AtomicUsize::new(0);
    move || {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        answers[turn.min(answers.len() - 1)].clone()
    }
}

#[test]
fn links_are_joined_to_where_redirects_lead() {
    let bytes = wheel("a", "1.0", 10);
    let files = Server::start({
        let bytes = bytes.clone();
        move |_| Answer::file(bytes.clone())
    });
    let elsewhere = files.url("/elsewhere");
    let pages = serving(bytes, |_, _| Answer::missing());
    let server = Server::start(move |request| match &request.path[..] {
        "/moved/a/" => Answer::redirect("/simple/a/"),
        "/f/a-1.0-py3-none-any.whl" => Answer::redirect(&elsewhere),
        _ => pages(request),
    });
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/moved/")));
    let offer = only_offer(&index);
    let path = index.fetch(&offer, &lab.files()).expect("fetched");
    assert_eq!(path.file_name(), Some(WHEEL.as_ref()));
    assert_eq!(files.count("/elsewhere"), 1);
}

#[test]
fn a_circle_of_redirects_has_an_end() {
    let server = Server::start(|request| match &request.path[..] {
        "/simple/a/" => Answer::redirect("/simple/b/"),
        _ => Answer::redirect("/simple/a/"),
    });
    let error = Lab::new()
        .index(&at(&server.url("/simple/")))
        .offers(&name("a"))
        .expect_err("a circle");
    assert!(
        told(&error).contains("elsewhere again and again"),
        "{error}"
    );
    assert!(server.requests().len() < 20);
}

#[test]
fn a_redirect_to_a_file_of_this_machine_is_not_followed() {
    let server = Server::start(|_| Answer::redirect("file:///etc/passwd"));
    let error = Lab::new()
        .index(&at(&server.url("/simple/")))
        .offers(&name("a"))
        .expect_err("a file");
    assert!(told(&error).contains("file of this machine"), "{error}");
}

#[test]
fn a_file_that_was_cut_off_goes_on_where_it_ended() {
    let bytes = wheel("a", "1.0", 500_000);
    let turn = in_turn(vec![Some(200_000), Some(100_000), None]);
    let server = Server::start(serving(bytes.clone(), move |request, bytes| {
        let mut answer = Answer::ranged(request, bytes).with("ETag", "\"one\"");
        answer.cut = turn();
        answer
    }));
    let lab = Lab::new();
    let mut flags = at(&server.url("/simple/"));
    flags.retries = Some(2);
    let index = lab.index(&flags);
    let offer = only_offer(&index);
    let path = index.fetch(&offer, &lab.files()).expect("fetched");
    assert_eq!(read(&path), bytes);
    let asked: Vec<_> = server
        .requests()
        .iter()
        .filter(|request| request.path.starts_with("/f/"))
        .map(|request| {
            (
                request.header("range").map(str::to_owned),
                request.header("if-range").map(str::to_owned),
            )
        })
        .collect();
    let range = |first: usize| (Some(format!("bytes={first}-")), Some("\"one\"".to_owned()));
    assert_eq!(asked, [(None, None), range(200_000), range(300_000)]);
}

#[test]
fn a_file_that_may_be_another_by_now_comes_again_from_its_start() {
    let bytes = wheel("a", "1.0", 500_000);
    let turn = in_turn(vec![(Some(200_000), "\"one\""), (None, "\"two\"")]);
    // As a server does whose file has another tag than that of If-Range.
    let server = Server::start(serving(bytes.clone(), move |_, bytes| {
        let (cut, etag) = turn();
        let mut answer = Answer::file(bytes).with("ETag", etag);
        answer.cut = cut;
        answer
    }));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offer = only_offer(&index);
    let path = index.fetch(&offer, &lab.files()).expect("fetched");
    assert_eq!(read(&path), bytes);
}

#[test]
fn a_server_that_is_busy_is_asked_again_and_one_that_is_broken_is_told() {
    let bytes = wheel("a", "1.0", 10);
    let turn = in_turn(vec![503, 200]);
    let pages = serving(bytes, |_, bytes| Answer::file(bytes));
    let server = Server::start(move |request| match turn() {
        200 => pages(request),
        status => Answer::new(status, "text/plain", "busy"),
    });
    only_offer(&Lab::new().index(&at(&server.url("/simple/"))));
    assert_eq!(server.count("/simple/a/"), 2);

    let server = Server::start(|_| Answer::new(500, "text/plain", "broken"));
    let error = Lab::new()
        .index(&at(&server.url("/simple/")))
        .offers(&name("a"))
        .expect_err("broken");
    assert!(
        told(&error).contains("500") && told(&error).contains("/simple/a/"),
        "{error}"
    );
    assert_eq!(server.count("/simple/a/"), 2);
}

#[test]
fn an_index_that_is_down_is_told_with_what_to_look_at() {
    // A port that was free a moment ago.
    let port = {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        server.local_addr().expect("an address").port()
    };
    let index = Lab::new().index(&at(&format!("http://127.0.0.1:{port}/simple/")));
    let error = told(&index.offers(&name("a")).expect_err("down"));
    assert!(
        error.contains("cannot be reached") && error.contains("--proxy"),
        "{error}"
    );
}
