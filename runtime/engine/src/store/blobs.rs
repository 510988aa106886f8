//! Blobs: files that are named after their content.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use super::Store;
use super::ingest::Pending;
use crate::error::{Error, Result};
use crate::image::{Algorithm, Descriptor, Digest, Document, Hasher, LONGEST_DOCUMENT, MediaType};

impl Store {
    /// Where the blob of `digest` lies, or would.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let blobs = self.root().join("blobs");
        blobs.join(digest.algorithm().name()).join(digest.hex())
    }

    /// The length of a blob; `None` where it is not here.
    #[must_use]
    pub fn blob_bytes(&self, digest: &Digest) -> Option<u64> {
        let metadata = fs::symlink_metadata(self.blob_path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Whether the blob is here, whole.
    #[must_use]
    pub fn has(&self, blob: &Descriptor) -> bool {
        self.blob_bytes(&blob.digest) == Some(blob.size)
    }

    /// Opens the blob that `descriptor` points to, for `by` who needs it.
    ///
    /// # Errors
    /// [`Error::Missing`] where it is not here, or not as long as was promised.
    pub fn open_blob(&self, descriptor: &Descriptor, by: &str) -> Result<File> {
        let missing = || Error::Missing {
            digest: descriptor.digest.clone(),
            by: by.to_owned(),
        };
        let path = self.blob_path(&descriptor.digest);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            opened => opened.map_err(Error::read(&path))?,
        };
        let bytes = file.metadata().map_err(Error::read(&path))?.len();
        (bytes == descriptor.size)
            .then_some(file)
            .ok_or_else(missing)
    }

    /// Reads a manifest, an index or a configuration, and holds it to its digest.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Untrusted`] for one that is too long or not
    /// what its digest says.
    pub fn read_document(&self, descriptor: &Descriptor, by: &str) -> Result<Vec<u8>> {
        let untrusted = |reason: String| Error::Untrusted {
            what: format!("blob {}", descriptor.digest),
            reason,
        };
        if descriptor.size > LONGEST_DOCUMENT {
            return Err(untrusted(format!(
                "a document of {} bytes is longer than {LONGEST_DOCUMENT}",
                descriptor.size
            )));
        }
        let mut bytes = Vec::new();
        self.open_blob(descriptor, by)?
            .take(LONGEST_DOCUMENT + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::read(&self.blob_path(&descriptor.digest)))?;
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        hasher.update(&bytes);
        let digest = hasher.finish();
        if digest != descriptor.digest {
            return Err(untrusted(format!("its content has the digest {digest}")));
        }
        Ok(bytes)
    }

    /// Reads the manifest or index that `descriptor` points to.
    ///
    /// # Errors
    /// As [`read_document`](Self::read_document), and [`Error::Invalid`].
    pub fn read_manifest(&self, descriptor: &Descriptor, by: &str) -> Result<Document> {
        let bytes = self.read_document(descriptor, by)?;
        Ok(Document::parse(&bytes, &descriptor.media_type)?)
    }

    /// Begins a blob whose digest is not known yet.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new_blob(&self, algorithm: Algorithm) -> Result<BlobWriter<'_>> {
        Ok(BlobWriter {
            store: self,
            pending: Pending::file(&self.ingest())?,
            hasher: Hasher::new(algorithm),
            bytes: 0,
        })
    }

    /// Keeps `bytes` as a blob.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn put(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        if !self.has(&descriptor) {
            let path = self.blob_path(&descriptor.digest);
            super::ingest::write_whole(&self.ingest(), &path, bytes)?;
        }
        Ok(descriptor)
    }

    /// Keeps `value`, as JSON, as a blob.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn put_json<T: serde::Serialize>(
        &self,
        media_type: MediaType,
        value: &T,
    ) -> Result<Descriptor> {
        let text = serde_json::to_vec(value);
        let text = text.map_err(|error| Error::write(self.root())(error.into()))?;
        self.put(media_type, &text)
    }
}

/// A blob in the making. It is gone if this is dropped.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    pending: Pending,
    hasher: Hasher,
    bytes: u64,
}

impl BlobWriter<'_> {
    /// How many bytes were written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Names it after its content, and tells digest and length.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(self) -> Result<(Digest, u64)> {
        let (digest, bytes) = (self.hasher.clone().finish(), self.bytes);
        self.keep(&digest)?;
        Ok((digest, bytes))
    }

    /// The same, for what was promised as `expected`.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where it is something else: it is gone then.
    pub fn finish_as(self, expected: &Descriptor) -> Result<()> {
        let untrusted = |reason| Error::Untrusted {
            what: format!("blob {}", expected.digest),
            reason,
        };
        if self.bytes != expected.size {
            let (bytes, size) = (self.bytes, expected.size);
            return Err(untrusted(format!("it has {bytes} bytes, not {size}")));
        }
        let digest = self.hasher.clone().finish();
        if digest != expected.digest {
            return Err(untrusted(format!("its content has the digest {digest}")));
        }
        self.keep(&digest)
    }

    fn keep(self, digest: &Digest) -> Result<()> {
        // Under the same name there may be what a power failure cut short.
        if self.store.blob_bytes(digest) == Some(self.bytes) {
            return Ok(());
        }
        let path = self.store.blob_path(digest);
        if digest.algorithm() != Algorithm::Sha256
            && let Some(directory) = path.parent()
        {
            fs::create_dir_all(directory).map_err(Error::write(directory))?;
        }
        self.pending.place(&path)
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.pending.as_file().write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
