//! Pulling: from a name to blobs in the store, each held to its digest while it
//! comes.

use std::collections::HashSet;
use std::result::Result;

use ureq::http::header;

use super::blob::{Source, Stream};
use super::client::Client;
use super::progress::{Blob, Fate, Progress};
use super::session::{Question, Site};
use super::several::each_of;
use super::trouble::{Trouble, shown, wrong};
use crate::error::Error;
use crate::image::{
    Config, Descriptor, Digest, Document, Hasher, LONGEST_DOCUMENT, Manifest, MediaType, Platform,
    Reference,
};
use crate::store::{Owners, Store};

/// How far an index may lead to an index: further is a circle, or an attempt.
const DEEPEST_INDEX: u32 = 4;

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pulled {
    /// What the name stands for: the manifest, or the index that it was chosen
    /// from.
    pub target: Descriptor,
    /// The manifest of the platform.
    pub manifest: Descriptor,
    /// The bytes of blobs that came over the network.
    pub fetched: u64,
    /// The bytes of blobs that were here.
    pub skipped: u64,
    /// The configuration, and the layers from the base up.
    pub blobs: Vec<Blob>,
}

impl Client {
    /// Brings the image that `reference` names, for `platform`, into the store. It
    /// has no tag there yet.
    ///
    /// # Errors
    /// [`Error::Registry`]; [`Error::Untrusted`] for what is not what its digest
    /// says; [`Error::NotFound`] where there is nothing for the platform;
    /// [`Error::Write`].
    pub fn pull(
        &self,
        reference: &Reference,
        platform: &Platform,
        store: &Store,
        progress: &dyn Progress,
    ) -> crate::Result<Pulled> {
        self.bring(reference, platform, store, None, progress)
    }

    /// The same, with its layers unpacked: each in one pass from the network through
    /// both digests to its files.
    ///
    /// # Errors
    /// As [`pull`](Self::pull), and [`Error::Layer`] for a layer that is refused.
    pub fn pull_unpacked(
        &self,
        reference: &Reference,
        platform: &Platform,
        store: &Store,
        owners: Owners,
        progress: &dyn Progress,
    ) -> crate::Result<Pulled> {
        self.bring(reference, platform, store, Some(owners), progress)
    }

    fn bring(
        &self,
        reference: &Reference,
        platform: &Platform,
        store: &Store,
        unpacked: Option<Owners>,
        progress: &dyn Progress,
    ) -> crate::Result<Pulled> {
        self.session.line.while_wanted(progress, || {
            self.bring_all(reference, platform, store, unpacked, progress)
        })
    }

    fn bring_all(
        &self,
        reference: &Reference,
        platform: &Platform,
        store: &Store,
        unpacked: Option<Owners>,
        progress: &dyn Progress,
    ) -> crate::Result<Pulled> {
        let registry = reference.registry();
        let about = |trouble: Trouble| trouble.about(format!("pull {reference}"), registry);
        let site = Site::new(&self.session.settings, reference, "pull").map_err(about)?;
        let source = Source {
            session: &self.session,
            site: &site,
            store,
            progress,
        };
        let (target, document) = source.named(reference).map_err(about)?;
        let (descriptor, manifest) = source.choose(&target, document, platform).map_err(about)?;
        let blob = |source: Source<'_>, wanted: &Wanted<'_>| {
            source.blob(wanted).map_err(|trouble| {
                let digest = &wanted.blob.digest;
                trouble.about(format!("fetch blob {digest} of {reference}"), registry)
            })
        };
        // It says what the layers unpack to.
        let config = Wanted {
            blob: &manifest.config,
            layer: None,
        };
        let mut fetched = vec![blob(source, &config)?];
        let diff_ids = match unpacked {
            Some(_) => diff_ids(store, &manifest),
            None => Vec::new(),
        };
        let wanted = wanted(&manifest, &diff_ids, unpacked);
        let parallel = self.session.settings.parallel;
        fetched.extend(each_of(&wanted, parallel, progress, |wanted, progress| {
            blob(Source { progress, ..source }, wanted)
        })?);
        let digests = fetched.iter().map(|blob| &blob.descriptor.digest);
        store.remember_repository(registry, reference.repository(), digests)?;
        Ok(Pulled {
            target,
            manifest: descriptor,
            fetched: fetched.iter().map(|blob| blob.moved).sum(),
            skipped: fetched
                .iter()
                .map(|blob| blob.descriptor.size.saturating_sub(blob.moved))
                .sum(),
            blobs: fetched,
        })
    }
}

