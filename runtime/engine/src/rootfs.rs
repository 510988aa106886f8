//! Root file systems laid out from files of the host.
//!
//! Copies are full copies, byte by byte: a reflink or a hard link would make a
//! container's disk look free. Modification times are kept, because Python
//! trusts a compiled file only if it carries its source's.
//!
//! Everything is written through a descriptor of the root: a symlink that was
//! laid out first (`/lib` to `/usr/lib`) leads to the root's own `/usr/lib`.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use isolab_oci::sys::descriptor::{Resolve, openat2};
use isolab_oci::sys::{Descriptor, Errno, file};

use crate::error::{Error, Result};

/// Directories that every container needs as mount points or by custom.
const SKELETON: [&str; 5] = ["/proc", "/dev", "/sys", "/tmp", "/etc"];

/// One thing to put into a root file system; paths inside are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A copy of a host file, with its mode and modification time.
    Copy {
        /// The file on the host; symlinks are followed.
        from: PathBuf,
        /// Its path inside.
        to: PathBuf,
    },
    /// A symlink, its target as given.
    Link {
        /// What it points to.
        target: PathBuf,
        /// Its path inside.
        to: PathBuf,
    },
    /// A directory, which may stay empty.
    Directory {
        /// Its path inside.
        to: PathBuf,
    },
}

impl Entry {
    /// A copy of `from` at `to`.
    #[must_use]
    pub fn copy(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self::Copy {
            from: from.into(),
            to: to.into(),
        }
    }

    /// A symlink at `to` that points to `target`.
    #[must_use]
    pub fn link(target: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self::Link {
            target: target.into(),
            to: to.into(),
        }
    }

    /// A directory at `to`.
    #[must_use]
    pub fn directory(to: impl Into<PathBuf>) -> Self {
        Self::Directory { to: to.into() }
    }
}

/// Makes `root` and fills it with the skeleton (`/proc`, `/dev`, `/sys`,
/// `/tmp`, `/etc`) and with `entries`, in order.
///
/// # Errors
/// [`Error::Read`] for a host file, [`Error::Write`] for a place inside,
/// [`Error::Outside`] for a path with `..` or one that is not absolute. What
/// was laid out before stays.
pub fn lay_out(root: &Path, entries: &[Entry]) -> Result<()> {
    let failed = |source| Error::Write {
        path: root.to_owned(),
        source,
    };
    fs::create_dir_all(root).map_err(failed)?;
    let layout = Layout {
        path: root,
        directory: File::open(root).map_err(failed)?,
    };
    for directory in SKELETON {
        layout.make_directories(Path::new(directory))?;
    }
    layout.set_mode(Path::new("/tmp"), 0o1777)?;
    for entry in entries {
        match entry {
            Entry::Copy { from, to } => layout.copy(from, to)?,
            Entry::Link { target, to } => layout.link(target, to)?,
            Entry::Directory { to } => layout.make_directories(to).map(drop)?,
        }
    }
    Ok(())
}

/// A root file system in the making.
struct Layout<'a> {
    path: &'a Path,
    directory: File,
}

