//! Files that somebody else may have written, read with a bound.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The content of the file at `path`: all of it, or one byte more than `limit`
/// of a file that is longer, which its reader then refuses. A pipe that never
/// ends is no longer than that either.
///
/// # Errors
/// If it cannot be opened or read.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_shows_that_it_is_too_much() {
        let endless = Path::new("/dev/zero");
        assert_eq!(read(endless, 10).unwrap().len(), 11);
        let dir = tempfile::tempdir().unwrap();
        let short = dir.path().join("short");
        std::fs::write(&short, "abc").unwrap();
        assert_eq!(read(&short, 3).unwrap(), b"abc");
    }
}
