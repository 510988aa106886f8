//! What a copy brings where, told by the entries of its layer.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A context and an image below, both with files by path; what ends in a slash is
/// a directory, and `path->to` a link.
struct Place {
    place: tempfile::TempDir,
}

impl Place {
    fn new(context: &[&str], image: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        for (root, paths) in [("context", context), ("image", image)] {
            fs::create_dir(place.path().join(root)).unwrap();
            for path in paths {
                make(&place.path().join(root), path);
            }
        }
        Self { place }
    }

    fn source(&self) -> Source {
        Source::context(&self.place.path().join("context"), Ignore::default())
    }

    fn below(&self) -> Stack {
        Stack::new([self.place.path().join("image")])
    }

    /// `MODE UID:GID PATH[=CONTENT | ->TO]` of each entry.
    fn copied(&self, change: impl FnOnce(&mut Copying), pattern: &str, to: &str) -> Vec<String> {
        let source = self.source();
        let mut copying = copying(&source, pattern, to);
        change(&mut copying);
        let mut bytes = Vec::new();
        copying.write(&self.below(), &mut bytes).unwrap();
        told(&bytes)
    }

    fn refused(&self, pattern: &str, to: &str) -> String {
        let source = self.source();
        let refused = copying(&source, pattern, to).write(&self.below(), Vec::new());
        refused.unwrap_err().to_string()
    }
}

fn copying(source: &Source, pattern: &str, to: &str) -> Copying {
    Copying {
        parts: parts(source, source.select(pattern).unwrap()),
        inline: Vec::new(),
        to: to.to_owned(),
        owner: None,
        mode: None,
        without: Ignore::default(),
        parents: false,
        latest: Some(0),
    }
}

fn parts(source: &Source, selected: Vec<Selected>) -> Vec<Part> {
    let parts = selected.into_iter().map(|selected| Part {
        tree: source.clone(),
        selected,
        latest: None,
    });
    parts.collect()
}

fn make(root: &Path, path: &str) {
    let (path, to) = match path.split_once("->") {
        Some((path, to)) => (path, Some(to)),
        None => (path, None),
    };
    let at = root.join(path.trim_end_matches('/'));
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    match to {
        Some(to) => symlink(to, at).unwrap(),
        None if path.ends_with('/') => fs::create_dir_all(at).unwrap(),
        None => {
            fs::write(&at, "content").unwrap();
            fs::set_permissions(at, fs::Permissions::from_mode(0o640)).unwrap();
        }
    }
}

fn told(archive: &[u8]) -> Vec<String> {
    use std::io::Read as _;
    let mut told = Vec::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let (mode, uid, gid) = (header.mode(), header.uid(), header.gid());
        let (mode, uid, gid) = (mode.unwrap(), uid.unwrap(), gid.unwrap());
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let link = entry
            .link_name_bytes()
            .map(|to| String::from_utf8_lossy(&to).into_owned());
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let rest = match (link, &*content) {
            (Some(to), _) => format!("->{to}"),
            (None, "content" | "") => String::new(),
            (None, other) => format!("={other}"),
        };
        told.push(format!("{mode:o} {uid}:{gid} {path}{rest}"));
    }
    told
}

/// The owner that files made by this test have on the disk.
fn own() -> String {
    let (uid, gid) = isolab_oci::sys::process::effective_ids();
    format!("{uid}:{gid}")
}

#[test]
fn a_file_goes_where_docker_puts_it() {
    let place = Place::new(&["f", "g"], &["there/", "file"]);
    let keep = |_: &mut Copying| {};
    assert_eq!(place.copied(keep, "f", "/new"), ["640 0:0 new"]);
    assert_eq!(
        place.copied(keep, "f", "/new/"),
        ["755 0:0 new/", "640 0:0 new/f"]
    );
    assert_eq!(place.copied(keep, "f", "/file"), ["640 0:0 file"]);
    let there = format!("755 {} there/", own());
    assert_eq!(
        place.copied(keep, "f", "/there"),
        [&*there, "640 0:0 there/f"]
    );
    assert_eq!(
        place.copied(keep, "[fg]", "/several"),
        ["755 0:0 several/", "640 0:0 several/f", "640 0:0 several/g"]
    );
}

