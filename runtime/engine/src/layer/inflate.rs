//! From packed bytes to the archive's.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::fault::Fault;
use crate::image::Compression;

/// The largest window of zstd that is allowed, as a power of two: 128 MiB, which is
/// what its own program allows without being asked.
const WINDOW: u32 = 27;

/// How long the archive is that `packed` holds, in bytes; `None` where it is none, or
/// longer than `most`.
pub(crate) fn plain_bytes(packed: impl Read, compression: Compression, most: u64) -> Option<u64> {
    let packed = BufReader::with_capacity(READ, packed);
    let mut inflate = Inflate::new(packed, compression).ok()?;
    let mut buffer = vec![0; READ];
    let mut bytes = 0;
    loop {
        let count = inflate.fill(&mut buffer).ok()? as u64;
        bytes += count;
        if count == 0 || bytes > most {
            return (bytes <= most).then_some(bytes);
        }
    }
}

/// How much is unpacked at once, in bytes.
const READ: usize = 128 << 10;

/// Packed bytes being unpacked.
pub(super) enum Inflate<R: BufRead> {
    None(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<zstd::Decoder<'static, R>>),
}

impl<R: BufRead> Inflate<R> {
    pub(super) fn new(packed: R, compression: Compression) -> Result<Self, Fault> {
        Ok(match compression {
            Compression::None => Self::None(packed),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(packed))),
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(packed);
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
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        };
        match packed.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(Fault::malformed("bytes follow its end")),
            Err(error) => {
                let error = error.kind().into();
                Err(self.failed(&error))
            }
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
