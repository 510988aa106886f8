//! What is packed is unpacked, whatever the file is called.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::image::Compression;

/// The bytes of `input` as they were before they were packed, and how they are
/// packed: by gzip, zstd or not at all, told by their first bytes.
///
/// # Errors
/// If it cannot be read.
pub fn unpacked<'a>(input: impl Read + 'a) -> io::Result<(Box<dyn Read + 'a>, Compression)> {
    let mut input = BufReader::with_capacity(128 * 1024, input);
    let compression = packing(input.fill_buf()?);
    let plain: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
    };
    Ok((plain, compression))
}

/// How a file is packed that begins with `first`, some four bytes or more.
///
/// Sources: RFC 1952, section 2.3.1; RFC 8878, section 3.1.1.
pub(super) fn packing(first: &[u8]) -> Compression {
    if first.starts_with(&[0x1f, 0x8b]) {
        Compression::Gzip
    } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Compression::Zstd
    } else {
        Compression::None
    }
}
