//! The content of a file: what is zeros need not be written.

use std::io::BufRead;
use std::os::fd::BorrowedFd;

use rustix::fs;
use rustix::io::{Errno, pwrite};

use super::archive::{Archive, Entry};
use super::fault::Fault;

/// A piece of this many zeros becomes a hole: shorter ones would scatter the file.
const HOLE: usize = 64 << 10;

/// Fills the new `file` with the data of `entry`.
pub(super) fn write(
    file: BorrowedFd<'_>,
    archive: &mut Archive<'_, impl BufRead>,
    entry: &Entry,
    path: &[u8],
) -> Result<(), Fault> {
    let mut end = 0;
    archive.data(entry, |offset, bytes| {
        let mut at = offset;
        for piece in bytes.chunks(HOLE) {
            if piece.len() < HOLE || !is_zero(piece) {
                write_all(file, piece, at).map_err(Fault::at(path))?;
                end = at + piece.len() as u64;
            }
            at += piece.len() as u64;
        }
        Ok(())
    })?;
    match end < entry.size {
        true => fs::ftruncate(file, entry.size).map_err(Fault::at(path)),
        false => Ok(()),
    }
}

pub(super) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match pwrite(file, bytes, at) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                bytes = &bytes[written..];
                at += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes[0] == 0 && bytes[..bytes.len() - 1] == bytes[1..]
}
