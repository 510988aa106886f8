//! Media types: what a blob says it is.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a layer's tar archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As it is.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The type of a blob: OCI's, Docker's own for the same thing, or another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// An image manifest.
    Manifest,
    /// An image index, which lists manifests.
    Index,
    /// An image's configuration.
    Config,
    /// A layer.
    Layer(Compression),
    /// Nothing: the two bytes `{}`.
    Empty,
    /// Docker's manifest, version 2 schema 2.
    DockerManifest,
    /// Docker's manifest list.
    DockerList,
    /// Docker's image configuration.
    DockerConfig,
    /// Docker's layer, packed by gzip or not at all.
    DockerLayer(Compression),
    /// Something else: an artifact's, an attestation's, or a layer that is not to
    /// be handed on.
    Other(String),
}

const NAMES: [(MediaType, &str); 12] = [
    (
        MediaType::Manifest,
        "application/vnd.oci.image.manifest.v1+json",
    ),
    (MediaType::Index, "application/vnd.oci.image.index.v1+json"),
    (
        MediaType::Config,
        "application/vnd.oci.image.config.v1+json",
    ),
    (
        MediaType::Layer(Compression::None),
        "application/vnd.oci.image.layer.v1.tar",
    ),
    (
        MediaType::Layer(Compression::Gzip),
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        MediaType::Layer(Compression::Zstd),
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    (MediaType::Empty, "application/vnd.oci.empty.v1+json"),
    (
        MediaType::DockerManifest,
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    (
        MediaType::DockerList,
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (
        MediaType::DockerConfig,
        "application/vnd.docker.container.image.v1+json",
    ),
    (
        MediaType::DockerLayer(Compression::Gzip),
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        MediaType::DockerLayer(Compression::None),
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
];

impl MediaType {
    /// What `name` stands for.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // A parameter (`; charset=utf-8`) says nothing about JSON.
        let bare = name.split(';').next().unwrap_or(name).trim();
        let known = NAMES.iter().find(|(_, known)| *known == bare);
        known.map_or_else(|| Self::Other(bare.to_owned()), |(kind, _)| kind.clone())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Self::Other(name) = self {
            return name;
        }
        let known = NAMES.iter().find(|(kind, _)| kind == self);
        known.map_or("application/octet-stream", |(_, name)| name)
    }

    /// Whether it lists manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self, Self::Index | Self::DockerList)
    }

    /// Whether it is an image manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::Manifest | Self::DockerManifest)
    }

    /// How a layer is packed; `None` for what is no layer.
    #[must_use]
    pub fn layer(&self) -> Option<Compression> {
        match self {
            Self::Layer(compression) | Self::DockerLayer(compression) => Some(*compression),
            _ => None,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::of(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_type_and_back() {
        for (kind, name) in &NAMES {
            assert_eq!(&MediaType::of(name), kind);
            assert_eq!(kind.name(), *name);
            assert!(!matches!(kind, MediaType::Other(_)));
        }
        let other = "application/vnd.in-toto+json";
        assert_eq!(MediaType::of(other).name(), other);
    }

    #[test]
    fn a_parameter_is_not_part_of_the_type() {
        let name = "application/vnd.oci.image.manifest.v1+json; charset=utf-8";
        assert_eq!(MediaType::of(name), MediaType::Manifest);
    }
}
