//! Removing what lies in a tree, by descriptors and without following anything.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::entry_name::join;

/// How many names are remembered at once.
const AT_ONCE: usize = 1024;

/// Removes `name` in `parent`, with all that lies in it. Nothing there is fine.
///
/// It goes as deep as the tree, which `Limits::depth` has bounded.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(()),
        done => return done,
    }
    let directory = open(parent, name)?;
    loop {
        let names = names(directory.as_fd(), AT_ONCE)?;
        if names.is_empty() {
            return fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
        for name in names {
            remove(directory.as_fd(), &name)?;
        }
    }
}

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
            remove(at, &name)?;
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

pub(crate) fn open(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}

/// Up to `most` names in a directory.
pub(crate) fn names(directory: BorrowedFd<'_>, most: usize) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_owned());
            if names.len() == most {
                break;
            }
        }
    }
    Ok(names)
}
