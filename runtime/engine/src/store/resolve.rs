//! From what people type to an image: a tag, a tag's version, a digest, or the
//! beginning of an id.

use super::{Store, Version};
use crate::error::{Error, Result};
use crate::image::{Config, Descriptor, Digest, Document, Manifest, Platform, Reference};

/// How far an index may lead to an index: further is a circle, or an attempt.
pub(crate) const DEEPEST_INDEX: u32 = 4;
/// The fewest digits that stand for an id.
const SHORTEST_ID: usize = 4;

/// One platform's image, read and held together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What a tag leads to: the manifest, or the index that it was chosen from.
    pub target: Descriptor,
    /// The manifest.
    pub descriptor: Descriptor,
    /// What it lists.
    pub manifest: Manifest,
    /// How to run it.
    pub config: Config,
}

impl Image {
    /// What docker calls the image's id: its configuration's digest.
    #[must_use]
    pub fn id(&self) -> &Digest {
        &self.manifest.config.digest
    }

    /// The layers, each with the digest of what it is once uncompressed, the
    /// lowest first.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (&Descriptor, &Digest)> + Clone {
        self.manifest
            .layers
            .iter()
            .zip(&self.config.rootfs.diff_ids)
    }

    /// The bytes of its layers as they lie in the store, packed.
    #[must_use]
    pub fn packed_bytes(&self) -> u64 {
        let sizes = self.manifest.layers.iter().map(|layer| layer.size);
        sizes.fold(0, u64::saturating_add)
    }
}

impl Store {
    /// What `text` stands for: `NAME[:TAG]`, `NAME@DIGEST`, `NAME@N` for a tag's
    /// version, or the beginning of an image's id or of a manifest's digest.
    ///
    /// # Errors
    /// [`Error::NotFound`] where nothing, or more than one thing, is meant;
    /// [`Error::Invalid`] for what is no name.
    pub fn resolve(&self, text: &str) -> Result<Version> {
        match self.resolve_name(text) {
            Err(error @ (Error::NotFound { .. } | Error::Invalid(_))) => {
                self.of_id(text)?.ok_or(error)
            }
            found => found,
        }
    }

    /// The same without ids: `NAME[:TAG]`, `NAME@DIGEST` or `NAME@N`.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_name(&self, text: &str) -> Result<Version> {
        if let Some((tag, number)) = numbered(text) {
            let tag: Reference = tag.parse()?;
            let log = self.log(&tag)?;
            let version = log.into_iter().find(|version| version.number == number);
            return version.ok_or_else(|| Error::NotFound {
                what: format!("version {number} of {tag}"),
            });
        }
        let reference = text.parse::<Reference>()?;
        let found = match reference.digest() {
            Some(digest) => self.of_repository(&reference, digest)?,
            None => self.tagged(&reference)?,
        };
        found.ok_or_else(|| Error::NotFound {
            what: format!("image {reference}"),
        })
    }

    /// Reads the image that `target` leads to for `platform`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where an index has nothing for the platform;
    /// [`Error::Missing`], [`Error::Untrusted`], [`Error::Invalid`].
    pub fn image(&self, target: &Descriptor, platform: &Platform) -> Result<Image> {
        let by = target.digest.to_string();
        let mut descriptor = target.clone();
        for _ in 0..DEEPEST_INDEX {
            match self.read_manifest(&descriptor, &by)? {
                Document::Index(index) => {
                    let chosen = index.choose(platform).cloned();
                    descriptor = chosen.ok_or_else(|| Error::NotFound {
                        what: format!("an image for {platform} in index {}", target.digest),
                    })?;
                }
                Document::Manifest(manifest) => {
                    let config = self.read_document(&manifest.config, &by)?;
                    let config = Config::parse(&config)?;
                    config.check_against(&manifest)?;
                    return Ok(Image {
                        target: target.clone(),
                        descriptor,
                        manifest: *manifest,
                        config,
                    });
                }
            }
        }
        Err(Error::Untrusted {
            what: format!("index {}", target.digest),
            reason: format!("it leads to an index more than {DEEPEST_INDEX} times"),
        })
    }

    /// What the reference's repository has of `digest`: what is held by it, else the
    /// version of a tag.
    pub(super) fn of_repository(
        &self,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<Option<Version>> {
        let repository = |name: &str| {
            let tag: Option<Reference> = name.parse().ok();
            tag.is_some_and(|tag| {
                tag.registry() == reference.registry() && tag.repository() == reference.repository()
            })
        };
        let is_it =
            |version: &Version| version.descriptor.digest == *digest && repository(&version.name);
        if let Some(held) = self.untagged()?.into_iter().find(is_it) {
            return Ok(Some(held));
        }
        Ok(newest(self.versions_where(is_it)?))
    }

    /// The one image whose id, or whose manifest's digest, begins with `text`.
    fn of_id(&self, text: &str) -> Result<Option<Version>> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || prefix.len() < SHORTEST_ID {
            return Ok(None);
        }
        let host = Platform::host();
        let begins = |version: &Version| {
            let descriptor = &version.descriptor;
            let by_config = || self.image(descriptor, &host).ok();
            descriptor.digest.hex().starts_with(prefix)
                || by_config().is_some_and(|image| image.id().hex().starts_with(prefix))
        };
        let mut found = self.versions_where(begins)?;
        found.extend(self.untagged()?.into_iter().filter(begins));
        // Several names of one image are one.
        let digests: Vec<_> = found.iter().map(|v| v.descriptor.digest.clone()).collect();
        if digests.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Error::NotFound {
                what: format!("one image for `{text}`: more than one id begins with it"),
            });
        }
        found.sort_by_key(|version| version.current);
        Ok(found.pop())
    }
}

fn newest(mut versions: Vec<Version>) -> Option<Version> {
    versions.sort_by_key(|version| (version.current, version.number));
    versions.pop()
}

/// `NAME@N`: a tag's version.
fn numbered(text: &str) -> Option<(&str, u32)> {
    let (tag, number) = text.rsplit_once('@')?;
    Some((tag, number.parse().ok()?))
}
