//! Blobs: files that are named after their content.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek as _, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
            store: Holder::Borrowed(self),
            pending: Pending::file(&self.ingest())?,
            hasher: Hasher::new(algorithm),
            bytes: 0,
        })
    }

    /// As [`new_blob`](Self::new_blob), for a writer that outlives the borrow.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new_shared_blob(self: &Arc<Self>, algorithm: Algorithm) -> Result<BlobWriter<'static>> {
        Ok(BlobWriter {
            store: Holder::Shared(Arc::clone(self)),
            pending: Pending::file(&self.ingest())?,
            hasher: Hasher::new(algorithm),
            bytes: 0,
        })
    }

    /// Goes on with the blob of `expected` where an interrupted command stopped:
    /// [`BlobWriter::bytes`] tells how much of it is here already. If it is
    /// dropped before it is whole, it waits for the next one, a day at most.
    ///
    /// Where another command is at it, this one begins anew for itself.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn resume_blob(&self, expected: &Descriptor) -> Result<BlobWriter<'_>> {
        let algorithm = expected.digest.algorithm();
        let Some(pending) = Pending::partial(&self.ingest(), &expected.digest)? else {
            return self.new_blob(algorithm);
        };
        let mut writer = BlobWriter {
            store: Holder::Borrowed(self),
            pending,
            hasher: Hasher::new(algorithm),
            bytes: 0,
        };
        writer.take_up(expected)?;
        Ok(writer)
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

    /// Keeps `bytes` as the blob that `expected` promises.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where they are not that; [`Error::Write`].
    pub fn put_as(&self, expected: &Descriptor, bytes: &[u8]) -> Result<()> {
        let mut hasher = Hasher::new(expected.digest.algorithm());
        hasher.update(bytes);
        let digest = hasher.finish();
        if digest != expected.digest || bytes.len() as u64 != expected.size {
            let length = bytes.len();
            return Err(Error::Untrusted {
                what: format!("blob {}", expected.digest),
                reason: format!("its content has {length} bytes and the digest {digest}"),
            });
        }
        if !self.has(expected) {
            let path = self.blob_path(&digest);
            make_place(&digest, &path)?;
            super::ingest::write_whole(&self.ingest(), &path, bytes)?;
        }
        Ok(())
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

/// What keeps the store open.
#[derive(Debug)]
enum Holder<'a> {
    Borrowed(&'a Store),
    Shared(Arc<Store>),
}

impl Deref for Holder<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Self::Borrowed(store) => store,
            Self::Shared(store) => store,
        }
    }
}

/// A blob in the making. It is gone if this is dropped.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: Holder<'a>,
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

    /// What was written so far, from the beginning.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn reread(&self) -> Result<impl Read + use<>> {
        let path = self.pending.path();
        let file = File::open(path).map_err(Error::read(path))?;
        Ok(file.take(self.bytes))
    }

    /// Begins again at nothing.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn restart(&mut self) -> Result<()> {
        let emptied = self.pending.as_file().set_len(0);
        let emptied = emptied.and_then(|()| self.pending.as_file().rewind());
        emptied.map_err(Error::write(self.pending.path()))?;
        self.hasher = Hasher::new(self.hasher.algorithm());
        self.bytes = 0;
        Ok(())
    }

    /// Hashes what an interrupted command left.
    fn take_up(&mut self, expected: &Descriptor) -> Result<()> {
        let path = self.pending.path().to_owned();
        let file = self.pending.as_file();
        let length = file.metadata().map_err(Error::read(&path))?.len();
        if length > expected.size {
            return self.restart();
        }
        self.bytes = io::copy(file, &mut self.hasher).map_err(Error::read(&path))?;
        Ok(())
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
    pub fn finish_as(mut self, expected: &Descriptor) -> Result<()> {
        let untrusted = |reason| Error::Untrusted {
            what: format!("blob {}", expected.digest),
            reason,
        };
        if self.bytes != expected.size {
            let (bytes, size) = (self.bytes, expected.size);
            self.pending.give_up();
            return Err(untrusted(format!("it has {bytes} bytes, not {size}")));
        }
        if expected.digest.algorithm() != self.hasher.algorithm() {
            let mut hasher = Hasher::new(expected.digest.algorithm());
            let copied = io::copy(&mut self.reread()?, &mut hasher);
            copied.map_err(Error::read(self.pending.path()))?;
            self.hasher = hasher;
        }
        let digest = self.hasher.clone().finish();
        if digest != expected.digest {
            self.pending.give_up();
            return Err(untrusted(format!("its content has the digest {digest}")));
        }
        self.keep(&digest)
    }

    fn keep(mut self, digest: &Digest) -> Result<()> {
        // Under the same name there may be what a power failure cut short.
        if self.store.blob_bytes(digest) == Some(self.bytes) {
            self.pending.give_up();
            return Ok(());
        }
        let path = self.store.blob_path(digest);
        make_place(digest, &path)?;
        self.pending.place(&path)
    }
}

/// A layout has a directory for the usual algorithm only.
fn make_place(digest: &Digest, path: &Path) -> Result<()> {
    if digest.algorithm() != Algorithm::Sha256
        && let Some(directory) = path.parent()
    {
        fs::create_dir_all(directory).map_err(Error::write(directory))?;
    }
    Ok(())
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
