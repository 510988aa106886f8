//! The store as a registry sees it: repositories, which hold tags, the versions
//! that tags had, and manifests that have no tag.
//!
//! What is pushed or pulled by its digest has no name to be kept under. It gets an entry of
//! the index that names its repository alone, so that a sweep leaves it; as soon as
//! an index of the same repository lists it, that entry goes again.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use super::Store;
use super::index::REF_NAME;
use super::provenance::Provenance;
use super::versions::Version;
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Reference};

/// The repository of a manifest that has no tag.
const REPOSITORY: &str = "isolab.repository";

/// A manifest or index that a repository holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it is.
    pub descriptor: Descriptor,
    /// The tag that stands for it now.
    pub tag: Option<String>,
}

impl Store {
    /// Every repository that holds anything, `REGISTRY/PATH`.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Untrusted`].
    pub fn repositories(&self) -> Result<BTreeSet<String>> {
        let entries = self.entries()?;
        Ok(entries.iter().filter_map(repository_of).collect())
    }

    /// Everything that the reference's repository holds.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Untrusted`].
    pub fn held(&self, repository: &Reference) -> Result<Vec<Held>> {
        let wanted = key(repository);
        let entries = self.entries()?.into_iter();
        let its = entries.filter(|entry| repository_of(entry).as_ref() == Some(&wanted));
        Ok(its.map(|entry| held(&entry)).collect())
    }

    /// Everything that a repository holds without a tag.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Untrusted`].
    pub fn untagged(&self) -> Result<Vec<Version>> {
        let entries = self.entries()?;
        Ok(entries.iter().filter_map(untagged).collect())
    }

    /// Keeps a manifest in the reference's repository, without a tag.
    ///
    /// # Errors
    /// [`Error::Missing`] where the blob is not here; [`Error::Write`].
    pub fn hold(
        &self,
        repository: &Reference,
        descriptor: &Descriptor,
        provenance: &Provenance,
    ) -> Result<()> {
        if !self.has(descriptor) {
            return Err(Error::Missing {
                digest: descriptor.digest.clone(),
                by: repository.to_string(),
            });
        }
        let wanted = key(repository);
        self.change_entries(|entries| {
            let is_held = entries.iter().any(|entry| {
                entry.digest == descriptor.digest && repository_of(entry).as_ref() == Some(&wanted)
            });
            if !is_held {
                let mut entry = descriptor.clone();
                entry.annotations = provenance.annotations();
                entry.annotations.insert(REPOSITORY.to_owned(), wanted);
                entries.push(entry);
            }
            Ok(())
        })
    }

    /// Forgets the entries of manifests that have no tag, and that something else
    /// of the repository leads to from now on.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn release(&self, repository: &Reference, digests: &[Digest]) -> Result<()> {
        let wanted = key(repository);
        self.change_entries(|entries| {
            entries.retain(|entry| {
                let untagged = entry.annotations.get(REPOSITORY) == Some(&wanted);
                !(untagged && digests.contains(&entry.digest))
            });
            Ok(())
        })
    }

    /// Lets the tag stand for nothing. What it stood for stays in its log, and in
    /// the repository by its digest.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn retire(&self, tag: &Reference) -> Result<()> {
        let name = tag.name();
        self.change_entries(|entries| {
            let mut found = false;
            for entry in entries.iter_mut() {
                let current = Version::of(entry).filter(|v| v.current && v.name == name);
                if let Some(mut version) = current {
                    found = true;
                    version.current = false;
                    *entry = version.to_entry();
                }
            }
            found.then_some(()).ok_or_else(|| Error::NotFound {
                what: format!("image {tag}"),
            })
        })
    }

    /// Forgets the manifest in the reference's repository: its entry, each tag
    /// that stands for it, and each version that did.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn forget_manifest(&self, repository: &Reference, digest: &Digest) -> Result<()> {
        let wanted = key(repository);
        self.change_entries(|entries| {
            let before = entries.len();
            entries.retain(|entry| {
                entry.digest != *digest || repository_of(entry).as_ref() != Some(&wanted)
            });
            let found = entries.len() < before;
            found.then_some(()).ok_or_else(|| Error::NotFound {
                what: format!("{digest} in {}", repository.familiar_repository()),
            })
        })
    }

    /// What changes whenever the index does.
    pub(crate) fn index_stamp(&self) -> Option<(u64, u64, i64, i64)> {
        let metadata = std::fs::metadata(self.root().join("index.json")).ok()?;
        let (seconds, fraction) = (metadata.mtime(), metadata.mtime_nsec());
        Some((metadata.ino(), metadata.len(), seconds, fraction))
    }
}

fn key(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

fn repository_of(entry: &Descriptor) -> Option<String> {
    if let Some(name) = entry.annotations.get(REPOSITORY) {
        return Some(name.clone());
    }
    let version = Version::of(entry)?;
    version.name.parse().ok().as_ref().map(key)
}

fn untagged(entry: &Descriptor) -> Option<Version> {
    let repository = entry.annotations.get(REPOSITORY)?;
    let mut descriptor = entry.clone();
    descriptor.annotations.clear();
    Some(Version {
        name: format!("{repository}@{}", entry.digest),
        number: 0,
        descriptor,
        provenance: Provenance::of(&entry.annotations),
        current: false,
    })
}

fn held(entry: &Descriptor) -> Held {
    let name = entry.annotations.get(REF_NAME);
    let tag: Option<Reference> = name.and_then(|name| name.parse().ok());
    let mut descriptor = entry.clone();
    descriptor.annotations.clear();
    Held {
        descriptor,
        tag: tag.and_then(|tag| tag.tag().map(str::to_owned)),
    }
}
