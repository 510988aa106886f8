//! From packed bytes to the archive's, and their digest on the way.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::fault::Fault;
use crate::image::{Algorithm, Compression, Digest, Hasher};

/// How much is read at once: small enough to be hashed and inflated in cache.
const READ: usize = 128 << 10;

/// The largest window of zstd that is allowed, as a power of two: 128 MiB, which is
/// what its own program allows without being asked.
const WINDOW: u32 = 27;

/// The packed bytes, hashed and counted as they come.
pub(super) struct Source<R> {
    packed: R,
    hasher: Option<Hasher>,
    bytes: u64,
    most: u64,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = loop {
            match self.packed.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Decoders may hide it, and it is not the layer's fault.
                    self.failure = Some(io::Error::new(error.kind(), error.to_string()));
                    return Err(error);
                }
                Ok(length) => break length,
            }
        };
        self.bytes += length as u64;
        if self.bytes > self.most {
            return Err(io::Error::other("it is longer than it was said to be"));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&into[..length]);
        }
        Ok(length)
    }
}

/// Packed bytes being unpacked.
pub(super) enum Inflate<R: Read> {
    None(Box<Source<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Source<R>>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Source<R>>>>),
}

impl<R: Read> Inflate<R> {
    /// Of `packed`, which may have `most` bytes. Without an algorithm no digest is
    /// made: that of what is not packed is the archive's own.
    pub(super) fn new(
        packed: R,
        compression: Compression,
        algorithm: Option<Algorithm>,
        most: u64,
    ) -> Result<Self, Fault> {
        let source = Source {
            packed,
            hasher: algorithm.map(Hasher::new),
            bytes: 0,
            most,
            failure: None,
        };
        let buffered = |source| BufReader::with_capacity(READ, source);
        Ok(match compression {
            Compression::None => Self::None(Box::new(source)),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(source)))),
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(buffered(source));
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
                Self::None(source) => source.read(rest),
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

    /// Reads what a decoder has left over, which must be nothing, and tells the
    /// digest, if one was made, and the length.
    pub(super) fn finish(mut self) -> Result<(Option<Digest>, u64), Fault> {
        let source = self.source();
        let mut byte = [0];
        match source.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => return Err(Fault::malformed("bytes follow its end")),
            Err(error) => return Err(self.failed(&error)),
        }
        if source.bytes == 0 {
            return Err(Fault::malformed("it is empty"));
        }
        let hasher = source.hasher.take();
        Ok((hasher.map(Hasher::finish), source.bytes))
    }

    fn source(&mut self) -> &mut Source<R> {
        match self {
            Self::None(source) => source,
            Self::Gzip(decoder) => decoder.get_mut().get_mut(),
            Self::Zstd(decoder) => decoder.get_mut().get_mut(),
        }
    }

    fn failed(&mut self, error: &io::Error) -> Fault {
        if let Some(failure) = self.source().failure.take() {
            return Fault::Source(failure);
        }
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
