//! The files of a snapshot: what they hold, in a digest, and whether they are still the same.
//!
//! A guest's memory is hundreds of megabytes, most of them never written: reading all of it at
//! each restore would take longer than the restore. So it is read once, when it is saved, and
//! known again by what the file system says of it; only where that differs (the snapshot was
//! copied, say) is it read again.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek64};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The unit in which memory is looked at.
const PAGE: usize = 4096;

/// The longest state of devices that is taken or read: far more than any machine of ours has.
pub(super) const LONGEST_STATE: u64 = 256 << 20;

/// What a file of a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its length, in bytes.
    pub bytes: u64,
    /// The SHA-256 of it, in hexadecimal. Of memory: of each page that is not all zeros, its
    /// number and its bytes.
    pub sha256: String,
}

/// By what a file is known again that nobody wrote to: the last change of its bytes or of
/// anything else about it, which no program can set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    inode: u64,
    bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Identity {
    /// That of a file.
    pub(super) fn of(found: &Metadata) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        Self {
            inode: found.ino(),
            bytes: found.len(),
            modified_ns: time(found.mtime(), found.mtime_nsec()),
            changed_ns: time(found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Opens a file of a snapshot for reading. It is a regular one: who opens a named pipe waits.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match std::fs::symlink_metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Copies what comes from `from` to `to` until its end; what it was.
///
/// # Errors
/// If one of the two fails, or if it does not end.
pub(super) fn copied(mut from: impl Read, mut to: impl Write) -> io::Result<Content> {
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += count as u64;
        if bytes > LONGEST_STATE {
            return Err(io::Error::other("it does not end"));
        }
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
    Ok(Content {
        bytes,
        sha256: hexadecimal(hasher),
    })
}

/// What the file of a guest's memory holds. Pages of zeros that take space on the disk are given
/// back where `dig` says so and the file system can.
///
/// # Errors
/// [`Error::File`] if it cannot be read.
pub(super) fn memory(path: &Path, dig: bool) -> Result<Content> {
    let file = File::options().read(true).write(dig).open(path);
    let file = file.map_err(Error::file("read", path))?;
    content_of_memory(&file, dig).map_err(Error::file("read", path))
}

fn content_of_memory(file: &File, dig: bool) -> io::Result<Content> {
    let bytes = file.metadata()?.len();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * PAGE];
    let mut at = 0;
    while let Some(data) = next_data(file, at, bytes)? {
        // In whole pages: what is read twice would be counted twice.
        at = data - data % PAGE as u64;
        let count = read_at(file, &mut buffer, at)?;
        if count == 0 {
            break;
        }
        for (index, page) in buffer[..count].chunks(PAGE).enumerate() {
            let page_at = at + (index * PAGE) as u64;
            if page.iter().any(|&byte| byte != 0) {
                hasher.update((page_at / PAGE as u64).to_le_bytes());
                hasher.update(page);
            } else if dig {
                dig_out(file, page_at);
            }
        }
        at += count as u64;
    }
    Ok(Content {
        bytes,
        sha256: hexadecimal(hasher),
    })
}

/// Where the next bytes at or behind `at` are that are no hole; `None` if there are none.
fn next_data(file: &File, at: u64, end: u64) -> io::Result<Option<u64>> {
    if at >= end {
        return Ok(None);
    }
    let from = i64::try_from(at).map_err(io::Error::other)?;
    match lseek64(file, from, Whence::SeekData) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(Errno::ENXIO) => Ok(None),
        // A file system that knows no holes.
        Err(Errno::EINVAL) => Ok(Some(at)),
        Err(errno) => Err(errno.into()),
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], at + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Makes a hole of a page of zeros. It reads the same where that cannot be done.
fn dig_out(file: &File, at: u64) {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    if let (Ok(at), Ok(page)) = (i64::try_from(at), i64::try_from(PAGE)) {
        let _ = fallocate(file, flags, at, page);
    }
}

fn hexadecimal(hasher: Sha256) -> String {
    let digest = hasher.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

/// A reader of a pipe that gives up at a deadline.
#[derive(Debug)]
pub(super) struct Until<'a> {
    /// The pipe.
    pub(super) pipe: &'a io::PipeReader,
    /// When it is over.
    pub(super) deadline: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout)? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => self.pipe.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file of pages: zeros, or filled with a number.
    fn file(pages: &[u8], sparse: bool) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len((pages.len() * PAGE) as u64).unwrap();
        for (index, &fill) in pages.iter().enumerate() {
            if fill != 0 || !sparse {
                let at = (index * PAGE) as u64;
                file.as_file().write_all_at(&[fill; PAGE], at).unwrap();
            }
        }
        file
    }

    proptest! {
        /// Holes are zeros, whoever made them.
        #[test]
        fn a_digest_is_of_what_is_read_and_not_of_what_is_allocated(
            pages in proptest::collection::vec(0u8..3, 1..600),
        ) {
            let (sparse, full) = (file(&pages, true), file(&pages, false));
            let content = memory(sparse.path(), false).unwrap();
            prop_assert_eq!(&content, &memory(full.path(), true).unwrap());
            prop_assert_eq!(&content, &memory(full.path(), false).unwrap());
            let (dug, bytes) = (full.as_file().metadata().unwrap(), pages.len() * PAGE);
            prop_assert_eq!(dug.len(), bytes as u64);
            let mut other = pages.clone();
            other[0] += 1;
            prop_assert_ne!(content, memory(file(&other, true).path(), false).unwrap());
        }
    }

    #[test]
    fn zeros_are_given_back_to_the_disk() {
        let full = file(&[[0; 200], [1; 200]].concat(), false);
        memory(full.path(), true).unwrap();
        let blocks = full.as_file().metadata().unwrap().blocks();
        assert!(blocks * 512 < 300 * PAGE as u64, "{blocks} blocks");
    }

    #[test]
    fn a_page_that_moved_is_another_memory() {
        let [one, other] = [[1, 0, 0], [0, 1, 0]].map(|pages| file(&pages, true));
        let digest = |file: &tempfile::NamedTempFile| memory(file.path(), false).unwrap();
        assert_ne!(digest(&one), digest(&other));
    }

    #[test]
    fn a_file_that_was_written_to_is_not_known_again() {
        let file = file(&[1, 2, 3], true);
        let before = Identity::of(&file.as_file().metadata().unwrap());
        assert_eq!(before, Identity::of(&file.as_file().metadata().unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(20));
        file.as_file().write_all_at(b"x", 0).unwrap();
        assert_ne!(before, Identity::of(&file.as_file().metadata().unwrap()));
    }

    #[test]
    fn a_pipe_that_stays_silent_is_given_up() {
        let (pipe, _writer) = io::pipe().unwrap();
        let (pipe, deadline) = (&pipe, Instant::now());
        let error = copied(Until { pipe, deadline }, io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