impl Layout<'_> {
    fn open(&self, inside: &CStr, flags: i32) -> isolab_oci::sys::Result<Descriptor> {
        openat2(
            self.directory.as_raw_fd(),
            inside,
            flags,
            0,
            Resolve::InRoot,
        )
    }

    /// Opens the directory `inside`, making what is missing on the way.
    fn make_directories(&self, inside: &Path) -> Result<Descriptor> {
        let failed = |errno: Errno| self.failed(inside, errno.into());
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let mut at = self.open(c".", flags).map_err(failed)?;
        let mut prefix = PathBuf::new();
        for name in names(inside)? {
            prefix.push(name);
            let path = c_string(prefix.as_path())?;
            at = match self.open(&path, flags) {
                Err(Errno(libc::ENOENT)) => {
                    let name = c_string(name.as_ref())?;
                    file::mkdirat(at.as_raw_fd(), &name, 0o755).map_err(failed)?;
                    self.open(&path, flags).map_err(failed)?
                }
                found => found.map_err(failed)?,
            };
        }
        Ok(at)
    }

    /// Opens the directory that holds `inside`, and gives the last name.
    fn parent_of(&self, inside: &Path) -> Result<(Descriptor, CString)> {
        let outside = Error::Outside {
            path: inside.to_owned(),
            reason: "it has no name",
        };
        let name = names(inside)?.pop().ok_or(outside)?;
        let parent = self.make_directories(inside.parent().unwrap_or(Path::new("/")))?;
        Ok((parent, c_string(name.as_ref())?))
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let unread = |source| Error::Read {
            path: from.to_owned(),
            source,
        };
        let mut source = File::open(from).map_err(unread)?;
        let meta = source.metadata().map_err(unread)?;
        if !meta.is_file() {
            return Err(unread(io::Error::other("it is not a regular file")));
        }
        let (parent, name) = self.parent_of(to)?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let copy = isolab_oci::sys::descriptor::openat(parent.as_raw_fd(), &name, flags, 0o600)
            .map_err(|errno| self.failed(to, errno.into()))?;
        let mut copy = File::from(copy.into_owned());
        // Not `io::copy`: between two files it asks the kernel to copy, which
        // on some file systems shares the blocks.
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = source.read(&mut buffer).map_err(unread)?;
            if count == 0 {
                break;
            }
            copy.write_all(&buffer[..count])
                .map_err(|source| self.failed(to, source))?;
        }
        let mode = fs::Permissions::from_mode(meta.permissions().mode() & 0o7777);
        meta.modified()
            .and_then(|time| copy.set_modified(time))
            .and_then(|()| copy.set_permissions(mode))
            .map_err(|source| self.failed(to, source))
    }

    fn link(&self, target: &Path, to: &Path) -> Result<()> {
        let (parent, name) = self.parent_of(to)?;
        file::symlinkat(&c_string(target)?, parent.as_raw_fd(), &name)
            .map_err(|errno| self.failed(to, errno.into()))
    }

    fn set_mode(&self, inside: &Path, mode: u32) -> Result<()> {
        let path = c_string(inside.strip_prefix("/").unwrap_or(inside))?;
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let directory = self
            .open(&path, flags)
            .map_err(|errno| self.failed(inside, errno.into()))?;
        File::from(directory.into_owned())
            .set_permissions(fs::Permissions::from_mode(mode))
            .map_err(|source| self.failed(inside, source))
    }

    fn failed(&self, inside: &Path, source: io::Error) -> Error {
        Error::Write {
            path: self.path.join(inside.strip_prefix("/").unwrap_or(inside)),
            source,
        }
    }
}

/// The components of an absolute path that stays where it is.
fn names(inside: &Path) -> Result<Vec<&std::ffi::OsStr>> {
    let outside = |reason| Error::Outside {
        path: inside.to_owned(),
        reason,
    };
    if !inside.is_absolute() {
        return Err(outside("it is not absolute"));
    }
    inside
        .components()
        .filter(|component| *component != Component::RootDir)
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(outside("it contains `..`")),
        })
        .collect()
}

fn c_string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Outside {
        path: path.to_owned(),
        reason: "it contains a zero byte",
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Lays out `entries` in a fresh place beside a directory `outside`.
    fn check(entries: &[Entry], then: impl FnOnce(Result<()>, &Path)) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        then(lay_out(&root, entries), &root);
    }

    #[test]
    fn a_copy_keeps_mode_and_time_and_shares_no_inode() {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("program");
        fs::write(&source, "content").unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o751)).unwrap();
        check(
            &[Entry::copy(&source, "/usr/bin/program")],
            |result, root| {
                result.unwrap();
                let (old, new) = (
                    fs::metadata(&source).unwrap(),
                    fs::metadata(root.join("usr/bin/program")).unwrap(),
                );
                assert_eq!(new.permissions().mode() & 0o7777, 0o751);
                assert_eq!(new.modified().unwrap(), old.modified().unwrap());
                assert_ne!(new.ino(), old.ino());
            },
        );
    }

    #[test]
    fn a_file_laid_out_below_an_absolute_link_stays_inside() {
        let entries = [
            Entry::link("/usr/lib", "/lib"),
            Entry::directory("/usr/lib"),
            Entry::copy("/proc/self/exe", "/lib/isolab-test-file"),
        ];
        check(&entries, |result, root| {
            result.unwrap();
            assert!(root.join("usr/lib/isolab-test-file").exists());
            assert!(!Path::new("/usr/lib/isolab-test-file").exists());
            assert_eq!(
                fs::read_link(root.join("lib")).unwrap(),
                Path::new("/usr/lib")
            );
        });
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        for path in ["/../escaped", "relative", "/a/../../b", "/"] {
            check(&[Entry::link("x", path)], |result, root| {
                assert!(
                    matches!(result, Err(Error::Outside { .. })),
                    "{path}: {result:?}"
                );
                assert!(!root.parent().unwrap().join("escaped").exists());
            });
        }
    }

    #[test]
    fn the_mount_points_are_there_and_tmp_is_for_everyone() {
        check(&[], |result, root| {
            result.unwrap();
            for directory in ["proc", "dev", "sys", "etc"] {
                assert!(root.join(directory).is_dir(), "{directory}");
            }
            assert_eq!(
                fs::metadata(root.join("tmp")).unwrap().mode() & 0o7777,
                0o1777
            );
        });
    }

    #[test]
    fn a_missing_host_file_is_named() {
        check(&[Entry::copy("/nonexistent/x", "/x")], |result, _| {
            assert!(result.unwrap_err().to_string().contains("/nonexistent/x"));
        });
    }
}
