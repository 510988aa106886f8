//! What well-behaved indexes give, by each of the ways that the specifications allow.

use std::sync::Mutex;

use venv_sim::index::Strategy;
use venv_sim::{Catalogue, IndexFlags, Kind, Location, MetadataOffer};

use crate::lab::{
    Lab, WHEEL, at, file, metadata, name, only_offer, page, read, serving, sha256, wheel,
};
use crate::server::{Answer, Server};

#[test]
fn a_wheel_is_offered_described_and_fetched() {
    let bytes = wheel("a", "1.0", 1000);
    let server = Server::start(serving(bytes.clone(), |_, bytes| Answer::file(bytes)));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));

    let offer = only_offer(&index);
    assert_eq!(
        offer.location,
        Location::Url(server.url(&format!("/f/{WHEEL}")))
    );
    assert_eq!(
        (offer.size, offer.origin.as_str()),
        (Some(bytes.len() as u64), &server.url("/simple/")[..])
    );
    let metadata = index.metadata(&offer).expect("metadata");
    assert_eq!(metadata.requires[0].name.as_str(), "needed");
    let path = index.fetch(&offer, &lab.files()).expect("fetched");
    assert_eq!(
        (path.file_name(), read(&path)),
        (Some(WHEEL.as_ref()), bytes)
    );
    assert_eq!(lab.listed(), [WHEEL]);
    assert_eq!(index.offers(&name("b")).expect("none"), []);
}

#[test]
fn json_is_asked_for_first_and_html_is_understood() {
    let bytes = wheel("a", "1.0", 10);
    let hex = sha256(&bytes);
    let html = format!(
        "<a href='/f/{WHEEL}#sha256={hex}' data-requires-python='&gt;=3.8'>x</a><a href='..'>up</a>"
    );
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::html(html.clone()),
        _ => Answer::file(bytes.clone()),
    });
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple")));
    let offer = only_offer(&index);
    assert!(offer.requires_python.is_some());
    index.fetch(&offer, &lab.files()).expect("fetched");

    let accept = server.requests()[0]
        .header("accept")
        .expect("a header")
        .to_owned();
    let kinds: Vec<&str> = accept.split(',').map(str::trim).collect();
    assert_eq!(kinds[0], "application/vnd.pypi.simple.v1+json");
    assert!(
        kinds[1..].iter().all(|kind| kind.contains(";q=0.")),
        "{accept}"
    );
}

#[test]
fn metadata_that_lies_beside_the_wheel_is_taken_and_the_wheel_is_not() {
    let text = metadata("a", "1.0");
    let hex = sha256(text.as_bytes());
    let listed = format!(
        r#"{{"filename": "{WHEEL}", "url": "/f/{WHEEL}", "hashes": {{}}, "core-metadata": {{"sha256": "{hex}"}}}}"#
    );
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", std::slice::from_ref(&listed))),
        path if path.ends_with(".metadata") => Answer::file(text.clone()),
        _ => Answer::missing(),
    });
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offer = only_offer(&index);
    assert!(matches!(&offer.metadata, MetadataOffer::Yes { digests } if digests.len() == 1));
    assert_eq!(index.metadata(&offer).expect("metadata").requires.len(), 1);
    assert_eq!(server.count(&format!("/f/{WHEEL}")), 0);
}

#[test]
fn of_a_long_wheel_only_the_end_is_fetched_for_its_metadata() {
    let bytes = wheel("a", "1.0", 10 << 20);
    let server = Server::start(serving(bytes, Answer::ranged));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offer = only_offer(&index);
    assert_eq!(index.metadata(&offer).expect("metadata").requires.len(), 1);
    assert_eq!(server.count(&format!("/f/{WHEEL}")), 1);
}

#[test]
fn a_metadata_that_lies_far_from_the_list_is_fetched_by_one_range_more() {
    // The METADATA first, so that the list at the end tells of it and does not hold it.
    let bytes = {
        use std::io::{Cursor, Write};
        let mut wheel = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        wheel
            .start_file("a-1.0.dist-info/METADATA", stored)
            .expect("a file");
        wheel
            .write_all(metadata("a", "1.0").as_bytes())
            .expect("written");
        for count in 0..3000 {
            wheel
                .start_file(format!("a/{count}.py"), stored)
                .expect("a file");
            wheel.write_all(&[b'#'; 500]).expect("written");
        }
        wheel.finish().expect("a wheel").into_inner()
    };
    let length = bytes.len();
    let server = Server::start(serving(bytes, Answer::ranged));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offer = only_offer(&index);
    assert_eq!(index.metadata(&offer).expect("metadata").requires.len(), 1);
    let asked: Vec<_> = server
        .requests()
        .iter()
        .filter_map(|request| request.range(length))
        .collect();
    let bytes: usize = asked.iter().map(|(first, last)| last - first + 1).sum();
    assert!(asked.len() <= 6 && bytes < 400_000, "{asked:?}");
}

