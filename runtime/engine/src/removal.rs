//! Removing trees that programs left, however deep they are.
//!
//! `while mkdir d; do cd d; done` makes a tree that no path names to its end, and that
//! takes more descriptors than a process may have when each level keeps one open. So
//! few are open at once, one below the other, and what lies deeper is moved to the top
//! of the tree first. Nothing is followed.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

/// How many directories are open at once, one below the other.
const DEEPEST: usize = 64;
/// How many names are remembered at once.
const AT_ONCE: usize = 1024;

/// Removes the file or the tree at `path`; nothing there is fine. Directories that may
/// not be entered are opened to their owner first, such as the one that overlay makes
/// in its work directory, of mode 0.
///
/// # Errors
/// If something cannot be removed: the rest may be there still.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match fs::openat(CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(()),
        opened => Ok(remove_at(opened?.as_fd(), name.as_bytes())?),
    }
}

/// Removes `name` in `parent`, with all that lies in it, as [`remove_tree`] does.
pub(crate) fn remove_at(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let Some(top) = unlink(parent, name)? else {
        return Ok(());
    };
    let mut removal = Removal {
        top: top.as_fd(),
        moved: 0,
    };
    removal.empty(top.as_fd(), 1)?;
    gone(fs::unlinkat(parent, name, AtFlags::REMOVEDIR))
}

struct Removal<'a> {
    /// The directory that is removed in the end.
    top: BorrowedFd<'a>,
    /// How many names were tried for what is moved there.
    moved: u64,
}

impl Removal<'_> {
    /// Removes all that lies in `directory`, the `depth`th from the top. What is moved to
    /// the top meanwhile, the loop there comes to.
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        loop {
            let names = names(directory, AT_ONCE)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                let Some(inner) = unlink(directory, &name)? else {
                    continue;
                };
                if depth == DEEPEST {
                    self.move_up(directory, &name)?;
                    continue;
                }
                self.empty(inner.as_fd(), depth + 1)?;
                gone(fs::unlinkat(directory, &*name, AtFlags::REMOVEDIR))?;
            }
        }
    }

    fn move_up(&mut self, from: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        loop {
            let fresh = format!(".deep-{}", self.moved);
            self.moved += 1;
            match fs::renameat(from, name, self.top, &fresh) {
                // The tree may have files of such names itself.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                moved => return gone(moved),
            }
        }
    }
}

/// Removes `name` where it is no directory, else gives that, open.
fn unlink(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>, Errno> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        done => return gone(done).map(|()| None),
    }
    let opened = match open(parent, name) {
        Err(Errno::ACCESS) => {
            open_up(parent, name)?;
            open(parent, name)
        }
        opened => opened,
    };
    let directory = match opened {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    let mode = Mode::from_raw_mode(fs::fstat(&directory)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // Where that is refused, so is the removal, which tells.
        let _ = fs::fchmod(&directory, Mode::RWXU);
    }
    Ok(Some(directory))
}

/// Lets its owner into a directory that cannot be opened, by way of `/proc`: no other
/// name leads to it and to nothing that is put in its place.
fn open_up(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = fs::openat(parent, name, flags, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    fs::chmod(path, Mode::RWXU).map_err(|_| Errno::ACCESS)
}

/// Somebody else may have removed it.
fn gone(removed: Result<(), Errno>) -> Result<(), Errno> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_directory_that_may_not_be_entered_is_removed_and_a_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let kept = place.path().join("kept");
        let closed = tree.join("work").join("work");
        std::fs::create_dir_all(closed.join("deep")).unwrap();
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "").unwrap();
        symlink(&kept, tree.join("link")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o0);
        std::fs::set_permissions(&closed, mode).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && kept.join("file").exists());
        remove_tree(&tree).unwrap();
        symlink(&kept, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(tree.symlink_metadata().is_err() && kept.join("file").exists());
    }

    #[test]
    fn a_tree_that_no_path_names_is_removed_with_few_descriptors() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        // What is moved up finds its first names taken.
        std::fs::create_dir_all(tree.join(".deep-0/x")).unwrap();
        std::fs::write(tree.join(".deep-1"), "").unwrap();
        let mut directory = open(CWD, tree.as_os_str().as_bytes()).unwrap();
        for _ in 0..5_000 {
            for name in ["d", "beside"] {
                fs::mkdirat(&directory, name, Mode::RWXU).unwrap();
            }
            let inner = open(directory.as_fd(), b"d").unwrap();
            fs::fchmod(&directory, Mode::RUSR | Mode::XUSR).unwrap();
            directory = inner;
        }
        drop(directory);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }
}
