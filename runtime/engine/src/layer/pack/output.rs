//! The archive on its way out: named by what it is, packed, and named again.

use std::io::{self, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::{Packed, Packing};
use crate::image::{Algorithm, Digest, Hasher};

/// How much a packer gets at once. What it makes of the same bytes depends on where
/// they are cut.
const CUT: usize = 128 << 10;

/// Takes the archive.
pub(super) struct Output<W: Write> {
    packer: Packer<W>,
    waiting: Vec<u8>,
    plain: Hasher,
    bytes: u64,
}

enum Packer<W: Write> {
    None(Counted<W>),
    Gzip(GzEncoder<Counted<W>>),
    Zstd(zstd::Encoder<'static, Counted<W>>),
}

/// Packed bytes, hashed and counted.
struct Counted<W> {
    out: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> Output<W> {
    pub(super) fn new(out: W, packing: Packing) -> io::Result<Self> {
        let out = Counted {
            out,
            hasher: Hasher::new(Algorithm::Sha256),
            bytes: 0,
        };
        let packer = match packing {
            Packing::None => Packer::None(out),
            // No time and no name.
            Packing::Gzip(level) => {
                let level = flate2::Compression::new(level.min(9));
                Packer::Gzip(GzBuilder::new().write(out, level))
            }
            Packing::Zstd(level) => {
                let mut encoder = zstd::Encoder::new(out, level)?;
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        };
        Ok(Self {
            packer,
            waiting: Vec::with_capacity(CUT),
            plain: Hasher::new(Algorithm::Sha256),
            bytes: 0,
        })
    }

    /// Ends the archive.
    pub(super) fn finish(mut self, entries: u64) -> io::Result<Packed> {
        self.write_all(&[0; 1024])?;
        self.pass_on()?;
        let mut packed = match self.packer {
            Packer::None(out) => out,
            Packer::Gzip(encoder) => encoder.finish()?,
            Packer::Zstd(encoder) => encoder.finish()?,
        };
        packed.out.flush()?;
        let blob: Digest = packed.hasher.finish();
        Ok(Packed {
            diff_id: self.plain.finish(),
            diff_bytes: self.bytes,
            blob,
            blob_bytes: packed.bytes,
            entries,
        })
    }

    /// How much was taken.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.plain.update(&self.waiting);
        match &mut self.packer {
            Packer::None(out) => out.write_all(&self.waiting)?,
            Packer::Gzip(encoder) => encoder.write_all(&self.waiting)?,
            Packer::Zstd(encoder) => encoder.write_all(&self.waiting)?,
        }
        self.waiting.clear();
        Ok(())
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CUT - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        self.bytes += count as u64;
        if self.waiting.len() == CUT {
            self.pass_on()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
