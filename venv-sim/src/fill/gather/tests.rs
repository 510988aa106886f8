//! What is taken for what was chosen.

use std::io::{Cursor, Write as _};
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::catalogue::MetadataOffer;
use crate::wheel::{Entry, Record};

fn wheel(project: &str, version: &str) -> Vec<u8> {
    let info = format!("{project}-{version}.dist-info");
    let mut files = vec![
        (
            format!("{info}/WHEEL"),
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec(),
        ),
        (
            format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n").into_bytes(),
        ),
    ];
    let entry = |(path, content): &(String, Vec<u8>)| Entry {
        path: path.clone(),
        digest: Some(Digest::of(content)),
        size: Some(content.len() as u64),
    };
    let mut record = Record {
        entries: files.iter().map(entry).collect(),
    };
    let own = format!("{info}/RECORD");
    record.entries.push(Entry {
        path: own.clone(),
        digest: None,
        size: None,
    });
    files.push((own, record.to_text()));
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        let options = SimpleFileOptions::default();
        writer.start_file(path, options).expect("a file");
        writer.write_all(&content).expect("written");
    }
    writer.finish().expect("an archive").into_inner()
}

fn file_name(project: &str, version: &str) -> String {
    format!("{project}-{version}-py3-none-any.whl")
}

/// What an index offers under this name, of a content with these digests.
fn pick(project: &str, version: &str, digests: Vec<Digest>) -> Pick {
    let file_name = file_name(project, version);
    Pick {
        name: project.parse().expect("a name"),
        version: version.parse().expect("a version"),
        offer: Some(Offer {
            kind: Kind::Wheel(file_name.parse().expect("a wheel's name")),
            location: Location::Url(format!("https://index.test/{file_name}")),
            digests,
            size: None,
            requires_python: None,
            yanked: None,
            metadata: MetadataOffer::No,
            origin: "index".to_owned(),
            file_name,
        }),
        hashes: Vec::new(),
        extras: Vec::new(),
        requested: true,
        url: None,
        needed_by: Vec::new(),
    }
}

/// A store that has victim 2.0, and the digest of it.
fn stored(directory: &TempDir) -> (Store, Stored) {
    let path = directory.path().join(file_name("victim", "2.0"));
    fs::write(&path, wheel("victim", "2.0")).expect("written");
    let cache = Cache::at(directory.path().join("cache"));
    let store = Store::of(&cache).expect("a store");
    let stored = store.add(&path).expect("a wheel");
    (store, stored)
}

#[test]
fn the_stores_wheel_of_one_project_is_not_taken_for_another() {
    let directory = TempDir::new().expect("a directory");
    let (store, stored) = stored(&directory);
    let of = |project, version| pick(project, version, vec![stored.sha256.clone()]);
    assert!(known(&of("victim", "2.0"), &store).is_some());
    assert!(known(&of("foo", "3.0"), &store).is_none());
    assert!(known(&of("victim", "2.1"), &store).is_none());
    is_picked(&of("victim", "2.0"), &stored, Path::new("w")).expect("it is");
    is_picked(&of("foo", "2.0"), &stored, Path::new("w")).expect_err("another project");
    is_picked(&of("victim", "2.1"), &stored, Path::new("w")).expect_err("another version");
}

#[test]
fn what_the_store_has_is_taken_only_where_each_list_names_it() {
    let directory = TempDir::new().expect("a directory");
    let (store, stored) = stored(&directory);
    let mut pick = pick("victim", "2.0", vec![stored.sha256.clone()]);
    pick.hashes = vec![vec![Digest::of(b"other"), stored.sha256.clone()]];
    assert!(known(&pick, &store).is_some());
    pick.hashes.push(vec![Digest::of(b"other")]);
    assert!(known(&pick, &store).is_none());
}

#[test]
fn a_file_has_to_have_one_hash_of_each_list() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("file");
    fs::write(&path, b"abc").expect("written");
    // Source: FIPS 180-4, the example of one block.
    let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
        2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    let sha512 = Digest::from_hex("sha512", sha512).expect("a digest");
    let (good, bad) = (Digest::of(b"abc"), Digest::of(b"abd"));
    let mut pick = pick("a", "1.0", Vec::new());
    for (hashes, holds) in [
        (vec![], true),
        (vec![vec![good.clone()]], true),
        (
            vec![vec![bad.clone(), good.clone()], vec![good.clone()]],
            true,
        ),
        (vec![vec![good.clone()], vec![sha512.clone()]], true),
        (vec![vec![bad.clone(), sha512]], true),
        (vec![vec![good.clone()], vec![bad.clone()]], false),
        (vec![vec![Digest::Sha512([0; 64])]], false),
    ] {
        pick.hashes = hashes;
        for sha256 in [None, Some(&good)] {
            assert_eq!(check(&pick, &path, sha256).is_ok(), holds, "{pick:?}");
        }
    }
}

#[test]
fn a_link_that_lies_beside_a_copy_is_not_written_through() {
    let directory = TempDir::new().expect("a directory");
    let (own, here) = (directory.path().join("own"), directory.path().join("here"));
    fs::create_dir(&here).expect("a directory");
    fs::write(&own, b"the user's").expect("written");
    let from = directory.path().join("a.whl");
    fs::write(&from, b"a wheel").expect("written");
    let place = here.join("a.whl");
    symlink(&own, here.join("a.whl.new")).expect("a link");
    symlink(&own, &place).expect("a link");
    copy(&from, &here, &place).expect("a copy");
    assert_eq!(fs::read(&own).expect("read"), b"the user's");
    assert_eq!(fs::read(&place).expect("read"), b"a wheel");
    assert!(!place.is_symlink());
    // One that fails leaves nothing.
    fs::create_dir(here.join("b.whl")).expect("a directory");
    copy(&from, &here, &here.join("b.whl")).expect_err("a directory is in the way");
    assert_eq!(fs::read_dir(&here).expect("read").count(), 3);
}

#[test]
fn all_is_done_in_order_and_the_first_failure_is_told() {
    let order: Vec<usize> = (0..40).collect();
    assert_eq!(all(&order, Ok).expect("all"), order);
    let failing = |at| match at {
        7 => Err(Error::Io {
            action: "read",
            path: "7".into(),
            source: io::ErrorKind::Other.into(),
        }),
        at => Ok(at),
    };
    all(&order, failing).expect_err("one fails");
}
