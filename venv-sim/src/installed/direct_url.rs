//! `direct_url.json`: where a project came from, if from no index.
//!
//! Source: *Recording the Direct URL Origin of installed distributions* (PEP 610).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::redaction::without_user;
use crate::requirement::Name;
use crate::wheel::Digest;

/// Where a project came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUrl {
    /// The address, without a fragment and without a password, whoever wrote it down.
    pub url: String,
    /// What lies there.
    pub origin: Origin,
    /// The directory in it that holds the project, where that is not the top.
    pub subdirectory: Option<String>,
}

/// What lies at a direct address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A directory of sources.
    Directory {
        /// Whether what is imported is that directory itself.
        is_editable: bool,
    },
    /// A file: a wheel, or sources.
    Archive {
        /// `ALGORITHM=HEX`, where it was recorded.
        digest: Option<String>,
    },
    /// A repository.
    Repository {
        /// `git`, `hg`, `bzr` or `svn`.
        system: String,
        /// The commit that was taken.
        commit: String,
    },
}

#[derive(Deserialize)]
struct Written {
    url: String,
    dir_info: Option<Directory>,
    archive_info: Option<Archive>,
    vcs_info: Option<Repository>,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct Directory {
    #[serde(default)]
    editable: bool,
}

#[derive(Deserialize)]
struct Archive {
    hash: Option<String>,
    hashes: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Repository {
    vcs: String,
    commit_id: String,
}

/// An address as it may be written down: without a fragment, and without name and password but
/// those of which PEP 610 says that they are no secret: names of variables, and `git`.
pub(crate) fn recorded(url: &str) -> String {
    let bare = without_user(url);
    let bare = bare.split('#').next().unwrap_or_default();
    let kept = url.split_once("//").and_then(|(_, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, _) = rest[..end].rsplit_once('@')?;
        let is_public = user == "git" || user.splitn(2, ':').all(is_variable);
        is_public.then_some(user)
    });
    match (kept, bare.split_once("//")) {
        (Some(user), Some((scheme, rest))) => format!("{scheme}//{user}@{rest}"),
        _ => bare.to_owned(),
    }
}

/// `${NAME}`
fn is_variable(text: &str) -> bool {
    let name = text
        .strip_prefix("${")
        .and_then(|text| text.strip_suffix('}'));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_part))
}

impl DirectUrl {
    /// Reads the JSON; the error says in words what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| format!("its direct_url.json cannot be read: {error}"))?;
        let origin = match (written.dir_info, written.archive_info, written.vcs_info) {
            (Some(directory), None, None) => Origin::Directory {
                is_editable: directory.editable,
            },
            (None, Some(archive), None) => Origin::Archive {
                digest: archive.digest(),
            },
            (None, None, Some(repository)) => Origin::Repository {
                system: repository.vcs,
                commit: repository.commit_id,
            },
            _ => {
                let why = "its direct_url.json says not one of dir_info, archive_info and vcs_info";
                return Err(why.to_owned());
            }
        };
        // It goes into lines of requirements, each of which is one requirement.
        let strange = |text: &str| text.chars().any(|c| c.is_control() || c.is_whitespace());
        if strange(&written.url) || written.subdirectory.as_deref().is_some_and(strange) {
            return Err("its direct_url.json has an address with space in it".to_owned());
        }
        Ok(Self {
            url: recorded(&written.url),
            origin,
            subdirectory: written.subdirectory,
        })
    }

    /// The JSON for a file at `url` whose content has this digest.
    pub(crate) fn of_archive(url: &str, sha256: &Digest) -> String {
        let url = recorded(url);
        let hex = sha256.hex();
        let hash = format!("sha256={hex}");
        // `hash` is how the first version of the format has it, and who reads only that.
        let info = serde_json::json!({ "hash": hash, "hashes": { "sha256": hex } });
        serde_json::json!({ "url": url, "archive_info": info }).to_string()
    }

    /// Whether what is imported is a directory of sources elsewhere.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        matches!(self.origin, Origin::Directory { is_editable: true })
    }

    /// `NAME @ ADDRESS`, by which the same can be installed again.
    #[must_use]
    pub fn requirement(&self, name: &Name) -> String {
        let mut fragment = Vec::new();
        let url = &self.url;
        let address = match &self.origin {
            Origin::Directory { .. } => url.clone(),
            Origin::Archive { digest } => {
                fragment.extend(digest.clone());
                url.clone()
            }
            Origin::Repository { system, commit } => format!("{system}+{url}@{commit}"),
        };
        let within = self.subdirectory.as_ref();
        fragment.extend(within.map(|path| format!("subdirectory={path}")));
        match fragment.is_empty() {
            true => format!("{name} @ {address}"),
            false => format!("{name} @ {address}#{}", fragment.join("&")),
        }
    }
}