#[test]
fn a_directory_brings_its_content_and_merges() {
    let place = Place::new(
        &["d/x", "d/sub/y", "d/empty/", "d/l->x"],
        &["app/sub/z", "app/old"],
    );
    fs::set_permissions(
        place.place.path().join("image/app/sub"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let own = own();
    assert_eq!(
        place.copied(|_| {}, "d", "/app"),
        [
            format!("755 {own} app/"),
            "755 0:0 app/empty/".to_owned(),
            "777 0:0 app/l->x".to_owned(),
            "755 0:0 app/sub/".to_owned(),
            "640 0:0 app/sub/y".to_owned(),
            "640 0:0 app/x".to_owned(),
        ]
    );
}

#[test]
fn only_the_directory_that_is_copied_to_stays_as_it_is() {
    let place = Place::new(
        &["d/sub/deep/x", "d/link/y"],
        &["app/sub/deep/", "app/link->/tmp", "tmp/"],
    );
    let ask = |copying: &mut Copying| {
        copying.owner = Some((5, 6));
        copying.mode = Some(Chmod::Set(0o500));
    };
    let own = own();
    assert_eq!(
        place.copied(ask, "d", "/app/"),
        [
            format!("755 {own} app/"),
            "500 5:6 app/sub/".to_owned(),
            "500 5:6 app/sub/deep/".to_owned(),
            "500 5:6 app/sub/deep/x".to_owned(),
            format!("755 {own} tmp/"),
            "500 5:6 tmp/y".to_owned(),
        ]
    );
    // A directory that another source brought already is told by the last.
    let place = Place::new(&["a/sub/x", "b/sub/y"], &[]);
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(place.place.path().join("context/b/sub"), mode).unwrap();
    let copied = place.copied(|_| {}, "[ab]", "/to/");
    assert!(copied.contains(&"700 0:0 to/sub/".to_owned()), "{copied:?}");
}

#[test]
fn directories_above_are_told_again_as_they_are() {
    let place = Place::new(&["f"], &["tmp/", "var/", "var/run->/tmp"]);
    let sticky = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(place.place.path().join("image/tmp"), sticky).unwrap();
    let copied = place.copied(|_| {}, "f", "/var/run/a/f");
    let tmp = format!("1777 {} tmp/", own());
    assert_eq!(
        copied,
        [&*tmp, "755 0:0 tmp/a/", "640 0:0 tmp/a/f"],
        "through the link"
    );
}

#[test]
fn owner_and_mode_are_as_asked_and_what_is_excluded_stays() {
    let place = Place::new(&["d/x", "d/y.md", "d/sub/y.md"], &[]);
    let ask = |copying: &mut Copying| {
        copying.owner = Some((5, 6));
        copying.mode = Some(Chmod::Set(0o500));
        copying.without = Ignore::of_patterns(["**/*.md"]).unwrap();
    };
    assert_eq!(
        place.copied(ask, "d", "/app/d/"),
        [
            "755 5:6 app/",
            "500 5:6 app/d/",
            "500 5:6 app/d/sub/",
            "500 5:6 app/d/x"
        ]
    );
}

#[test]
fn inline_files_have_their_places() {
    let place = Place::new(&["f"], &[]);
    let ask = |copying: &mut Copying| {
        copying
            .inline
            .push(("note".to_owned(), "inline".to_owned()));
    };
    assert_eq!(
        place.copied(ask, "f", "/app"),
        ["755 0:0 app/", "640 0:0 app/f", "644 0:0 app/note=inline"]
    );
}

/// The paths that `COPY --parents` brings to `/to/`, but `to/` itself.
fn with_parents(place: &Place, pattern: &str) -> Vec<String> {
    let selected = place.source().select_below(pattern).unwrap();
    let ask = |copying: &mut Copying| {
        copying.parts = parts(&place.source(), selected);
        copying.parents = true;
    };
    let copied = place.copied(ask, ".", "/to/");
    let paths = copied.iter().map(|entry| entry.split_once(" to/").unwrap());
    let paths = paths.map(|(_, path)| path.to_owned());
    paths.filter(|path| !path.is_empty()).collect()
}

#[test]
fn parents_are_kept_from_the_pivot_on() {
    let place = Place::new(
        &[
            "test/a/b/c/d/foo",
            "test/a/b/c/d/e/bay",
            "test/a/b2/c/d/e/bar",
        ],
        &[],
    );
    let all = ["c/", "c/d/", "c/d/e/", "c/d/e/bay", "c/d/foo"];
    assert_eq!(with_parents(&place, "/test/a/b/./c/d"), all);
    assert_eq!(
        with_parents(&place, "/test/a/./b/./c")[1..],
        all.map(|path| format!("b/{path}"))
    );
    let whole = with_parents(&place, "./test/a/b/c/d/.");
    assert_eq!(whole[..3], ["test/", "test/a/", "test/a/b/"]);
    assert_eq!(whole[3..], all.map(|path| format!("test/a/b/{path}")));
    let both = ["c/", "c/d/", "c/d/e/", "c/d/e/bar", "c/d/e/bay"];
    assert_eq!(with_parents(&place, "/test/a/b*/./c/**/e"), both, "of both");
    let one = ["a/", "a/b/", "a/b/c/", "a/b/c/d/", "a/b/c/d/foo"];
    assert_eq!(with_parents(&place, "test/./a/*/c/*/foo"), one);
    assert_eq!(
        with_parents(&place, "test/a/b2/c/./."),
        ["d/", "d/e/", "d/e/bar"]
    );
    assert!(with_parents(&place, "test/./none/*").is_empty());
    for none in ["test/./none", "none/./*", "test/a/b/c/d/foo/./x"] {
        assert!(place.source().select_below(none).is_err(), "{none}");
    }
}

#[test]
fn two_stars_find_a_name_at_every_depth() {
    let place = Place::new(
        &["p.json", "a/p.json", "a/b/p.json", "a/x", "c/x", "l->a"],
        &[],
    );
    let found = ["a/", "a/b/", "a/b/p.json", "a/p.json", "p.json"];
    assert_eq!(with_parents(&place, "**/p.json"), found);
}

#[test]
fn parents_are_what_they_are_in_the_source() {
    let place = Place::new(&["a/b/f"], &[]);
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(place.place.path().join("context/a"), mode).unwrap();
    let selected = place.source().select_below("a/b/f").unwrap();
    let digest = || {
        place
            .source()
            .digest(&selected, &Ignore::default())
            .unwrap()
    };
    let before = digest();
    let ask = |copying: &mut Copying| {
        copying.parts = parts(&place.source(), selected.clone());
        copying.parents = true;
    };
    assert_eq!(
        place.copied(ask, ".", "/app"),
        [
            "755 0:0 app/",
            "700 0:0 app/a/",
            "755 0:0 app/a/b/",
            "640 0:0 app/a/b/f",
        ]
    );
    make(&place.place.path().join("context"), "a/other");
    assert_eq!(digest(), before, "of what is copied alone");
    let mode = fs::Permissions::from_mode(0o750);
    fs::set_permissions(place.place.path().join("context/a"), mode).unwrap();
    assert_ne!(digest(), before);
}

#[test]
fn a_file_and_a_directory_do_not_replace_each_other() {
    let place = Place::new(&["f", "d/x"], &["file", "there/f/"]);
    assert!(place.refused("f", "/there/").contains("is a directory"));
    assert!(place.refused("f", "/file/x").contains("no directory"));
    assert!(place.refused("d", "/file").contains("no directory"));
}

#[test]
fn long_names_and_links_survive() {
    let long = format!("{}/{}", "n".repeat(120), "m".repeat(120));
    let link = format!("l->../{long}");
    let place = Place::new(&[&long, &link], &[]);
    let copied = place.copied(|_| {}, ".", "/");
    assert!(copied.contains(&format!("640 0:0 {long}")), "{copied:?}");
    assert!(
        copied.contains(&format!("777 0:0 l->../{long}")),
        "{copied:?}"
    );
}

#[test]
fn a_link_is_copied_as_what_it_leads_to_under_its_own_name() {
    let place = Place::new(
        &["lib.so.1.2", "lib.so.1->lib.so.1.2", "lib.so->lib.so.1"],
        &[],
    );
    assert_eq!(
        place.copied(|_| {}, "lib.so*", "/lib/"),
        [
            "755 0:0 lib/",
            "640 0:0 lib/lib.so",
            "640 0:0 lib/lib.so.1",
            "640 0:0 lib/lib.so.1.2",
        ]
    );
}

#[test]
fn a_file_and_a_directory_of_one_name_are_refused_wherever_they_come_from() {
    let place = Place::new(&["d1/a", "d2/a/f"], &[]);
    let source = place.source();
    let mut both = copying(&source, "d1", "/x/");
    both.parts.extend(copying(&source, "d2", "/x/").parts);
    let refused = both.write(&place.below(), Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("no directory"), "{refused}");
}

#[test]
fn where_all_files_are_one_users_they_are_roots_in_the_image() {
    let place = Place::new(&["f"], &["usr/bin/"]);
    // Root's tests have other owners to give.
    let directory = place.place.path().join("image/usr/bin");
    let _ = std::os::unix::fs::chown(directory, Some(5), Some(6));
    let below = place.below().owned_by(crate::store::Owners::Single);
    let source = place.source();
    let mut bytes = Vec::new();
    copying(&source, "f", "/usr/bin/")
        .write(&below, &mut bytes)
        .unwrap();
    for entry in told(&bytes) {
        assert!(entry.contains(" 0:0 "), "{entry}");
    }
}

#[test]
fn where_a_wildcard_means_nothing_nothing_is_brought() {
    let place = Place::new(&["f"], &["app/"]);
    for to in ["/app", "/new/", "/new"] {
        assert!(place.copied(|_| {}, "none*", to).is_empty(), "{to}");
    }
}
