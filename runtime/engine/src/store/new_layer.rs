//! A layer in the making: a tar archive goes in, and is packed and named twice on
//! its way, by what it is and by what it is packed to.

use std::io::{self, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::{BlobWriter, Store};
use crate::error::{Error, Result};
use crate::image::{Algorithm, Compression, Descriptor, Digest, Hasher, MediaType};

/// The level at which gzip is no longer slow and hardly larger.
const LEVEL: u32 = 6;

impl Store {
    /// Begins a layer that is packed by gzip, which everybody reads.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new_layer(&self) -> Result<LayerWriter<'_>> {
        let blob = self.new_blob(Algorithm::Sha256)?;
        // No time and no name: the same archive gives the same bytes.
        let packer = GzBuilder::new().write(blob, flate2::Compression::new(LEVEL));
        Ok(LayerWriter {
            store: self,
            packer,
            plain: Hasher::new(Algorithm::Sha256),
        })
    }
}

/// Takes the bytes of a tar archive. The layer is gone if this is dropped.
#[derive(Debug)]
pub struct LayerWriter<'a> {
    store: &'a Store,
    packer: GzEncoder<BlobWriter<'a>>,
    plain: Hasher,
}

impl LayerWriter<'_> {
    /// Keeps it, and gives its descriptor and its diff id.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(self) -> Result<(Descriptor, Digest)> {
        let blob = self.packer.finish();
        let blob = blob.map_err(Error::write(self.store.root()))?;
        let (digest, bytes) = blob.finish()?;
        let kind = MediaType::Layer(Compression::Gzip);
        Ok((Descriptor::new(kind, digest, bytes), self.plain.finish()))
    }
}

impl Write for LayerWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.packer.write(bytes)?;
        self.plain.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