/// A blob, and what it is to be unpacked as.
struct Wanted<'a> {
    blob: &'a Descriptor,
    layer: Option<(&'a Digest, Owners)>,
}

/// The layers, each blob once.
fn wanted<'a>(
    manifest: &'a Manifest,
    diff_ids: &'a [Digest],
    unpacked: Option<Owners>,
) -> Vec<Wanted<'a>> {
    let mut known = HashSet::from([&manifest.config.digest]);
    let mut wanted = Vec::new();
    for (at, blob) in manifest.layers.iter().enumerate() {
        if known.insert(&blob.digest) {
            let layer = diff_ids.get(at).zip(unpacked);
            let layer = layer.filter(|_| blob.media_type.layer().is_some());
            wanted.push(Wanted { blob, layer });
        }
    }
    wanted
}

/// What the layers unpack to; nothing where the configuration is no image's, or says
/// something else than the manifest: who wants to run it is told so.
fn diff_ids(store: &Store, manifest: &Manifest) -> Vec<Digest> {
    let bytes = store.read_document(&manifest.config, "the pull");
    let config = bytes.ok().and_then(|bytes| Config::parse(&bytes).ok());
    let config = config.filter(|config| config.check_against(manifest).is_ok());
    config.map_or_else(Vec::new, |config| config.rootfs.diff_ids)
}

