//! Removing what a layer hides of a tree, by descriptors and without following anything.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::entry_name::join;
use crate::removal::{names, open, remove_at};

/// Removes what lies in the directory `at`, which is called `path`, but for what
/// `kept` says of a path, and for directories that hold such.
pub(super) fn clear(
    at: BorrowedFd<'_>,
    path: &[u8],
    kept: &dyn Fn(&[u8]) -> bool,
) -> Result<(), Errno> {
    for name in names(at, usize::MAX)? {
        let path = join(path, &name);
        if !kept(&path) {
            remove_at(at, &name)?;
            continue;
        }
        match open(at, &name) {
            Ok(directory) => clear(directory.as_fd(), &path, kept)?,
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
