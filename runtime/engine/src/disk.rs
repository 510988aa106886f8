//! Disk, as the kernel accounts for it.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The size of the blocks that `st_blocks` counts, whatever the file system's.
///
/// Source: `stat(2)`.
const BLOCK: u64 = 512;

/// Allocated bytes of everything below `paths`, hard links counted once.
///
/// Allocated, not apparent: a file of one byte takes a block, and a hole takes
/// nothing. It is what `du -s --block-size=1` says. What vanishes meanwhile takes
/// nothing, and what lies too deep to be named is passed over.
///
/// # Errors
/// If one of the paths is not there, or something below them cannot be read.
pub fn allocated_bytes<P: AsRef<Path>>(paths: &[P]) -> io::Result<u64> {
    counted(paths, |_| true)
}

/// Allocated bytes below `paths` that nothing else holds: files that have one
/// name only, and folders. What is hard-linked from a store costs one more
/// nothing.
///
/// # Errors
/// If something below the paths cannot be read.
pub fn exclusive_bytes<P: AsRef<Path>>(paths: &[P]) -> io::Result<u64> {
    counted(paths, |metadata| metadata.is_dir() || metadata.nlink() == 1)
}

fn counted<P: AsRef<Path>>(paths: &[P], counts: impl Fn(&Metadata) -> bool) -> io::Result<u64> {
    let mut seen = HashSet::new();
    let mut bytes = 0;
    let mut pending = Vec::new();
    let mut count = |path: &Path, pending: &mut Vec<PathBuf>| -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        if seen.insert((metadata.dev(), metadata.ino())) {
            if counts(&metadata) {
                bytes += metadata.blocks() * BLOCK;
            }
            if metadata.is_dir() {
                for entry in fs::read_dir(path)? {
                    pending.push(entry?.path());
                }
            }
        }
        Ok(())
    };
    for path in paths {
        count(path.as_ref(), &mut pending)?;
        while let Some(path) = pending.pop() {
            match count(&path, &mut pending) {
                Err(error) if is_passed_over(&error) => {}
                counted => counted?,
            }
        }
    }
    Ok(bytes)
}

/// Whether something went between its listing and the look at it, or has a path that is
/// longer than the kernel takes, as a program can make one.
fn is_passed_over(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::InvalidFilename
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_link_is_counted_once_and_a_hole_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let empty = allocated_bytes(&[dir.path()]).unwrap();
        fs::write(dir.path().join("a"), vec![1u8; 100_000]).unwrap();
        let one = allocated_bytes(&[dir.path()]).unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        let hole = fs::File::create(dir.path().join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
        let all = allocated_bytes(&[dir.path()]).unwrap();
        assert!(one - empty >= 100_000);
        assert!(all - one < 100_000, "{all} after {one}");
    }

    #[test]
    fn what_goes_meanwhile_is_passed_over_and_what_is_named_has_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        // Whichever is looked at first takes the other away.
        let counted = counted(&[dir.path()], |metadata| {
            if metadata.is_file() {
                let _ = fs::remove_file(dir.path().join("a"));
                let _ = fs::remove_file(dir.path().join("b"));
            }
            metadata.is_file()
        });
        assert!(counted.unwrap() < 8192, "only one was counted");
        assert!(allocated_bytes(&[dir.path().join("a")]).is_err());
    }

    #[test]
    fn what_is_linked_from_a_store_is_not_exclusive() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made");
        fs::create_dir(&made).unwrap();
        fs::write(dir.path().join("stored"), vec![1u8; 100_000]).unwrap();
        fs::hard_link(dir.path().join("stored"), made.join("linked")).unwrap();
        let (all, own) = (
            allocated_bytes(&[&made]).unwrap(),
            exclusive_bytes(&[&made]).unwrap(),
        );
        assert!(all - own >= 100_000, "{own} of {all} bytes are exclusive");
    }
}
