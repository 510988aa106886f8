//! The store's images as repositories: what each holds, and what changes that.
//!
//! Blobs lie in the store once, whoever's they are. A repository has those that
//! its manifests lead to, and those that were sent to it and that no manifest lists
//! yet. Nothing is removed from the disk here: what nobody leads to any more, the
//! next sweep takes, and what another repository has stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::super::session::lock;
use super::reply::Fault;
use super::route::{Name, Which};
use crate::error::Result;
use crate::image::{Algorithm, Descriptor, Digest, Document, Hasher, MediaType, Reference};
use crate::store::{Origin, Provenance, Store};

/// The most blobs that are remembered before a manifest lists them.
const MOST_LINKS: usize = 100_000;

/// What is served.
pub(super) struct Library {
    pub(super) store: Arc<Store>,
    /// Blobs that no manifest lists yet, by repository.
    linked: Mutex<HashSet<(String, Digest)>>,
    known: Mutex<Known>,
}

/// What repositories hold, as of a state of the index.
#[derive(Default)]
struct Known {
    stamp: Option<(u64, u64, i64, i64)>,
    holdings: HashMap<String, Arc<Holdings>>,
}

/// What one repository holds.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) tags: BTreeMap<String, Descriptor>,
    manifests: HashMap<Digest, Descriptor>,
    blobs: HashSet<Digest>,
    /// By what they refer to.
    referrers: HashMap<Digest, Vec<Descriptor>>,
}

impl Library {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            linked: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// What a repository holds now.
    pub(super) fn holdings(&self, name: &Name) -> Result<Arc<Holdings>> {
        let stamp = self.store.index_stamp();
        let mut known = lock(&self.known);
        if known.stamp != stamp || stamp.is_none() {
            *known = Known {
                stamp,
                holdings: HashMap::new(),
            };
        }
        if let Some(found) = known.holdings.get(&name.key()) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(self.read(&name.repository)?);
        // An index that changed meanwhile is read again the next time.
        if self.store.index_stamp() == stamp {
            known.holdings.insert(name.key(), Arc::clone(&found));
        }
        Ok(found)
    }

    fn read(&self, repository: &Reference) -> Result<Holdings> {
        let mut holdings = Holdings::default();
        let mut pending = Vec::new();
        for held in self.store.held(repository)? {
            if let Some(tag) = held.tag {
                holdings.tags.insert(tag, held.descriptor.clone());
            }
            pending.push(held.descriptor);
        }
        while let Some(descriptor) = pending.pop() {
            if holdings.manifests.contains_key(&descriptor.digest) {
                continue;
            }
            // Of an index that was fetched for one platform, the others are not here.
            let Ok(document) = self.store.read_manifest(&descriptor, "the registry") else {
                continue;
            };
            if let Some(subject) = document.subject() {
                let entries = holdings
                    .referrers
                    .entry(subject.digest.clone())
                    .or_default();
                entries.push(referrer(&descriptor, &document));
            }
            for child in document.children() {
                match child.media_type.is_manifest() || child.media_type.is_index() {
                    true => pending.push(child.clone()),
                    false => drop(holdings.blobs.insert(child.digest.clone())),
                }
            }
            holdings
                .manifests
                .insert(descriptor.digest.clone(), descriptor);
        }
        for entries in holdings.referrers.values_mut() {
            entries.sort_by(|one, other| one.digest.cmp(&other.digest));
        }
        Ok(holdings)
    }

    /// Every repository that a path can name, as it names it.
    pub(super) fn names(&self) -> Result<BTreeSet<String>> {
        let all = self.store.repositories()?.into_iter();
        let familiar = all.filter_map(|name| {
            let reference: Reference = name.parse().ok()?;
            let name = Name::parse(&reference.familiar_repository()).ok()?;
            Some(name.text)
        });
        Ok(familiar.collect())
    }

    /// The length of a blob that a repository has.
    pub(super) fn blob(&self, name: &Name, digest: &Digest) -> Result<Option<u64>> {
        let linked = lock(&self.linked).contains(&(name.key(), digest.clone()));
        let has = linked || {
            let holdings = self.holdings(name)?;
            holdings.blobs.contains(digest) || holdings.manifests.contains_key(digest)
        };
        Ok(has.then(|| self.store.blob_bytes(digest)).flatten())
    }

    /// Notes that a blob was sent to a repository, or taken over by it.
    pub(super) fn link(&self, name: &Name, digest: &Digest) {
        let mut linked = lock(&self.linked);
        if linked.len() >= MOST_LINKS {
            linked.clear();
        }
        linked.insert((name.key(), digest.clone()));
    }

    /// Whether a repository that the client names, or any, has the blob.
    pub(super) fn can_mount(&self, from: Option<&Name>, digest: &Digest) -> Result<bool> {
        match from {
            Some(from) => Ok(self.blob(from, digest)?.is_some()),
            None => Ok(false),
        }
    }

    /// Takes a blob from a repository. One that its manifests list stays.
    pub(super) fn unlink(&self, name: &Name, digest: &Digest) -> std::result::Result<(), Fault> {
        if self.holdings(name)?.blobs.contains(digest) {
            let why = "a manifest of the repository lists it; delete that first";
            return Err(Fault::new(405, "UNSUPPORTED", why));
        }
        match lock(&self.linked).remove(&(name.key(), digest.clone())) {
            true => Ok(()),
            false => Err(blob_unknown()),
        }
    }

