//! Reading an archive back: what the tests check, and what a disk's footprint is broken down by.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::newc::TRAILER;
use crate::error::{Error, Result};

/// One entry as it stands in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name relative to the guest's root.
    pub name: PathBuf,
    /// Inode number; names with the same number and more than one link share a file.
    pub inode: u32,
    /// Type and permission bits, `inode(7)`.
    pub mode: u32,
    /// Number of names.
    pub links: u32,
    /// Modification time, in seconds.
    pub modified: u32,
    /// Major and minor number of a device node.
    pub device: (u32, u32),
    /// The bytes of a file or the target of a symbolic link.
    pub bytes: Vec<u8>,
}

/// The entries of an uncompressed `newc` archive, in order, without the trailer.
///
/// # Errors
/// [`Error::Archive`] if it is truncated, misnumbered or has no trailer.
pub fn members(archive: &[u8]) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut at = 0;
    loop {
        let header = slice(archive, at, 110)?;
        if &header[..6] != b"070701" {
            return Err(broken(at, "no header begins there"));
        }
        let mut numbers = [0u32; 13];
        for (number, digits) in numbers.iter_mut().zip(header[6..].chunks_exact(8)) {
            let digits = std::str::from_utf8(digits).map_err(|_| broken(at, "not a number"))?;
            *number = u32::from_str_radix(digits, 16).map_err(|_| broken(at, "not a number"))?;
        }
        let [
            inode,
            mode,
            _,
            _,
            links,
            modified,
            size,
            _,
            _,
            major,
            minor,
            name_len,
            _,
        ] = numbers;
        let name_at = at + 110;
        let name = slice(archive, name_at, name_len as usize)?;
        let Some((0, name)) = name.split_last() else {
            return Err(broken(at, "its name does not end"));
        };
        let bytes_at = (name_at + name_len as usize).next_multiple_of(4);
        let bytes = slice(archive, bytes_at, size as usize)?;
        if name == TRAILER {
            return Ok(members);
        }
        members.push(Member {
            name: OsStr::from_bytes(name).into(),
            inode,
            mode,
            links,
            modified,
            device: (major, minor),
            bytes: bytes.to_vec(),
        });
        at = (bytes_at + size as usize).next_multiple_of(4);
    }
}

fn slice(archive: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    at.checked_add(len)
        .and_then(|end| archive.get(at..end))
        .ok_or_else(|| broken(at, "the archive ends too early"))
}

fn broken(at: usize, reason: &str) -> Error {
    Error::Archive {
        name: format!("the entry at byte {at}"),
        reason: reason.to_owned(),
    }
}
