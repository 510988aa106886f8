//! Disk, as the kernel accounts for it.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The size of the blocks that `st_blocks` counts, whatever the file system's.
///
/// Source: `stat(2)`.
const BLOCK: u64 = 512;

/// Allocated bytes of everything below `paths`, hard links counted once.
///
/// Allocated, not apparent: a file of one byte takes a block, and a hole takes
/// nothing. It is what `du -s --block-size=1` says.
///
/// # Errors
/// If something below the paths cannot be read.
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
    let mut pending: Vec<_> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
    let mut bytes = 0;
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        if seen.insert((metadata.dev(), metadata.ino())) {
            if counts(&metadata) {
                bytes += metadata.blocks() * BLOCK;
            }
            if metadata.is_dir() {
                for entry in fs::read_dir(&path)? {
                    pending.push(entry?.path());
                }
            }
        }
    }
    Ok(bytes)
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
