//! Whole builds that run no program: what the image of a Dockerfile is.

use std::fs;
use std::io::Read as _;

use super::*;
use crate::registry::Settings;
use crate::store::tests::with_store;

/// Builds in a store from a context that holds two files.
fn built(store: &Store, text: &str) -> Image {
    let context = tempfile::tempdir().unwrap();
    fs::create_dir_all(context.path().join("src/deep")).unwrap();
    for path in ["file", "src/deep/file"] {
        fs::write(context.path().join(path), "content").unwrap();
    }
    let request = Request {
        file: "Dockerfile".to_owned(),
        text: text.as_bytes().to_vec(),
        context: context.path().to_owned(),
        ignore: Ignore::default(),
        given: Given::nothing(),
        target: None,
        no_cache: false,
        network: Network::None,
        secrets: BTreeMap::new(),
        agents: BTreeMap::new(),
        labels: BTreeMap::new(),
        shell_on_fail: false,
    };
    let attending = Attending {
        fetch: &|_, reference, _, _| panic!("{reference} is asked for"),
        client: &Client::new(Settings::of(|_| None)),
        tell: &|_| {},
        is_interrupted: &|| false,
    };
    let built = build(store, &Room::find(), &request, attending);
    let built = built.unwrap_or_else(|error| panic!("{text}: {error}"));
    store.image(&built.descriptor, &Platform::host()).unwrap()
}

/// `UID:GID PATH` of each entry of the topmost layer.
fn top(store: &Store, image: &Image) -> Vec<String> {
    let (layer, _) = image.layers().next_back().unwrap();
    let mut bytes = Vec::new();
    let packed = store.open_blob(layer, "a test").unwrap();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let entries = archive.entries().unwrap();
    let told = entries.map(|entry| {
        let entry = entry.unwrap();
        let (uid, gid) = (entry.header().uid().unwrap(), entry.header().gid().unwrap());
        format!("{uid}:{gid} {}", entry.path().unwrap().display())
    });
    told.collect()
}

#[test]
fn an_image_of_nothing_says_where_programs_are() {
    with_store(|_, store| {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let run = |text| built(store, text).config.config;
        let plain = run("FROM scratch\nCOPY file /\n");
        assert_eq!(plain.env, [format!("PATH={path}")]);
        assert_eq!(plain.working_dir, "/");
        let more = run("FROM scratch AS a\nFROM a\nENV PATH=/x:$PATH\nWORKDIR y\n");
        assert_eq!(more.env, [format!("PATH=/x:{path}")]);
        assert_eq!(more.working_dir, "/y");
    });
}

#[test]
fn a_working_directory_is_made_for_its_user() {
    with_store(|_, store| {
        for (user, owner) in [
            ("USER 5", "5:5"),
            ("USER 5:6", "5:6"),
            ("", "0:0"),
            ("USER nobody-knows", "0:0"),
        ] {
            let image = built(store, &format!("FROM scratch\n{user}\nWORKDIR /a/b\n"));
            let made = ["a/", "a/b/"].map(|path| format!("{owner} {path}"));
            assert_eq!(top(store, &image), made, "{user}");
        }
    });
}

#[test]
fn a_working_directorys_user_is_looked_up_in_the_image() {
    if Room::find().maps().is_some() {
        eprintln!("skipped: only root unpacks the layers below without a namespace");
        return;
    }
    with_store(|_, store| {
        let text =
            "FROM scratch\nCOPY <<passwd /etc/\napp:x:5:6::/:\npasswd\nUSER app\nWORKDIR /a\n";
        assert_eq!(top(store, &built(store, text)), ["5:6 a/"]);
    });
}

#[test]
fn where_no_source_means_anything_nothing_is_copied() {
    with_store(|_, store| {
        let image = built(store, "FROM scratch\nCOPY none* gone? /to/\n");
        assert!(top(store, &image).is_empty());
        let image = built(store, "FROM scratch\nCOPY file none* /to/\n");
        assert_eq!(top(store, &image), ["0:0 to/", "0:0 to/file"]);
    });
}

#[test]
fn copy_with_parents_keeps_what_follows_the_pivot() {
    with_store(|_, store| {
        let text = "FROM scratch\nCOPY --parents src/./deep/file **/file /to/\n";
        let paths = [
            "",
            "deep/",
            "deep/file",
            "file",
            "src/",
            "src/deep/",
            "src/deep/file",
        ];
        let told = paths.map(|path| format!("0:0 to/{path}"));
        assert_eq!(top(store, &built(store, text)), told);
    });
}
