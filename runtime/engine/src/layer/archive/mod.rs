//! The tar archive, entry by entry, as Go's `archive/tar` reads it: that is what
//! docker, containerd and podman read layers by, and an archive that two programs
//! read differently can show one and unpack the other.
//!
//! The `tar` crate gives the header's layout, and only that. Its iterator reads
//! the description of an entry (PAX records, GNU's long names, the map of a sparse
//! file) into memory as long as the archive says it is, without a limit; takes a
//! PAX record to end at its first newline, which binary attributes contain;
//! and reads holes as zeros, however many exabytes.

mod entry;
mod number;
mod pax;
mod sparse;

use std::io::{BufRead, ErrorKind};

use tar::Header;

use super::fault::Fault;
use super::limits::Limits;
use pax::Records;

pub(super) use entry::{Entry, Kind, Time};
pub(super) use pax::ATTRIBUTE;

pub(super) const BLOCK: usize = 512;

/// An archive that is being read.
pub(super) struct Archive<'l, R> {
    tar: R,
    limits: &'l Limits,
    /// What is left of the entry's data, and then of the block that it ends in.
    left: u64,
    padding: u64,
}

/// What stood in front of an entry to describe it.
#[derive(Default)]
struct Description {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<'l, R: BufRead> Archive<'l, R> {
    pub(super) fn new(tar: R, limits: &'l Limits) -> Self {
        Self {
            tar,
            limits,
            left: 0,
            padding: 0,
        }
    }

    /// The next entry; `None` at the archive's end. What was not read of the
    /// entry before is skipped.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let mut description = Description::default();
        let mut described = false;
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return match described {
                    false => Ok(None),
                    true => Err(Fault::malformed(
                        "the archive ends where an entry is described",
                    )),
                };
            };
            let size = number::read(&header.as_old().size).ok_or_else(|| bad("a size"))?;
            let slot = match header.as_old().linkflag[0] {
                b'x' => {
                    let records = Records::parse(&self.description(size)?)?;
                    put(&mut description.pax, records)?;
                    described = true;
                    continue;
                }
                // For all entries that follow. Nobody who unpacks layers heeds them.
                b'g' => {
                    self.expect(size);
                    continue;
                }
                b'L' => &mut description.long_name,
                b'K' => &mut description.long_link,
                _ => return self.entry(&header, size, description).map(Some),
            };
            let mut name = self.description(size)?;
            name.truncate(
                name.iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(name.len()),
            );
            put(slot, name)?;
            described = true;
        }
    }

    /// Hands over the data of `entry` piece by piece, each with its place in the file.
    pub(super) fn data(
        &mut self,
        entry: &Entry,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for segment in &entry.segments {
            let mut at = segment.offset;
            let end = segment.offset + segment.length;
            while at < end {
                let piece = fill(&mut self.tar)?;
                let length = piece
                    .len()
                    .min(usize::try_from(end - at).unwrap_or(usize::MAX));
                take(at, &piece[..length])?;
                self.tar.consume(length);
                self.left -= length as u64;
                at += length as u64;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        header: &Header,
        size: u64,
        description: Description,
    ) -> Result<Entry, Fault> {
        let pax = description.pax.unwrap_or_default();
        let mut entry = Entry::read(header, &pax)?;
        // GNU's long names win over PAX's, as in Go.
        if let Some(name) = description.long_name {
            entry.name = name;
        }
        if let Some(link) = description.long_link {
            entry.link = link;
        }
        // What has no data by its kind has none, whatever its header says.
        let stored = match entry.kind {
            Kind::File => pax.number("size")?.unwrap_or(size),
            _ => 0,
        };
        self.expect(stored);
        if entry.kind == Kind::File {
            sparse::read(self, header, &pax, &mut entry)?;
        }
        Ok(entry)
    }

    /// The next header whose checksum holds; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if is_zero(header.as_bytes()) {
            // Two blocks of zeros are the end. After one there may be nothing.
            return match !self.block(header.as_mut_bytes())? || is_zero(header.as_bytes()) {
                true => Ok(None),
                false => Err(Fault::malformed(
                    "the archive goes on after a block of zeros",
                )),
            };
        }
        number::check_sum(header.as_bytes())
            .then_some(Some(header))
            .ok_or_else(|| Fault::malformed("a header of the archive has a wrong checksum"))
    }

    /// Reads one block; `false` if there is none.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Fault> {
        let mut have = 0;
        while have < BLOCK {
            let piece = match fill(&mut self.tar) {
                Err(Fault::Malformed(_)) if have == 0 => return Ok(false),
                piece => piece?,
            };
            let length = piece.len().min(BLOCK - have);
            block[have..have + length].copy_from_slice(&piece[..length]);
            self.tar.consume(length);
            have += length;
        }
        Ok(true)
    }

    /// Reads a block that belongs to the entry's data.
    fn data_block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), Fault> {
        self.left = self
            .left
            .checked_sub(BLOCK as u64)
            .ok_or_else(|| bad("a sparse file's map"))?;
        match self.block(block)? {
            true => Ok(()),
            false => Err(ended()),
        }
    }

    fn description(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > self.limits.description as u64 {
            return Err(Fault::malformed(format!(
                "an entry is described by {size} bytes, and {} are allowed",
                self.limits.description
            )));
        }
        self.expect(size);
        let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        while self.left > 0 {
            let piece = fill(&mut self.tar)?;
            let length = piece
                .len()
                .min(usize::try_from(self.left).unwrap_or(usize::MAX));
            text.extend_from_slice(&piece[..length]);
            self.tar.consume(length);
            self.left -= length as u64;
        }
        Ok(text)
    }

    /// Data of `size` bytes comes next.
    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip(&mut self) -> Result<(), Fault> {
        // A last block that is not filled up is read by everybody.
        while self.left > 0 || self.padding > 0 {
            let piece = match fill(&mut self.tar) {
                Err(Fault::Malformed(_)) if self.left == 0 => break,
                piece => piece?,
            };
            let part = if self.left > 0 {
                &mut self.left
            } else {
                &mut self.padding
            };
            let length = piece
                .len()
                .min(usize::try_from(*part).unwrap_or(usize::MAX));
            *part -= length as u64;
            self.tar.consume(length);
        }
        self.padding = 0;
        Ok(())
    }
}

/// What is there next: at least a byte.
fn fill(tar: &mut impl BufRead) -> Result<&[u8], Fault> {
    match tar.fill_buf() {
        Ok([]) => Err(ended()),
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Fault::Stopped),
        Err(error) => Err(Fault::Source(error)),
    }
}

fn ended() -> Fault {
    Fault::malformed("the archive ends within an entry")
}

fn bad(what: &str) -> Fault {
    Fault::malformed(format!("{what} in the archive cannot be read"))
}

fn put<T>(slot: &mut Option<T>, value: T) -> Result<(), Fault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::malformed("an entry is described twice")),
    }
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}
