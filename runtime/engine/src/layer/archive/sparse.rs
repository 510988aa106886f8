//! Sparse files: which parts of one the archive has, in each of the four ways that
//! GNU tar has written it down.
//!
//! Source: the manual of GNU tar, "Storing Sparse Files".

use std::io::BufRead;

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::entry::{Entry, Segment};
use super::pax::{Records, decimal};
use super::{Archive, BLOCK, Fault, bad, number};

/// The most parts of one file: a map of more is no longer a description.
const MOST_SEGMENTS: usize = 1 << 16;

/// Sets size, segments and, if it is told apart, name of `entry`, whose stored data
/// comes next.
pub(super) fn read<R: BufRead>(
    archive: &mut Archive<'_, R>,
    header: &Header,
    pax: &Records,
    entry: &mut Entry,
) -> Result<(), Fault> {
    let told = |key: &str| pax.iter().any(|(found, _)| found == key.as_bytes());
    if header.as_old().linkflag[0] == b'S' {
        old_gnu(archive, header, entry)?;
    } else if told("GNU.sparse.major") || told("GNU.sparse.minor") {
        match (
            pax.number("GNU.sparse.major")?,
            pax.number("GNU.sparse.minor")?,
        ) {
            (Some(1), Some(0) | None) => version_1(archive, pax, entry)?,
            _ => return Err(bad("a sparse file's version")),
        }
    } else if told("GNU.sparse.map") || told("GNU.sparse.numblocks") || told("GNU.sparse.size") {
        version_0(pax, entry)?;
    } else {
        entry.size = archive.left;
        entry.segments = match entry.size {
            0 => Vec::new(),
            length => vec![Segment { offset: 0, length }],
        };
        return Ok(());
    }
    check(entry, archive.left)
}

/// A map that fits the file and the data: in order, apart, and not beyond an end.
fn check(entry: &mut Entry, stored: u64) -> Result<(), Fault> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for segment in &entry.segments {
        let next = segment.offset.checked_add(segment.length);
        match next {
            Some(next) if segment.offset >= end && next <= entry.size => end = next,
            _ => return Err(bad("a sparse file's map")),
        }
        sum += segment.length;
    }
    if sum != stored {
        return Err(bad("a sparse file's map"));
    }
    entry.segments.retain(|segment| segment.length > 0);
    Ok(())
}

fn push(entry: &mut Entry, offset: u64, length: u64) -> Result<(), Fault> {
    if entry.segments.len() == MOST_SEGMENTS {
        return Err(Fault::refused(
            &entry.name,
            "it is a sparse file of too many parts",
        ));
    }
    entry.segments.push(Segment { offset, length });
    Ok(())
}

/// In the header, and in blocks between it and the data.
fn old_gnu<R: BufRead>(
    archive: &mut Archive<'_, R>,
    header: &Header,
    entry: &mut Entry,
) -> Result<(), Fault> {
    let gnu = header
        .as_gnu()
        .ok_or_else(|| bad("a sparse file's header"))?;
    entry.size = number::read(&gnu.realsize).ok_or_else(|| bad("a sparse file's size"))?;
    let mut add = |parts: &[GnuSparseHeader]| {
        // The first empty one ends the list.
        for part in parts.iter().take_while(|part| part.offset[0] != 0) {
            match (number::read(&part.offset), number::read(&part.numbytes)) {
                (Some(offset), Some(length)) => push(entry, offset, length)?,
                _ => return Err(bad("a sparse file's map")),
            }
        }
        Ok(())
    };
    add(&gnu.sparse)?;
    let mut more = gnu.is_extended();
    while more {
        let mut block = GnuExtSparseHeader::new();
        // These blocks are not counted in the size that the header tells.
        if !archive.block(block.as_mut_bytes())? {
            return Err(super::ended());
        }
        add(&block.sparse)?;
        more = block.is_extended();
    }
    Ok(())
}

/// In records: a pair of them for each part, or one list.
fn version_0(pax: &Records, entry: &mut Entry) -> Result<(), Fault> {
    let size = pax.number("GNU.sparse.size")?;
    entry.size = size.ok_or_else(|| bad("a sparse file's size"))?;
    if let Some(name) = pax.name("GNU.sparse.name")? {
        entry.name = name;
    }
    let numbers: Vec<&[u8]> = match pax.get("GNU.sparse.map") {
        Some(map) => map.split(|byte| *byte == b',').collect(),
        None => {
            let pair = |key: &[u8]| key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes";
            pax.iter()
                .filter(|(key, _)| pair(key))
                .map(|(_, value)| value)
                .collect()
        }
    };
    for pair in numbers.chunks(2) {
        match pair {
            [offset, length] => match (decimal(offset), decimal(length)) {
                (Some(offset), Some(length)) => push(entry, offset, length)?,
                _ => return Err(bad("a sparse file's map")),
            },
            _ => return Err(bad("a sparse file's map")),
        }
    }
    Ok(())
}

/// In front of the data, decimal numbers on lines of their own, in whole blocks.
fn version_1<R: BufRead>(
    archive: &mut Archive<'_, R>,
    pax: &Records,
    entry: &mut Entry,
) -> Result<(), Fault> {
    let size = pax.number("GNU.sparse.realsize")?;
    entry.size = size.ok_or_else(|| bad("a sparse file's size"))?;
    if let Some(name) = pax.name("GNU.sparse.name")? {
        entry.name = name;
    }
    let mut numbers = Numbers::default();
    let count = numbers.next(archive)?;
    for _ in 0..count {
        let offset = numbers.next(archive)?;
        let length = numbers.next(archive)?;
        push(entry, offset, length)?;
    }
    Ok(())
}

/// Numbers on lines, over blocks.
#[derive(Default)]
struct Numbers {
    text: Vec<u8>,
    at: usize,
}

impl Numbers {
    fn next<R: BufRead>(&mut self, archive: &mut Archive<'_, R>) -> Result<u64, Fault> {
        loop {
            let rest = &self.text[self.at..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let number = decimal(&rest[..end]);
                self.at += end + 1;
                return number.ok_or_else(|| bad("a sparse file's map"));
            }
            if rest.len() > 20 {
                return Err(bad("a sparse file's map"));
            }
            self.text.drain(..self.at);
            self.at = 0;
            let mut block = [0; BLOCK];
            archive.data_block(&mut block)?;
            self.text.extend_from_slice(&block);
        }
    }
}
