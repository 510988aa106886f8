//! The layers of an archive that lies on the disk, each kept, hashed and unpacked in
//! one pass.
//!
//! In a file one can look ahead for the documents that say what its blobs are; what
//! comes through a pipe has to be kept before it is known.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt;

use tar::EntryType;

use super::load::{MOST_ENTRIES, blob_name, document, plain_path};
use crate::error::Result;
use crate::image::{Descriptor, Digest, Index, LONGEST_DOCUMENT, MediaType, Platform};
use crate::store::{BlobWriter, Owners, Store};

impl Store {
    /// Takes from `archive`, an OCI archive, the layers of its images for `platform`.
    /// What is not one, or lies, is left to [`load`](Self::load), which tells why and
    /// for which this is no more than a start.
    ///
    /// # Errors
    /// If `archive` cannot be asked for its place, or be rewound.
    pub fn take_layers(
        &self,
        mut archive: &File,
        owners: Owners,
        platform: &Platform,
    ) -> io::Result<()> {
        // Not in a pipe, of which nothing may be read here, nor in a part of a file.
        if !archive.metadata()?.is_file() || archive.stream_position()? != 0 {
            return Ok(());
        }
        if let Some(mut files) = Files::of(self, archive) {
            let images = std::mem::take(&mut files.index.manifests);
            // The first that fails is the last: `load` will tell, and an archive that
            // names one layer a thousand times has it read once.
            let _ = images
                .iter()
                .try_for_each(|image| self.take_layers_of(image, &mut files, owners, platform));
        }
        archive.rewind()
    }

    fn take_layers_of(
        &self,
        image: &Descriptor,
        files: &mut Files<'_>,
        owners: Owners,
        platform: &Platform,
    ) -> Result<()> {
        // What is for another machine has nothing to unpack here.
        let Ok(image) = self.image(image, platform) else {
            return Ok(());
        };
        for (blob, diff_id) in image.layers() {
            let Some(at) = files.blobs.remove(&blob.digest) else {
                continue;
            };
            if self.has(blob) || self.unpacked(diff_id, owners).is_some() {
                continue;
            }
            let writer = self.new_blob(blob.digest.algorithm())?;
            let kept = Kept {
                archive: files.archive,
                at,
                blob,
                writer: Some(writer),
            };
            self.take_layer(blob, diff_id, owners, kept)?;
        }
        Ok(())
    }
}

/// What is where in an archive.
struct Files<'a> {
    archive: &'a File,
    index: Index,
    /// Where each blob begins that is not in the store, in bytes of the file.
    blobs: HashMap<Digest, u64>,
}

impl<'a> Files<'a> {
    /// Looks through `archive`, and keeps the documents. `None` for one that is no plain
    /// OCI archive.
    fn of(store: &Store, archive: &'a File) -> Option<Self> {
        let mut index = None;
        let mut blobs = HashMap::new();
        let mut entries = tar::Archive::new(archive);
        let entries = entries.entries_with_seek().ok()?;
        for entry in entries.take(MOST_ENTRIES) {
            let mut entry = entry.ok()?;
            let path = plain_path(&entry.path().ok()?);
            let Some(path) = path.filter(|_| entry.header().entry_type() == EntryType::Regular)
            else {
                continue;
            };
            if path == "index.json" {
                index = serde_json::from_slice(&document(&path, &mut entry).ok()?).ok();
            }
            let Some(digest) = blob_name(&path) else {
                continue;
            };
            let at = entry.raw_file_position();
            let mut first = [0];
            if entry.size() <= LONGEST_DOCUMENT
                && archive.read_exact_at(&mut first, at).is_ok()
                && first == *b"{"
            {
                let bytes = document(&path, &mut entry).ok()?;
                let kind = MediaType::Other(String::new());
                store
                    .put_as(&Descriptor::new(kind, digest, entry.size()), &bytes)
                    .ok()?;
            } else {
                blobs.insert(digest, at);
            }
        }
        Some(Self {
            archive,
            index: index?,
            blobs,
        })
    }
}

/// Reads a blob of an archive, and keeps it on the way.
struct Kept<'a> {
    archive: &'a File,
    at: u64,
    blob: &'a Descriptor,
    /// Until all of it is kept.
    writer: Option<BlobWriter<'a>>,
}

impl Read for Kept<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(writer) = &mut self.writer else {
            return Ok(0);
        };
        let left = self.blob.size.saturating_sub(writer.bytes());
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let count = self.archive.read_at(&mut into[..most], self.at)?;
        writer.write_all(&into[..count])?;
        self.at += count as u64;
        if count == 0
            && !into.is_empty()
            && let Some(writer) = self.writer.take()
        {
            writer.finish_as(self.blob).map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::saved;
    use crate::store::tests::with_store;

    #[test]
    fn a_layer_that_fails_is_not_tried_again() {
        let mut bytes = saved();
        let gzip = bytes.windows(3).position(|part| part == [0x1f, 0x8b, 8]);
        bytes[gzip.unwrap() + 12] ^= 1;
        let mut archive = tempfile::tempfile().unwrap();
        archive.write_all(&bytes).unwrap();
        archive.rewind().unwrap();
        with_store(|_, store| {
            let mut files = Files::of(store, &archive).unwrap();
            let image = files.index.manifests[0].clone();
            let mut take = || {
                let host = Platform::host();
                store.take_layers_of(&image, &mut files, Owners::Single, &host)
            };
            take().unwrap_err();
            take().unwrap();
        });
    }
}
