//! Mark and sweep: what no name leads to goes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lock::Lock;
use super::{Owners, Store, ingest};
use crate::disk::allocated_bytes;
use crate::error::{Error, Result};
use crate::image::{Algorithm, Config, Descriptor, Digest, Document, MediaType};

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// How many blobs.
    pub blobs: u64,
    /// How many unpacked layers.
    pub layers: u64,
    /// The disk that they took, in allocated bytes.
    pub bytes: u64,
}

/// What is led to.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) blobs: HashSet<Digest>,
    /// By diff id.
    pub(super) layers: HashSet<Digest>,
}

impl Store {
    /// Removes from the store in `root` every blob and every unpacked layer that
    /// no tag, version, step of a build or running container leads to.
    ///
    /// `None` where somebody uses the store: what a pull has fetched already no
    /// tag leads to yet.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Write`]; [`Error::Untrusted`] for an index that
    /// cannot be read: nothing is removed then.
    pub fn sweep(root: &Path) -> Result<Option<Swept>> {
        Self::sweep_after(root, |_| Ok(()))
    }

    /// The same after `forget`, which is done while nobody else uses the store, or not
    /// at all: what a build stands on is not taken from under it.
    ///
    /// # Errors
    /// As [`sweep`](Self::sweep), and those of `forget`.
    pub fn sweep_after(
        root: &Path,
        forget: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Option<Swept>> {
        drop(Self::open(root)?);
        let Some(alone) = Lock::try_exclusive(&root.join("lock"))? else {
            return Ok(None);
        };
        let store = Self {
            root: root.to_owned(),
            _in_use: alone,
        };
        forget(&store)?;
        ingest::clear_all(&store.ingest());
        let marked = store.marked()?;
        let mut swept = Swept::default();
        for (path, digest) in store.all_blobs() {
            if !marked.blobs.contains(&digest) {
                swept.bytes += discard(&store, &path)?;
                swept.blobs += 1;
            }
        }
        for (path, diff_id) in store.all_layers() {
            if !marked.layers.contains(&diff_id) {
                swept.bytes += discard(&store, &path)?;
                swept.layers += 1;
            }
        }
        Ok(Some(swept))
    }

    /// Everything that a name leads to, or that a running container uses.
    pub(super) fn marked(&self) -> Result<Marked> {
        let mut marked = Marked::default();
        for entry in self.entries()? {
            self.mark(&entry, &mut marked)?;
        }
        for step in self.all_steps() {
            marked.blobs.insert(step.layer.digest);
            marked.layers.insert(step.diff_id);
        }
        marked.layers.extend(self.pinned());
        Ok(marked)
    }

    /// Marks a blob and all that it leads to. What is not here leads nowhere: an
    /// index names the manifests of machines that nobody asked for. What is here and
    /// cannot be read may lead anywhere: that is an error, and nothing is to be swept.
    pub(super) fn mark(&self, from: &Descriptor, marked: &mut Marked) -> Result<()> {
        let mut pending = vec![from.clone()];
        while let Some(descriptor) = pending.pop() {
            if !marked.blobs.insert(descriptor.digest.clone()) {
                continue;
            }
            let kind = &descriptor.media_type;
            let lists = kind.is_manifest() || kind.is_index();
            if !lists {
                continue;
            }
            if let Some(document) = here(self.read_manifest(&descriptor, "the sweep"))? {
                pending.extend(document.subject().cloned());
                pending.extend(document.children().into_iter().cloned());
                if let Document::Manifest(manifest) = document {
                    self.mark_layers(&manifest.config, marked)?;
                }
            }
        }
        Ok(())
    }

    fn mark_layers(&self, config: &Descriptor, marked: &mut Marked) -> Result<()> {
        let known = matches!(
            config.media_type,
            MediaType::Config | MediaType::DockerConfig
        );
        if known && let Some(bytes) = here(self.read_document(config, "the sweep"))? {
            // An artifact's may be anything. At worst a layer is unpacked once more.
            let config = Config::parse(&bytes);
            marked
                .layers
                .extend(config.into_iter().flat_map(|config| config.rootfs.diff_ids));
        }
        Ok(())
    }

    /// Every blob, and its digest.
    pub(super) fn all_blobs(&self) -> Vec<(PathBuf, Digest)> {
        let directories = Algorithm::ALL.into_iter().map(|algorithm| {
            let directory = self.root().join("blobs").join(algorithm.name());
            (directory, algorithm)
        });
        directories
            .flat_map(|(directory, algorithm)| named_by_digest(&directory, algorithm))
            .collect()
    }

    /// Every unpacked layer's directory, and its diff id.
    pub(super) fn all_layers(&self) -> Vec<(PathBuf, Digest)> {
        let directories = Owners::ALL.into_iter();
        directories
            .map(|owners| self.root().join("layers").join(owners.name()))
            .flat_map(|directory| named_by_digest(&directory, Algorithm::Sha256))
            .collect()
    }
}

/// What was read; `None` for what is not here.
fn here<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(Error::Missing { .. }) => Ok(None),
        read => read.map(Some),
    }
}

/// What in `directory` has a digest's digits for a name.
fn named_by_digest(directory: &Path, algorithm: Algorithm) -> Vec<(PathBuf, Digest)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let hex = entry.file_name().into_string().ok()?;
            let digest = format!("{}:{hex}", algorithm.name()).parse().ok()?;
            Some((entry.path(), digest))
        })
        .collect()
}

/// Takes `path` away, whole and at once, then removes it; gives the bytes that it
/// took.
fn discard(store: &Store, path: &Path) -> Result<u64> {
    let bytes = allocated_bytes(&[path]).map_err(Error::read(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Half a layer under a layer's name would be taken for the whole.
    let aside = store.ingest().join(format!(".old-{name}"));
    ingest::remove(&aside);
    fs::rename(path, &aside).map_err(Error::write(path))?;
    ingest::remove(&aside);
    Ok(bytes)
}
