//! Where a version of a tag comes from, kept as annotations so that it travels
//! with the image and every tool can read it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::image::Digest;

/// How an image came to a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Built from a Dockerfile.
    Built,
    /// Made here from the machine's own packages.
    Bootstrapped,
    /// Fetched from a registry.
    Pulled,
    /// Sent here by a registry's client.
    Pushed,
    /// Read from an archive.
    Loaded,
    /// Made of a tree of files.
    Imported,
    /// Another tag's.
    Tagged,
    /// An older version of the same tag.
    RolledBack,
}

impl Origin {
    const ALL: [Self; 8] = [
        Self::Built,
        Self::Bootstrapped,
        Self::Pulled,
        Self::Pushed,
        Self::Loaded,
        Self::Imported,
        Self::Tagged,
        Self::RolledBack,
    ];

    /// The word for people and for annotations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Bootstrapped => "bootstrapped",
            Self::Pulled => "pulled",
            Self::Pushed => "pushed",
            Self::Loaded => "loaded",
            Self::Imported => "imported",
            Self::Tagged => "tagged",
            Self::RolledBack => "rolled back",
        }
    }
}

/// Who made a version, when, of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// How it came.
    pub origin: Origin,
    /// When it came, RFC 3339.
    pub time: String,
    /// Who did it: `USER@HOST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What it was made of: a Dockerfile, an archive, another tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The name of the image that it was built upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The digest of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_digest: Option<Digest>,
    /// The build arguments, `NAME=VALUE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The commit of its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

// The registered keys where there are some (OCI image specification,
// `annotations.md`); ours say what has none.
const CREATED: &str = "isolab.time";
const ORIGIN: &str = "isolab.origin";
const BY: &str = "isolab.by";
const FROM: &str = "isolab.from";
const ARGUMENTS: &str = "isolab.arguments";
const BASE: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const REVISION: &str = "org.opencontainers.image.revision";

impl Provenance {
    /// Of something that came just now.
    #[must_use]
    pub fn now(origin: Origin) -> Self {
        let time = humantime::format_rfc3339_seconds(std::time::SystemTime::now());
        Self {
            origin,
            time: time.to_string(),
            by: None,
            from: None,
            base: None,
            base_digest: None,
            arguments: Vec::new(),
            revision: None,
        }
    }

    /// As annotations.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::from([
            (CREATED.to_owned(), self.time.clone()),
            (ORIGIN.to_owned(), self.origin.name().to_owned()),
        ]);
        let digest = self.base_digest.as_ref().map(ToString::to_string);
        let optional = [
            (BY, self.by.clone()),
            (FROM, self.from.clone()),
            (BASE, self.base.clone()),
            (BASE_DIGEST, digest),
            (REVISION, self.revision.clone()),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                pairs.insert(key.to_owned(), value);
            }
        }
        if !self.arguments.is_empty() {
            let text = serde_json::Value::from(self.arguments.clone());
            pairs.insert(ARGUMENTS.to_owned(), text.to_string());
        }
        pairs
    }

    /// What annotations say; `None` where they are not ours.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let said = |key: &str| annotations.get(key).cloned();
        let name = said(ORIGIN)?;
        let arguments = said(ARGUMENTS).and_then(|text| serde_json::from_str(&text).ok());
        Some(Self {
            origin: Origin::ALL.into_iter().find(|o| o.name() == name)?,
            time: said(CREATED)?,
            by: said(BY),
            from: said(FROM),
            base: said(BASE),
            base_digest: said(BASE_DIGEST).and_then(|text| text.parse().ok()),
            arguments: arguments.unwrap_or_default(),
            revision: said(REVISION),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_annotations_carry_is_what_was_said() {
        let full = Provenance {
            by: Some("me@here".to_owned()),
            from: Some("Dockerfile".to_owned()),
            base: Some("docker.io/library/python:3".to_owned()),
            base_digest: Some(Digest::of(b"base")),
            arguments: vec!["A=b c".to_owned(), "D=\"e\"".to_owned()],
            revision: Some("0123abc".to_owned()),
            ..Provenance::now(Origin::Built)
        };
        for origin in Origin::ALL {
            for said in [full.clone(), Provenance::now(origin)] {
                assert_eq!(Provenance::of(&said.annotations()), Some(said));
            }
        }
    }

    #[test]
    fn what_others_wrote_says_nothing_about_where_it_comes_from() {
        let annotations = BTreeMap::from([(BASE.to_owned(), "x".to_owned())]);
        assert_eq!(Provenance::of(&annotations), None);
    }
}