    /// What a manifest's name stands for in a repository.
    pub(super) fn manifest(
        &self,
        name: &Name,
        which: &Which,
    ) -> std::result::Result<Descriptor, Fault> {
        let holdings = self.holdings(name)?;
        let found = match which {
            Which::Digest(digest) => holdings.manifests.get(digest),
            Which::Tag(tag) => tag.tag().and_then(|tag| holdings.tags.get(tag)),
        };
        found
            .cloned()
            .ok_or_else(|| match holdings.manifests.is_empty() {
                true => name_unknown(),
                false => Fault::new(
                    404,
                    "MANIFEST_UNKNOWN",
                    "the repository has no such manifest",
                ),
            })
    }

    /// Takes a manifest in: under a tag, or by its digest alone. Gives what it is
    /// and what it refers to.
    pub(super) fn put_manifest(
        &self,
        name: &Name,
        which: &Which,
        declared: Option<&str>,
        bytes: &[u8],
        peer: &str,
    ) -> std::result::Result<(Descriptor, Option<Digest>), Fault> {
        let invalid = |why: String| Fault::new(400, "MANIFEST_INVALID", why);
        let declared = MediaType::of(declared.unwrap_or_default());
        let document = Document::parse(bytes, &declared).map_err(|why| invalid(why.to_string()))?;
        let media_type = media_type(declared, &document).map_err(invalid)?;
        let digest = match which {
            Which::Tag(_) => Digest::of(bytes),
            Which::Digest(promised) => digest_of(bytes, promised.algorithm()),
        };
        if let Which::Digest(promised) = which
            && *promised != digest
        {
            let why = format!("what was sent has the digest {digest}");
            return Err(Fault::new(400, "DIGEST_INVALID", why));
        }
        self.check_children(name, &document)?;
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        self.store.put_as(&descriptor, bytes)?;
        let provenance = Provenance {
            by: Some(peer.to_owned()),
            ..Provenance::now(Origin::Pushed)
        };
        match which {
            Which::Tag(tag) => drop(self.store.tag(tag, &descriptor, &provenance)?),
            Which::Digest(_) => self
                .store
                .hold(&name.repository, &descriptor, &provenance)?,
        }
        if let Document::Index(index) = &document {
            let listed: Vec<_> = index.manifests.iter().map(|m| m.digest.clone()).collect();
            self.store.release(&name.repository, &listed)?;
        }
        Ok((
            descriptor,
            document.subject().map(|subject| subject.digest.clone()),
        ))
    }

    fn check_children(&self, name: &Name, document: &Document) -> std::result::Result<(), Fault> {
        for child in document.children() {
            // What only its own servers may hand on need not be here.
            let here = self.blob(name, &child.digest)? == Some(child.size);
            if !here && child.urls.is_empty() {
                let why = format!(
                    "the repository has no {} of {} bytes",
                    child.digest, child.size
                );
                return Err(Fault::new(404, "MANIFEST_BLOB_UNKNOWN", why));
            }
        }
        Ok(())
    }

    /// Deletes a tag, or a manifest with every tag that stands for it.
    pub(super) fn delete(&self, name: &Name, which: &Which) -> std::result::Result<(), Fault> {
        self.manifest(name, which)?;
        match which {
            Which::Tag(tag) => self.store.retire(tag)?,
            Which::Digest(digest) => self
                .store
                .forget_manifest(&name.repository, digest)
                .map_err(|_| {
                    let why = "an index of the repository lists it; delete that first";
                    Fault::new(405, "UNSUPPORTED", why)
                })?,
        }
        Ok(())
    }

    /// What refers to a manifest, of one type or of any.
    pub(super) fn referrers(
        &self,
        name: &Name,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let holdings = self.holdings(name)?;
        let all = holdings.referrers.get(digest).cloned().unwrap_or_default();
        let of_type = |entry: &Descriptor| {
            artifact_type.is_none() || entry.artifact_type.as_deref() == artifact_type
        };
        Ok(all.into_iter().filter(of_type).collect())
    }
}

pub(super) fn name_unknown() -> Fault {
    Fault::new(404, "NAME_UNKNOWN", "there is no such repository")
}

pub(super) fn blob_unknown() -> Fault {
    Fault::new(404, "BLOB_UNKNOWN", "the repository has no such blob")
}

fn digest_of(bytes: &[u8], algorithm: Algorithm) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The type that a manifest is kept under: the one that it came as, which has to
/// be the one that it calls itself.
fn media_type(declared: MediaType, document: &Document) -> std::result::Result<MediaType, String> {
    let (own, usual) = match document {
        Document::Manifest(manifest) => (manifest.media_type.clone(), MediaType::Manifest),
        Document::Index(index) => (index.media_type.clone(), MediaType::Index),
    };
    if !(declared.is_manifest() || declared.is_index()) {
        return Ok(own.unwrap_or(usual));
    }
    match own.filter(|own| *own != declared) {
        Some(own) => Err(format!("it calls itself {own}, and came as {declared}")),
        None => Ok(declared),
    }
}

/// As a list of referrers has it.
fn referrer(descriptor: &Descriptor, document: &Document) -> Descriptor {
    let (kind, annotations) = match document {
        Document::Manifest(manifest) => {
            let config = manifest.config.media_type.name().to_owned();
            let kind = manifest.artifact_type.clone().unwrap_or(config);
            (Some(kind), &manifest.annotations)
        }
        Document::Index(index) => (index.artifact_type.clone(), &index.annotations),
    };
    let mut entry = descriptor.clone();
    entry.artifact_type = kind;
    entry.annotations.clone_from(annotations);
    entry
}
