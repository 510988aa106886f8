//! LZ4 in the legacy frame that the kernel's build uses, decoded in the fewest lines.
//!
//! A block is a list of sequences: some literal bytes, then a match (how far back, how long).
//! Source: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>, and "Legacy frame" in
//! the frame format beside it.

/// How a legacy frame begins.
pub(super) const LEGACY_MAGIC: &[u8] = &[0x02, 0x21, 0x4c, 0x18];

/// No kernel is larger; a damaged file must not fill the memory.
const LARGEST: usize = 512 << 20;

/// The bytes of a legacy frame, or nothing if it is damaged.
///
/// The kernel's build appends the uncompressed size as four bytes, which would read as one more
/// block header: decoding ends there.
pub(super) fn decompress(frame: &[u8]) -> Option<Vec<u8>> {
    let mut rest = frame.strip_prefix(LEGACY_MAGIC)?;
    let mut out = Vec::new();
    while rest.len() > 4 {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let (block, after) = after.split_at_checked(size)?;
        decompress_block(block, &mut out)?;
        rest = after;
    }
    if let Some(size) = rest.first_chunk::<4>()
        && u32::from_le_bytes(*size) as usize != out.len()
    {
        return None;
    }
    Some(out)
}

fn decompress_block(mut block: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // A match may not reach back before its own block.
    let start = out.len();
    loop {
        let token = take(&mut block)?;
        let literals = length(token >> 4, &mut block)?;
        let (bytes, rest) = block.split_at_checked(literals)?;
        out.extend_from_slice(bytes);
        if rest.is_empty() {
            return Some(());
        }
        let (offset, rest) = rest.split_first_chunk::<2>()?;
        block = rest;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let mut left = length(token & 15, &mut block)? + 4;
        if offset == 0 || offset > out.len() - start || out.len() + left > LARGEST {
            return None;
        }
        // The match may overlap what it produces: a run is a match that reaches back one byte.
        let from = out.len() - offset;
        while left > 0 {
            let piece = left.min(out.len() - from);
            out.extend_from_within(from..from + piece);
            left -= piece;
        }
    }
}

/// A length: four bits of the token and, where they are all set, more bytes until one is not 255.
fn length(bits: u8, block: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(bits);
    if bits == 15 {
        loop {
            let byte = take(block)?;
            length += usize::from(byte);
            if byte != 255 {
                break;
            }
        }
    }
    Some(length)
}

fn take(block: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = block.split_first()?;
    *block = rest;
    Some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one block, with the size that the kernel's build appends.
    fn frame(block: &[u8], size: u32) -> Vec<u8> {
        let len = u32::try_from(block.len()).unwrap();
        [LEGACY_MAGIC, &len.to_le_bytes(), block, &size.to_le_bytes()].concat()
    }

    #[test]
    fn a_run_is_a_match_that_overlaps_itself() {
        // One literal, then a match one byte back of 4 + 3 bytes, then the last literals.
        let block = [0x13, b'a', 1, 0, 0x20, b'b', b'c'];
        assert_eq!(decompress(&frame(&block, 10)).unwrap(), b"aaaaaaaabc");
    }

    #[test]
    fn a_long_literal_continues_its_length_in_further_bytes() {
        let mut block = vec![0xf0, 255, 10];
        block.extend(vec![7; 15 + 255 + 10]);
        assert_eq!(decompress(&frame(&block, 280)).unwrap(), vec![7; 280]);
    }

    #[test]
    fn damage_is_noticed_and_never_panics() {
        let good = frame(&[0x13, b'a', 1, 0, 0x20, b'b', b'c'], 10);
        for end in 0..good.len() {
            // A frame without any block is empty, and without the size it is still whole.
            if end > 4 && end < good.len() - 4 {
                assert_eq!(
                    decompress(&good[..end]).filter(|out| !out.is_empty()),
                    None,
                    "{end}"
                );
            }
        }
        assert_eq!(
            decompress(&frame(&[0x13, b'a', 9, 0, 0x10, b'b'], 9)),
            None,
            "reaches back too far"
        );
        assert_eq!(
            decompress(&frame(&[0x13, b'a', 0, 0, 0x10, b'b'], 9)),
            None,
            "reaches nowhere"
        );
        assert_eq!(
            decompress(&frame(&[0x20, b'b', b'c'], 3)),
            None,
            "another size was promised"
        );
    }
}