#[test]
fn a_server_that_gives_no_ranges_gives_the_wheel() {
    let bytes = wheel("a", "1.0", 300_000);
    let server = Server::start(serving(bytes, |_, bytes| Answer::file(bytes)));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    assert_eq!(
        index
            .metadata(&only_offer(&index))
            .expect("metadata")
            .requires
            .len(),
        1
    );
    assert_eq!(server.count(&format!("/f/{WHEEL}")), 1);
}

#[test]
fn a_promise_of_metadata_that_is_not_kept_leads_to_the_wheel() {
    let bytes = wheel("a", "1.0", 100);
    let listed = format!(
        r#"{{"filename": "{WHEEL}", "url": "/f/{WHEEL}", "hashes": {{}}, "core-metadata": true}}"#
    );
    let server = Server::start(move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", std::slice::from_ref(&listed))),
        path if path.ends_with(".metadata") => Answer::missing(),
        _ => Answer::ranged(request, &bytes),
    });
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    index.metadata(&only_offer(&index)).expect("metadata");
}

#[test]
fn all_files_come_in_the_order_of_their_offers_and_each_byte_is_told() {
    let wheels: Vec<(String, Vec<u8>)> = (0..12)
        .map(|number| {
            (
                format!("a-{number}-py3-none-any.whl"),
                wheel("a", &number.to_string(), 5000 * number),
            )
        })
        .collect();
    let files: Vec<String> = wheels
        .iter()
        .map(|(name, bytes)| file(&format!("/f/{name}"), bytes))
        .collect();
    let total: usize = wheels.iter().map(|(_, bytes)| bytes.len()).sum();
    let server = Server::start(move |request| match request.path.strip_prefix("/f/") {
        None => Answer::json(page("a", &files)),
        Some(asked) => {
            let (_, bytes) = wheels
                .iter()
                .find(|(name, _)| name == asked)
                .expect("a wheel");
            Answer::file(bytes.clone())
        }
    });
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    let offers = index.offers(&name("a")).expect("offers");
    let told = Mutex::new(0);
    let came = |_: &venv_sim::Offer, bytes: i64| *told.lock().expect("a count") += bytes;
    let paths = index
        .fetch_all(&offers, &lab.files(), &came)
        .expect("fetched");
    let names: Vec<_> = paths
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    let expected: Vec<_> = offers.iter().map(|offer| &offer.file_name[..]).collect();
    assert_eq!(names, expected);
    assert_eq!(usize::try_from(*told.lock().expect("a count")), Ok(total));
}

