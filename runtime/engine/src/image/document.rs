//! Manifests and indexes: the documents that list blobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Descriptor, Invalid, MediaType, Platform};

/// The longest manifest, index or configuration that is read, in bytes: what
/// registries take.
///
/// Source: OCI distribution specification, "Pushing Manifests" (4 MiB).
pub const LONGEST_DOCUMENT: u64 = 4 << 20;

/// The most layers: no file system stacks more than 500, and this is more than
/// any builder makes.
const MOST_LAYERS: usize = 512;

/// What one image is: its configuration, and its layers from the base up.
///
/// Source: OCI image specification, `manifest.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What it is of, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Remarks.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Of an image of these blobs.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::Manifest),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// Several manifests, for several platforms or purposes.
///
/// Source: OCI image specification, `image-index.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What it is of, where it is of no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What it lists.
    #[serde(deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Remarks.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// Of these.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::Index),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The first manifest that serves `wanted`; one without a platform only where
    /// it is alone.
    #[must_use]
    pub fn choose(&self, wanted: &Platform) -> Option<&Descriptor> {
        let usable =
            |entry: &&Descriptor| entry.media_type.is_manifest() || entry.media_type.is_index();
        let serves = |entry: &&Descriptor| {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|platform| platform.serves(wanted))
        };
        let named = self.manifests.iter().filter(usable).find(serves);
        named.or_else(|| match &self.manifests[..] {
            [only] if only.platform.is_none() && usable(&only) => Some(only),
            _ => None,
        })
    }
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// What one image is.
    Manifest(Box<Manifest>),
    /// Several of them.
    Index(Box<Index>),
}

impl Document {
    /// Reads `bytes`, which came as `declared`: from a descriptor or from a
    /// header.
    ///
    /// # Errors
    /// [`Invalid`] for what is neither, contradicts `declared` or itself, or could
    /// be read as both (CVE-2021-41190).
    pub fn parse(bytes: &[u8], declared: &MediaType) -> Result<Self, Invalid> {
        let invalid = |reason: String| Invalid::new("manifest", reason);
        if bytes.len() as u64 > LONGEST_DOCUMENT {
            return Err(invalid(format!(
                "it is longer than {LONGEST_DOCUMENT} bytes"
            )));
        }
        let shape: Shape =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if shape.schema_version == 1 {
            return Err(invalid(
                "it is of schema 1, which carries no digests that can be checked; push the image \
                 again with a newer client"
                    .to_owned(),
            ));
        }
        if shape.schema_version != 2 {
            let version = shape.schema_version;
            return Err(invalid(format!("schemaVersion is {version}, not 2")));
        }
        let is_index = match (
            shape.manifests.is_some(),
            shape.config.is_some() || shape.layers.is_some(),
        ) {
            (true, false) => true,
            (false, true) => false,
            (true, true) => {
                return Err(invalid("it lists both layers and manifests".to_owned()));
            }
            (false, false) => {
                return Err(invalid("it lists neither layers nor manifests".to_owned()));
            }
        };
        for said in [Some(declared), shape.media_type.as_ref()]
            .into_iter()
            .flatten()
        {
            if (said.is_index() && !is_index) || (said.is_manifest() && is_index) {
                let content = if is_index { "manifests" } else { "layers" };
                return Err(invalid(format!("it is called {said}, and lists {content}")));
            }
        }
        if is_index {
            let index =
                serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
            return Ok(Self::Index(Box::new(index)));
        }
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if manifest.layers.len() > MOST_LAYERS {
            let count = manifest.layers.len();
            return Err(invalid(format!(
                "it has {count} layers; {MOST_LAYERS} are the most"
            )));
        }
        Ok(Self::Manifest(Box::new(manifest)))
    }

    /// Everything that it lists, and that has to be there for it to be whole.
    #[must_use]
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => {
                let config = std::iter::once(&manifest.config);
                config.chain(&manifest.layers).collect()
            }
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }

    /// What it says something about.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Manifest(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }
}

/// What tells a manifest from an index, whatever it is called.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u32,
    media_type: Option<MediaType>,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

