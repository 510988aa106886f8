//! A layer in the making: a tar archive goes in, and is packed and named twice on
//! its way, by what it is and by what it is packed to.

use std::io::{self, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::{BlobWriter, Store};
use crate::error::{Error, Result};
use crate::image::{Algorithm, Compression, Descriptor, Digest, Hasher, MediaType};

/// How much is handed to the packer at once. What it makes of the same bytes
/// differs with how they are cut, and an archive that comes through a pipe is cut
/// differently each time.
const CUT: usize = 64 << 10;
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
            waiting: Vec::with_capacity(CUT),
        })
    }
}

/// Takes the bytes of a tar archive. The layer is gone if this is dropped.
#[derive(Debug)]
pub struct LayerWriter<'a> {
    store: &'a Store,
    packer: GzEncoder<BlobWriter<'a>>,
    plain: Hasher,
    waiting: Vec<u8>,
}

impl LayerWriter<'_> {
    /// Keeps it, and gives its descriptor and its diff id.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<(Descriptor, Digest)> {
        let failed = Error::write(self.store.root());
        let packed = self.packer.write_all(&self.waiting);
        let blob = packed.and_then(|()| self.packer.finish());
        let blob = blob.map_err(failed)?;
        let (digest, bytes) = blob.finish()?;
        let kind = MediaType::Layer(Compression::Gzip);
        Ok((Descriptor::new(kind, digest, bytes), self.plain.finish()))
    }
}

impl Write for LayerWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CUT - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        self.plain.update(&bytes[..count]);
        if self.waiting.len() == CUT {
            self.packer.write_all(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::with_store;

    #[test]
    fn the_same_bytes_are_the_same_layer_however_they_come() {
        let bytes: Vec<u8> = (0..600_000u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        let layer = |cut: usize| {
            let mut made = None;
            with_store(|_, store| {
                let mut layer = store.new_layer().unwrap();
                for part in bytes.chunks(cut) {
                    layer.write_all(part).unwrap();
                }
                made = Some(layer.finish().unwrap());
            });
            made.unwrap()
        };
        let whole = layer(bytes.len());
        assert_eq!(whole.1, Digest::of(&bytes));
        for cut in [777, 4096, 65_536, 131_073] {
            assert_eq!(layer(cut), whole, "cut at {cut}");
        }
    }
}
