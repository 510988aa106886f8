//! From packed bytes to the archive's.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::fault::Fault;
use crate::image::Compression;

/// How much is read at once: small enough to be hashed and inflated in cache.
const READ: usize = 128 << 10;

/// The largest window of zstd that is allowed, as a power of two: 128 MiB, which is
/// what its own program allows without being asked.
const WINDOW: u32 = 27;

/// Packed bytes being unpacked.
pub(super) enum Inflate<R: Read> {
    None(R),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<R>>>),
}

impl<R: Read> Inflate<R> {
    pub(super) fn new(packed: R, compression: Compression) -> Result<Self, Fault> {
        let buffered = |packed| BufReader::with_capacity(READ, packed);
        Ok(match compression {
            Compression::None => Self::None(packed),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(packed)))),
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(buffered(packed));
                let mut decoder = decoder.map_err(Fault::Source)?;
                decoder.window_log_max(WINDOW).map_err(Fault::Source)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    /// Fills `buffer` as far as there is something to fill it with.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            let read = match self {
                Self::None(packed) => packed.read(rest),
                Self::Gzip(decoder) => decoder.read(rest),
                Self::Zstd(decoder) => decoder.read(rest),
            };
            match read {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(filled)
    }

    /// Reads what a decoder has left over, which must be nothing.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        let packed = match &mut self {
            Self::None(packed) => packed,
            Self::Gzip(decoder) => decoder.get_mut().get_mut(),
            Self::Zstd(decoder) => decoder.get_mut().get_mut(),
        };
        let mut byte = [0];
        match packed.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Fault::malformed("bytes follow its end")),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// What the decoder says; where reading failed, the source knows better.
    fn failed(&self, error: &io::Error) -> Fault {
        let format = match self {
            Self::None(_) => "",
            Self::Gzip(_) => "as gzip: ",
            Self::Zstd(_) => "as zstd: ",
        };
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::malformed(format!("{format}it ends too early")),
            _ => Fault::malformed(format!("{format}{error}")),
        }
    }
}