/// Go writes an empty list as `null`.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::{Compression, Digest};

    fn blob(media_type: MediaType, platform: Option<&str>) -> Descriptor {
        Descriptor {
            platform: platform.map(|text| text.parse().unwrap()),
            ..Descriptor::of(media_type, b"{}")
        }
    }

    fn refused(text: &str, declared: &MediaType, reason: &str) {
        let error = Document::parse(text.as_bytes(), declared).unwrap_err();
        assert!(error.reason.contains(reason), "{text}: {error}");
    }

    #[test]
    fn what_is_written_is_read() {
        let layer = blob(MediaType::Layer(Compression::Zstd), None);
        let manifest = Manifest::new(blob(MediaType::Config, None), vec![layer]);
        let text = serde_json::to_vec(&manifest).unwrap();
        let read = Document::parse(&text, &MediaType::Manifest).unwrap();
        assert_eq!(read.children().len(), 2);
        assert_eq!(read, Document::Manifest(Box::new(manifest)));
        let index = Index::new(vec![Descriptor::of(MediaType::Manifest, &text)]);
        let text = serde_json::to_vec(&index).unwrap();
        let read = Document::parse(&text, &MediaType::Index).unwrap();
        assert_eq!(read, Document::Index(Box::new(index)));
    }

    #[test]
    fn a_document_that_could_be_read_as_two_is_none() {
        let layers = r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#;
        refused(layers, &MediaType::Manifest, "both");
        refused(layers, &MediaType::Index, "both");
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        refused(index, &MediaType::Manifest, "lists manifests");
        let called = format!(
            r#"{{"schemaVersion":2,"manifests":[],"mediaType":"{}"}}"#,
            MediaType::Manifest
        );
        refused(&called, &MediaType::Index, "lists manifests");
        refused(r#"{"schemaVersion":2}"#, &MediaType::Index, "neither");
        refused(
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            &MediaType::Manifest,
            "schema 1",
        );
        refused(
            r#"{"schemaVersion":3,"layers":[]}"#,
            &MediaType::Manifest,
            "not 2",
        );
        refused("<html>", &MediaType::Manifest, "expected value");
    }

    #[test]
    fn a_document_is_no_longer_than_registries_take() {
        let spaces = " ".repeat(usize::try_from(LONGEST_DOCUMENT).unwrap() + 1);
        refused(&spaces, &MediaType::Manifest, "longer");
        let layer =
            serde_json::to_string(&blob(MediaType::Layer(Compression::None), None)).unwrap();
        let layers = vec![&*layer; MOST_LAYERS + 1].join(",");
        let many = format!(r#"{{"schemaVersion":2,"config":{layer},"layers":[{layers}]}}"#);
        refused(&many, &MediaType::Manifest, "513 layers");
    }

    #[test]
    fn an_index_gives_what_serves_the_machine() {
        let entry = |platform| blob(MediaType::Manifest, platform);
        let index = Index::new(vec![
            blob(
                MediaType::Other("application/vnd.in-toto+json".to_owned()),
                Some("amd64"),
            ),
            entry(Some("unknown/unknown")),
            entry(Some("arm64/v8".trim_end_matches("/v8"))),
            entry(Some("linux/amd64")),
        ]);
        let choose =
            |index: &Index, platform: &str| index.choose(&platform.parse().unwrap()).cloned();
        assert_eq!(choose(&index, "amd64"), Some(index.manifests[3].clone()));
        assert_eq!(choose(&index, "s390x"), None);
        let alone = Index::new(vec![entry(None)]);
        assert_eq!(choose(&alone, "s390x"), Some(alone.manifests[0].clone()));
        let two = Index::new(vec![entry(None), entry(None)]);
        assert_eq!(choose(&two, "s390x"), None);
    }

    #[test]
    fn lists_that_go_wrote_as_null_are_empty() {
        let text = br#"{"schemaVersion":2,"manifests":null,"annotations":null}"#;
        // `null` is no list of manifests: there is nothing that says what it is.
        assert!(Document::parse(text, &MediaType::Index).is_err());
        let digest = Digest::of(b"");
        let entry = format!(
            r#"{{"mediaType":"x","digest":"{digest}","size":1,"annotations":null,"urls":null}}"#
        );
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{entry}],"annotations":null}}"#);
        Document::parse(text.as_bytes(), &MediaType::Index).unwrap();
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
            let _ = Document::parse(text.as_bytes(), &MediaType::Manifest);
        }
    }
}