#[test]
fn what_is_expected_is_asked_once_and_its_likely_metadata_with_it() {
    let bytes = wheel("a", "1.0", 100);
    let server = Server::start(serving(bytes, Answer::ranged));
    let lab = Lab::new();
    let index = lab.index(&at(&server.url("/simple/")));
    index.guess(|offers| offers.first().cloned());
    index.expect(&[name("a"), name("b"), name("a")]);
    let wheel = format!("/f/{WHEEL}");
    for _ in 0..500 {
        if server.count(&wheel) > 0 && server.count("/simple/b/") > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let offer = only_offer(&index);
    index.metadata(&offer).expect("metadata");
    assert_eq!(index.offers(&name("b")).expect("none"), []);
    for path in ["/simple/a/", "/simple/b/", &wheel] {
        assert_eq!(server.count(path), 1, "{path}");
    }
}

#[test]
fn a_directory_a_page_and_a_file_are_places_for_links() {
    let lab = Lab::new();
    let place = lab.home.path().join("a place");
    std::fs::create_dir(&place).expect("made");
    let bytes = wheel("a", "1.0", 10);
    std::fs::write(place.join(WHEEL), &bytes).expect("written");
    std::fs::write(place.join("a-2.0.tar.gz"), "sources").expect("written");
    std::fs::write(
        place.join("links.html"),
        "<a href='sub/a-3.0-py3-none-any.whl'>x</a>",
    )
    .expect("written");
    std::fs::write(place.join("notes.txt"), "no").expect("written");
    let server = Server::start(|_| Answer::html("<a href='f/a-4.0-py3-none-any.whl'>x</a>"));
    let page = server.url("/links/");
    let flags = IndexFlags {
        no_index: true,
        find_links: vec![place.display().to_string(), page],
        ..IndexFlags::default()
    };
    let index = lab.index(&flags);
    let mut offers = index.offers(&name("a")).expect("offers");
    offers.sort_by_key(|offer| offer.version().clone());
    let versions: Vec<_> = offers
        .iter()
        .map(|offer| offer.version().to_string())
        .collect();
    assert_eq!(versions, ["1.0", "2.0", "3.0", "4.0"]);
    assert!(matches!(offers[1].kind, Kind::Source { .. }));
    assert_eq!(
        offers[3].location,
        Location::Url(server.url("/links/f/a-4.0-py3-none-any.whl"))
    );
    assert_eq!(
        index.metadata(&offers[0]).expect("metadata").requires.len(),
        1
    );
    let path = index.fetch(&offers[0], &lab.files()).expect("here");
    assert_eq!(path, place.join(WHEEL));
    assert_eq!(index.offers(&name("b")).expect("none"), []);

    let file = place.join(WHEEL).display().to_string();
    let flags = IndexFlags {
        find_links: vec![file],
        ..flags
    };
    assert_eq!(
        lab.index(&flags).offers(&name("a")).expect("offers").len(),
        1
    );
}

#[test]
fn a_directory_in_the_form_of_an_index_is_one() {
    let lab = Lab::new();
    let simple = lab.home.path().join("simple");
    for project in ["a", "b"] {
        std::fs::create_dir_all(simple.join(project)).expect("made");
    }
    std::fs::write(simple.join("a").join(WHEEL), wheel("a", "1.0", 10)).expect("written");
    std::fs::write(
        simple.join("b/index.html"),
        "<a href='../a/b-1.0-py3-none-any.whl'>x</a>",
    )
    .expect("written");
    for address in [
        simple.display().to_string(),
        format!("file://{}", simple.display()),
    ] {
        let index = lab.index(&at(&address));
        assert_eq!(
            only_offer(&index).location,
            Location::Path(simple.join("a").join(WHEEL))
        );
        let b = index.offers(&name("b")).expect("offers");
        assert_eq!(
            b[0].location,
            Location::Path(simple.join("a/b-1.0-py3-none-any.whl"))
        );
        assert_eq!(index.offers(&name("c")).expect("none"), []);
    }
}

#[test]
fn a_project_is_taken_from_the_first_index_that_has_it() {
    let index_of = |version: &'static str| {
        Server::start(move |request| match &request.path[..] {
            "/a/" => Answer::json(page(
                "a",
                &[file(&format!("/f/a-{version}-py3-none-any.whl"), b"")],
            )),
            "/b/" if version == "9.0" => {
                Answer::json(page("b", &[file("/f/b-1.0-py3-none-any.whl", b"")]))
            }
            _ => Answer::missing(),
        })
    };
    let (private, public) = (index_of("1.0"), index_of("9.0"));
    let flags = IndexFlags {
        extra_index_urls: vec![private.url("/")],
        ..at(&public.url("/"))
    };
    let versions = |flags: &IndexFlags, project: &str| -> Vec<String> {
        let offers = Lab::new()
            .index(flags)
            .offers(&name(project))
            .expect("offers");
        offers
            .iter()
            .map(|offer| offer.version().to_string())
            .collect()
    };
    assert_eq!(versions(&flags, "a"), ["1.0"]);
    assert_eq!(
        public.count("/a/"),
        0,
        "the public index is not even asked for a private name"
    );
    assert_eq!(versions(&flags, "b"), ["1.0"]);
    let all = IndexFlags {
        strategy: Strategy::UnsafeBestMatch,
        ..flags.clone()
    };
    assert_eq!(versions(&all, "a"), ["1.0", "9.0"]);

    let passed_over = Lab::new()
        .index(&flags)
        .elsewhere(&name("a"))
        .expect("offers");
    assert_eq!(passed_over.len(), 1);
    assert_eq!(
        (passed_over[0].version().to_string(), &passed_over[0].origin),
        ("9.0".to_owned(), &public.url("/"))
    );
    assert_eq!(
        Lab::new()
            .index(&flags)
            .elsewhere(&name("b"))
            .expect("none"),
        []
    );
}