impl Source<'_> {
    /// What a name stands for.
    fn named(&self, reference: &Reference) -> Result<(Descriptor, Document), Trouble> {
        let (bytes, media_type, said) = self.manifest(&reference.asked())?;
        let digest = match (reference.digest(), said) {
            (Some(asked), _) => asked.clone(),
            (None, Some(said)) => said,
            (None, None) => Digest::of(&bytes),
        };
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        let document = self.keep(&descriptor, &bytes)?;
        Ok((descriptor, document))
    }

    /// A manifest that another document promises.
    fn promised(&self, descriptor: &Descriptor) -> Result<Document, Trouble> {
        if self.store.has(descriptor)
            && let Ok(document) = self.store.read_manifest(descriptor, "the pull")
        {
            return Ok(document);
        }
        if descriptor.size > LONGEST_DOCUMENT {
            let size = descriptor.size;
            return Err(wrong(format!(
                "manifest {} of {size} bytes is longer than {LONGEST_DOCUMENT}",
                descriptor.digest
            )));
        }
        let (bytes, _, _) = self.manifest(&descriptor.digest.to_string())?;
        self.keep(descriptor, &bytes)
    }

    /// Checks a manifest against its digest, reads it, and then keeps it.
    fn keep(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<Document, Trouble> {
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        hasher.update(bytes);
        let digest = hasher.finish();
        if digest != descriptor.digest || bytes.len() as u64 != descriptor.size {
            let reason = format!(
                "its content has {} bytes and the digest {digest}, not {} bytes",
                bytes.len(),
                descriptor.size
            );
            let what = format!("manifest {}", descriptor.digest);
            return Err(Trouble::Local(Error::Untrusted { what, reason }));
        }
        let document = Document::parse(bytes, &descriptor.media_type);
        let document = document.map_err(|invalid| {
            wrong(format!(
                "manifest {}: {}",
                descriptor.digest, invalid.reason
            ))
        })?;
        self.store.put_as(descriptor, bytes)?;
        Ok(document)
    }

    /// The bytes of a manifest, its type, and the digest that the registry says
    /// it has.
    fn manifest(&self, asked: &str) -> Result<(Vec<u8>, MediaType, Option<Digest>), Trouble> {
        let accept = [
            MediaType::Index,
            MediaType::Manifest,
            MediaType::DockerList,
            MediaType::DockerManifest,
        ];
        let accept = accept.each_ref().map(MediaType::name).join(", ");
        let url = self.site.below(&format!("manifests/{asked}"));
        self.session.patiently(self.progress, || {
            let question = Question::get(url.clone()).header(header::ACCEPT, &*accept);
            let answer = self.session.ask(self.site, question)?.expect(&[200])?;
            let kind = answer.header("content-type").unwrap_or_default();
            let kind = MediaType::of(kind);
            let said = answer.header("docker-content-digest");
            let said = said.and_then(|text| text.parse().ok());
            let bytes = answer.into_bytes(LONGEST_DOCUMENT)?;
            let kind = real_type(kind, &bytes)?;
            Ok((bytes, kind, said))
        })
    }

    /// The manifest for `platform` that `target` leads to.
    fn choose(
        &self,
        target: &Descriptor,
        document: Document,
        platform: &Platform,
    ) -> Result<(Descriptor, Manifest), Trouble> {
        let mut descriptor = target.clone();
        let mut document = document;
        for _ in 0..DEEPEST_INDEX {
            match document {
                Document::Manifest(manifest) => return Ok((descriptor, *manifest)),
                Document::Index(index) => {
                    let chosen = index.choose(platform).cloned();
                    descriptor = chosen.ok_or_else(|| Error::NotFound {
                        what: format!("an image for {platform} in index {}", target.digest),
                    })?;
                    document = self.promised(&descriptor)?;
                }
            }
        }
        Err(wrong(format!(
            "index {} leads to an index more than {DEEPEST_INDEX} times",
            target.digest
        )))
    }

    /// Brings a blob, or finds it here, and has it unpacked where that is wanted.
    fn blob(&self, wanted: &Wanted<'_>) -> Result<Blob, Trouble> {
        let (blob, store) = (wanted.blob, self.store);
        let unpacked = |&(id, owners): &(_, _)| store.unpacked(id, owners).is_some();
        let layer = wanted.layer.filter(|layer| !unpacked(layer));
        let ended = |fate, moved| {
            self.progress.done(blob, fate);
            Ok(Blob {
                descriptor: blob.clone(),
                fate,
                moved,
            })
        };
        if store.has(blob) {
            if let Some((diff_id, owners)) = layer {
                store.layer(blob, diff_id, owners)?;
            }
            return ended(Fate::Skipped, 0);
        }
        let mut writer = store.resume_blob(blob)?;
        let mut lost = 0;
        loop {
            let had = writer.bytes();
            let mut stream = Stream::new(*self, blob, writer)?;
            let taken = match layer {
                Some((diff_id, owners)) => store.take_layer(blob, diff_id, owners, &mut stream),
                None => Ok(()),
            };
            let (moved, verdict) = stream.finish();
            match verdict {
                Ok(()) => {
                    taken?;
                    let fate = match had {
                        0 => Fate::Moved,
                        had => Fate::Resumed { had },
                    };
                    return ended(fate, moved + lost);
                }
                // What was left here was damaged, not what the registry sends.
                Err(Trouble::Local(Error::Untrusted { .. })) if had > 0 => {
                    writer = store.resume_blob(blob)?;
                    writer.restart()?;
                    lost = moved;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }
}

/// A type that says nothing, or none, is told by the content.
fn real_type(kind: MediaType, bytes: &[u8]) -> Result<MediaType, Trouble> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        media_type: Option<MediaType>,
    }
    if kind.is_manifest() || kind.is_index() {
        return Ok(kind);
    }
    let named = serde_json::from_slice::<Named>(bytes);
    let named = named.map_err(|_| {
        let kind = shown(kind.name(), 80);
        wrong(format!(
            "it sends no manifest, but something of type `{kind}`"
        ))
    })?;
    if let Some(named) = named.media_type {
        return Ok(named);
    }
    let document = Document::parse(bytes, &MediaType::Other(String::new()));
    Ok(match document {
        Ok(Document::Index(_)) => MediaType::Index,
        _ => MediaType::Manifest,
    })
}
