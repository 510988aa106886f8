//! How much disk the store takes, and for what: together it is what `du` says.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;

use super::Store;
use crate::disk::allocated_bytes;
use crate::error::{Error, Result};

/// Allocated bytes, by what they are for. Directories count where they stand, so
/// that the sum is everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tags.
    pub tags: u64,
    /// Blobs that tags lead to, and images that are held by their digest.
    pub images: u64,
    /// Blobs that only versions lead to which no longer count.
    pub versions: u64,
    /// Blobs that only steps of builds made.
    pub steps: u64,
    /// Layers unpacked, of images and versions.
    pub layers: u64,
    /// Blobs and unpacked layers that nothing leads to: what a sweep gets back.
    pub garbage: u64,
    /// What is being written, or was when its process was killed.
    pub unfinished: u64,
    /// The index, locks and directories themselves.
    pub bookkeeping: u64,
}

impl Usage {
    /// Everything together, in allocated bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.images
            + self.versions
            + self.steps
            + self.layers
            + self.garbage
            + self.unfinished
            + self.bookkeeping
    }
}

impl Store {
    /// Counts everything that it holds.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn usage(&self) -> Result<Usage> {
        let whole = self.marked()?;
        let mut current = super::sweep::Marked::default();
        let tags = self.tags()?;
        for image in tags.iter().chain(&self.untagged()?) {
            // What cannot be read is counted all the same, if not where it belongs.
            let _ = self.mark(&image.descriptor, &mut current);
        }
        let mut named = super::sweep::Marked::default();
        for entry in self.entries()? {
            let _ = self.mark(&entry, &mut named);
        }
        let mut usage = Usage {
            tags: tags.len() as u64,
            ..Usage::default()
        };
        for (path, digest) in self.all_blobs() {
            let part = if current.blobs.contains(&digest) {
                &mut usage.images
            } else if named.blobs.contains(&digest) {
                &mut usage.versions
            } else if whole.blobs.contains(&digest) {
                &mut usage.steps
            } else {
                &mut usage.garbage
            };
            *part += taken(&path)?;
        }
        for (path, diff_id) in self.all_layers() {
            let part = match whole.layers.contains(&diff_id) {
                true => &mut usage.layers,
                false => &mut usage.garbage,
            };
            *part += taken(&path)?;
        }
        for entry in fs::read_dir(self.ingest()).into_iter().flatten().flatten() {
            usage.unfinished += taken(&entry.path())?;
        }
        // What is left of the sum has no other name.
        usage.bookkeeping = taken(self.root())?.saturating_sub(usage.bytes());
        Ok(usage)
    }
}

fn taken(path: &Path) -> Result<u64> {
    match allocated_bytes(&[path]) {
        // Another command has finished it, or removed it, since it was listed.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        taken => taken.map_err(Error::read(path)),
    }
}
