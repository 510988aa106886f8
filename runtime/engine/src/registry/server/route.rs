//! What a request is about, by its path: names, tags and digests come out of here,
//! each held to its grammar, and nothing else does. No path of a request is ever
//! one of the file system.
//!
//! Source: OCI distribution specification, "Endpoints".

use super::super::url::decoded;
use super::reply::Fault;
use crate::image::{Digest, Reference};

/// An endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Whether this is a registry.
    Base,
    /// All repositories.
    Catalog,
    /// A blob of a repository.
    Blob(Name, Digest),
    /// Where uploads begin.
    Uploads(Name),
    /// One upload.
    Upload(Name, String),
    /// A manifest of a repository.
    Manifest(Name, Which),
    /// The tags of a repository.
    Tags(Name),
    /// What refers to a manifest.
    Referrers(Name, Digest),
}

/// A repository, as the path has it and as the store does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) repository: Reference,
}

/// How a manifest is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Tag(Reference),
    Digest(Digest),
}

impl Name {
    /// What the store calls it: the key of what is remembered.
    pub(super) fn key(&self) -> String {
        let repository = &self.repository;
        format!("{}/{}", repository.registry(), repository.repository())
    }

    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let invalid = || Fault::new(400, "NAME_INVALID", "it is no name of a repository");
        // A port would be another registry.
        if text.contains([':', '@', '[']) {
            return Err(invalid());
        }
        let repository: Reference = text.parse().map_err(|_| invalid())?;
        Ok(Self {
            text: text.to_owned(),
            repository,
        })
    }
}

impl Route {
    pub(super) fn parse(path: &str) -> Result<Self, Fault> {
        let unknown = || Fault::new(404, "NAME_UNKNOWN", "there is nothing at this path");
        let path = decoded(path).ok_or_else(unknown)?;
        let rest = match &*path {
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            path => path.strip_prefix("/v2/").ok_or_else(unknown)?,
        };
        let mut parts = rest.rsplitn(4, '/');
        let (last, kind, before) = (parts.next(), parts.next(), parts.next());
        let last = last.unwrap_or_default();
        let name = |ends: usize| {
            let end = rest.len().checked_sub(ends).ok_or_else(unknown)?;
            Name::parse(&rest[..end])
        };
        let digest = || {
            let invalid = || Fault::new(400, "DIGEST_INVALID", "it is no digest");
            last.parse::<Digest>().map_err(|_| invalid())
        };
        let without = |kind: &str| name(kind.len() + last.len() + 2);
        match (before, kind) {
            (Some("blobs"), Some("uploads")) => {
                let name = name("/blobs/uploads/".len() + last.len())?;
                let letter = |byte: u8| byte.is_ascii_hexdigit();
                match last {
                    "" => Ok(Self::Uploads(name)),
                    id if id.len() == 32 && id.bytes().all(letter) => {
                        Ok(Self::Upload(name, id.to_owned()))
                    }
                    _ => Err(Fault::new(
                        404,
                        "BLOB_UPLOAD_UNKNOWN",
                        "there is no such upload",
                    )),
                }
            }
            (_, Some("blobs")) if last == "uploads" => Ok(Self::Uploads(without("blobs")?)),
            (_, Some("blobs")) => Ok(Self::Blob(without("blobs")?, digest()?)),
            (_, Some("manifests")) => {
                let name = without("manifests")?;
                if last.contains(':') {
                    return Ok(Self::Manifest(name, Which::Digest(digest()?)));
                }
                let tag = name
                    .repository
                    .with_tag(last)
                    .map_err(|_| Fault::new(404, "MANIFEST_UNKNOWN", "it is no tag"))?;
                Ok(Self::Manifest(name, Which::Tag(tag)))
            }
            (_, Some("tags")) if last == "list" => Ok(Self::Tags(without("tags")?)),
            (_, Some("referrers")) => Ok(Self::Referrers(without("referrers")?, digest()?)),
            _ => Err(unknown()),
        }
    }
}

/// The value of `wanted` in a query.
pub(super) fn parameter(query: Option<&str>, wanted: &str) -> Option<String> {
    let pairs = query.unwrap_or_default().split('&').take(32);
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(name, _)| *name == wanted)?.1;
    decoded(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_read_from_its_end() {
        let digest = Digest::of(b"");
        let name = |text| Name::parse(text).unwrap();
        let tag = name("a/b").repository.with_tag("v1").unwrap();
        let id = "0".repeat(32);
        for (path, expected) in [
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            (
                format!("/v2/a/b/blobs/{digest}"),
                Route::Blob(name("a/b"), digest.clone()),
            ),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads".to_owned(), Route::Uploads(name("a"))),
            (
                format!("/v2/a/blobs/uploads/{id}"),
                Route::Upload(name("a"), id),
            ),
            (
                "/v2/a/b/manifests/v1".to_owned(),
                Route::Manifest(name("a/b"), Which::Tag(tag)),
            ),
            ("/v2/a/b/tags/list".to_owned(), Route::Tags(name("a/b"))),
            (
                format!("/v2/manifests/tags/referrers/sha256%3A{}", digest.hex()),
                Route::Referrers(name("manifests/tags"), digest.clone()),
            ),
        ] {
            assert_eq!(Route::parse(&path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_hostile_path_leads_nowhere() {
        let digest = Digest::of(b"");
        for path in [
            "/",
            "/v2/../etc/passwd",
            "/v2/a/../../etc/blobs/uploads/",
            "/v2/%2e%2e/blobs/uploads/",
            "/v2/a%00/tags/list",
            "/v2/a/blobs/../../x",
            "/v2/a/blobs/sha256:..",
            "/v2/a/blobs/uploads/../../../x",
            "/v2/a/manifests/%2e%2e",
            "/v2/a:5000/b/tags/list",
            "/v2//tags/list",
            "/v2/tags/list",
            "/v2/A/tags/list",
            "/v2/a/manifests/",
            "/v2/%ff/tags/list",
            &format!("/v2/blobs/{digest}"),
        ] {
            assert!(
                Route::parse(path).is_err(),
                "{path}: {:?}",
                Route::parse(path)
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_a_path_is_names_stay_names(
            path in "/v2/[ -~]{0,60}|/v2/([a-z./%:]|blobs/|uploads/|manifests/|tags/list){0,12}"
        ) {
            if let Ok(Route::Tags(name) | Route::Uploads(name) | Route::Manifest(name, _)) =
                Route::parse(&path)
            {
                prop_assert!(!name.text.contains("..") && !name.text.starts_with('/'));
            }
        }
    }
}