impl Archive {
    /// The strongest of the digests; `hash` is how the first version of the format wrote it.
    fn digest(self) -> Option<String> {
        let hashes = self.hashes.unwrap_or_default();
        let known = ["sha512", "sha384", "sha256"]
            .into_iter()
            .find_map(|name| hashes.get(name).map(|hex| format!("{name}={hex}")));
        known.or(self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let name: Name = "demo".parse().expect("a name");
        let url = DirectUrl::parse(json).expect("an address");
        assert_eq!(url.requirement(&name), expected);
    }

    /// The examples of the specification, as requirements.
    #[test]
    fn every_origin_has_a_requirement() {
        check(
            r#"{"url":"https://example.org/demo-1-py3-none-any.whl","archive_info":{"hashes":{"sha256":"ab12"}}}"#,
            "demo @ https://example.org/demo-1-py3-none-any.whl#sha256=ab12",
        );
        check(
            r#"{"url":"https://example.org/demo.zip","archive_info":{"hash":"sha256=cd"},"subdirectory":"python"}"#,
            "demo @ https://example.org/demo.zip#sha256=cd&subdirectory=python",
        );
        check(
            r#"{"url":"https://example.org/demo.git","vcs_info":{"vcs":"git","requested_revision":"main","commit_id":"7921be1"}}"#,
            "demo @ git+https://example.org/demo.git@7921be1",
        );
        check(
            r#"{"url":"file:///home/user/demo","dir_info":{"editable":true}}"#,
            "demo @ file:///home/user/demo",
        );
        check(
            r#"{"url":"file:///home/user/demo","dir_info":{}}"#,
            "demo @ file:///home/user/demo",
        );
    }

    #[test]
    fn no_password_is_written_down_or_read_back() {
        for (url, expected) in [
            ("http://me:s3cret@h/a.whl#sha256=0", "http://h/a.whl"),
            ("http://t0ken@h/a.whl", "http://h/a.whl"),
            (
                "http://${USER}:${PASS}@h/a.whl",
                "http://${USER}:${PASS}@h/a.whl",
            ),
            ("http://${TOKEN}@h/a.whl", "http://${TOKEN}@h/a.whl"),
            ("http://me:${PASS}@h/a.whl", "http://h/a.whl"),
            ("ssh://git@h/a.git", "ssh://git@h/a.git"),
            ("file:///a@b/c.whl", "file:///a@b/c.whl"),
        ] {
            assert_eq!(recorded(url), expected);
            let digest = Digest::from_hex("sha256", &"0".repeat(64)).expect("a digest");
            let written = DirectUrl::of_archive(url, &digest);
            assert!(!written.contains("s3cret"), "{written}");
            let theirs = serde_json::json!({ "url": url, "dir_info": {} }).to_string();
            assert_eq!(DirectUrl::parse(&theirs).expect("read").url, expected);
        }
    }

    #[test]
    fn an_address_that_would_be_two_lines_is_refused() {
        for json in [
            r#"{"url":"file:///a\nevil","dir_info":{}}"#,
            r#"{"url":"file:///a","dir_info":{},"archive_info":{}}"#,
            r#"{"url":"file:///a"}"#,
            "{",
        ] {
            assert!(DirectUrl::parse(json).is_err(), "{json}");
        }
    }
}
