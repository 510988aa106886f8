//! Files that are seen whole or not at all, and take no more space than they must.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};

/// The unit in which a file system gives out space.
const BLOCK: usize = 4096;

/// Writes a file so that it is seen whole or not at all, its directories included.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = dir.join(format!(".{name}.{}", unique()));
    let written = (|| {
        write_sparse(&mut File::create(&partial)?, bytes)?;
        fs::rename(&partial, path)
    })();
    written.map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&partial);
        Error::file("write", path)(error)
    })
}

/// Opens a regular file for reading, or one that a link leads to: who opens a named pipe waits for
/// somebody who may never come.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// A part of a name that nobody else uses now: neither another process nor another thread.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}

/// Writes `bytes`, leaving out whole blocks of zeros: an unpacked kernel has many, and a hole
/// takes no space on the disk.
fn write_sparse(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.set_len(bytes.len() as u64)?;
    for block in bytes.chunks(BLOCK) {
        if block.iter().all(|&byte| byte == 0) {
            file.seek_relative(block.len().cast_signed() as i64)?;
        } else {
            file.write_all(block)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn blocks_of_zeros_take_no_space_and_read_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 1 << 20];
        bytes[BLOCK] = 1;
        bytes.extend([2, 3]);
        write(&dir.path().join("file"), &bytes).unwrap();
        let file = dir.path().join("file");
        assert_eq!(fs::read(&file).unwrap(), bytes);
        let allocated = fs::metadata(&file).unwrap().blocks() * 512;
        assert!(allocated < 1 << 19, "{allocated} bytes are allocated");
    }

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write(&dir.path().join("taken"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
