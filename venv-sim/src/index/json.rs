//! A project's page in JSON.
//!
//! Source: *Simple repository API* of the Python Packaging User Guide (PEP 691, 700, 592, 714).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::listing::{Listed, add_digest};
use super::url::Url;
use crate::catalogue::MetadataOffer;
use crate::refusal::{Refusal, shown};
use crate::requirement::Name;

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    name: String,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    api_version: String,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    #[serde(default, rename = "requires-python")]
    requires_python: Option<String>,
    #[serde(default, rename = "core-metadata")]
    core_metadata: Option<Offered>,
    #[serde(default, rename = "dist-info-metadata")]
    dist_info_metadata: Option<Offered>,
    #[serde(default)]
    yanked: Option<Yanked>,
    #[serde(default)]
    size: Option<u64>,
}

/// Whether, or by which digests.
#[derive(Deserialize)]
#[serde(untagged)]
enum Offered {
    Whether(bool),
    By(BTreeMap<String, String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Yanked {
    Whether(bool),
    Because(String),
}

/// The files that the page at `base` lists.
///
/// # Errors
/// Where it is no such page, is about another project, or of a version nobody knows yet.
pub(super) fn parse(text: &[u8], base: &Url, project: &Name) -> Result<Vec<Listed>, Refusal> {
    let page: Page = serde_json::from_slice(text).map_err(|why| {
        let is_html = text.trim_ascii_start().starts_with(b"<");
        let is = if is_html { ", but HTML" } else { "" };
        Refusal::new(format!(
            "what it sends as a list of files is none{is}: {why}"
        ))
    })?;
    check_version(&page.meta.api_version)?;
    if page.name.parse() != Ok(project.clone()) {
        let shown = shown(&page.name);
        return Err(Refusal::new(format!(
            "asked for {project}, it lists the files of {shown}"
        )));
    }
    Ok(page
        .files
        .into_iter()
        .filter_map(|file| listed(file, base))
        .collect())
}

/// Each major version of the interface may be another interface.
pub(super) fn check_version(version: &str) -> Result<(), Refusal> {
    match version.split('.').next() {
        Some("1") => Ok(()),
        _ => {
            let shown = shown(version);
            Err(Refusal::new(format!(
                "its list of files is of version {shown}, which is unknown"
            )))
        }
    }
}

fn listed(file: File, base: &Url) -> Option<Listed> {
    let mut url = base.join(&file.url).ok()?;
    url.fragment = None;
    Some(Listed {
        name: file.filename,
        url,
        digests: all(&file.hashes)?,
        size: file.size,
        requires_python: file.requires_python,
        yanked: match file.yanked {
            None | Some(Yanked::Whether(false)) => None,
            Some(Yanked::Whether(true)) => Some(String::new()),
            Some(Yanked::Because(why)) => Some(why),
        },
        metadata: match file.core_metadata.or(file.dist_info_metadata) {
            None | Some(Offered::Whether(false)) => MetadataOffer::No,
            Some(Offered::Whether(true)) => MetadataOffer::Yes {
                digests: Vec::new(),
            },
            Some(Offered::By(digests)) => MetadataOffer::Yes {
                digests: all(&digests)?,
            },
        },
    })
}

fn all(hashes: &BTreeMap<String, String>) -> Option<Vec<crate::wheel::Digest>> {
    let mut digests = Vec::new();
    for (algorithm, hex) in hashes {
        add_digest(&mut digests, algorithm, hex)?;
    }
    Some(digests)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wheel::Digest;

    fn read(text: &str) -> Result<Vec<Listed>, Refusal> {
        let base = "https://index.test/simple/a/".parse().expect("an address");
        parse(text.as_bytes(), &base, &"a".parse().expect("a name"))
    }

    fn page(files: &str) -> String {
        format!(
            r#"{{"meta": {{"api-version": "1.1", "x": 1}}, "name": "A", "versions": ["1.0"], "files": [{files}]}}"#
        )
    }

    #[test]
    fn what_a_page_says_of_a_file_is_read() {
        let hex = "ab".repeat(32);
        let text = page(&format!(
            r#"{{"filename": "a-1.0-py3-none-any.whl", "url": "../../f/a-1.0-py3-none-any.whl#x",
              "hashes": {{"sha256": "{hex}", "md5": "00"}}, "requires-python": ">=3.8", "size": 7,
              "upload-time": "2024-01-01T00:00:00Z", "yanked": "broken", "core-metadata": {{"sha256": "{hex}"}}}},
              {{"filename": "a-2.0.tar.gz", "url": "https://files.test/a-2.0.tar.gz", "hashes": {{}},
              "requires-python": null, "yanked": false, "dist-info-metadata": true, "gpg-sig": false}}"#
        ));
        let files = read(&text).expect("files");
        assert_eq!(
            files[0].url.to_text(),
            "https://index.test/f/a-1.0-py3-none-any.whl"
        );
        let digest = Digest::Sha256([0xab; 32]);
        assert_eq!(files[0].digests, std::slice::from_ref(&digest));
        assert_eq!(
            files[0].metadata,
            MetadataOffer::Yes {
                digests: vec![digest]
            }
        );
        assert_eq!(
            (files[0].size, files[0].yanked.as_deref()),
            (Some(7), Some("broken"))
        );
        assert_eq!(files[0].requires_python.as_deref(), Some(">=3.8"));
        assert_eq!(files[1].url.host, "files.test");
        assert_eq!((files[1].size, files[1].yanked.as_deref()), (None, None));
        assert_eq!(files[1].metadata, MetadataOffer::Yes { digests: vec![] });
    }

    #[test]
    fn what_is_no_page_is_refused_and_says_what_it_is() {
        for (text, why) in [
            ("<!DOCTYPE html><p>Sign in".to_owned(), "HTML"),
            ("{}".to_owned(), "meta"),
            (page("").replace("1.1", "2.0"), "unknown"),
            (page("").replace("\"A\"", "\"b\""), "`b`"),
            (page("")[..40].to_owned(), "EOF"),
            ("[".repeat(100_000), "none"),
        ] {
            let refusal = read(&text).expect_err(&text).to_string();
            assert!(
                refusal.contains(why) && !refusal.contains('\n'),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_file_whose_digest_cannot_be_read_or_whose_address_is_none_is_not_offered() {
        let file = |url: &str, hash: &str| {
            page(&format!(
                r#"{{"filename": "a-1.0.zip", "url": "{url}", "hashes": {{"sha256": "{hash}"}}}}"#
            ))
        };
        let good = "ab".repeat(32);
        assert_eq!(read(&file("a.zip", &good)).expect("a page").len(), 1);
        for (url, hash) in [
            ("a.zip", "abc"),
            ("a.zip", "zz"),
            ("ftp://x/a.zip", &good),
            ("https://a b/", &good),
        ] {
            assert_eq!(read(&file(url, hash)).expect("a page"), [], "{url} {hash}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(files in "\\PC{0,40}|(\\{\"(filename|url|hashes|yanked|size)\": ?(true|1|\"x\"|\\{\\}|null)\\},?){0,3}") {
            let _ = read(&page(&files));
        }
    }
}
