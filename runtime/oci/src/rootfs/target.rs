//! Finding and making mount points inside a root that is not trusted.
//!
//! A rootfs comes from an image, so its `/dev` or `/proc` may be a symlink to
//! `/etc` of the host, and a shared volume may change while it is walked. So
//! no path of a container is ever walked by name from the host's root:
//! `openat2(2)` walks it as if the rootfs were `/`, and what follows (mounting,
//! making nodes) works on the descriptor that came back.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::error::{Error, Result};
use crate::sys::descriptor::{Resolve, openat, openat2};
use crate::sys::{self, Descriptor, Errno, file};

/// A path inside the root, with what is needed to make it without allocating.
#[derive(Debug)]
pub(super) struct Target {
    /// The path as the author wrote it.
    pub(super) shown: String,
    /// Each ancestor and at last the path itself, relative to the root:
    /// `dev`, `dev/pts`. Empty for the root.
    prefixes: Vec<CString>,
    /// The last component of each of `prefixes`.
    names: Vec<CString>,
    /// Whether a symlink on the way is an attack rather than a convenience.
    strict: bool,
}

/// What a mount point has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

impl Target {
    /// Takes an absolute path of the container.
    ///
    /// `strict` refuses symlinks on the way: for kernel file systems, whose
    /// files are written to with privilege.
    pub(super) fn new(field: &str, path: &Path, strict: bool) -> Result<Self> {
        let invalid = |reason: &str| Error::Invalid {
            field: field.to_owned(),
            reason: format!("{}: {reason}", path.display()),
            remedy: "use an absolute path without `..`".to_owned(),
        };
        let mut target = Self {
            shown: path.display().to_string(),
            prefixes: vec![],
            names: vec![],
            strict,
        };
        let mut prefix = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => {
                    if !prefix.is_empty() {
                        prefix.push(b'/');
                    }
                    prefix.extend_from_slice(name.as_bytes());
                    let c = |bytes: &[u8]| {
                        CString::new(bytes).map_err(|_| invalid("it contains a zero byte"))
                    };
                    target.prefixes.push(c(&prefix)?);
                    target.names.push(c(name.as_bytes())?);
                }
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(invalid("it contains `..`"));
                }
            }
        }
        if !path.has_root() {
            // The specification used to allow it, and runc still does: from `/`.
            target.shown.insert(0, '/');
        }
        Ok(target)
    }

    fn path(&self) -> &CStr {
        self.prefixes.last().map_or(c".", CString::as_c_str)
    }

    /// Opens the path, which must exist, as a mere location (`O_PATH`).
    pub(super) fn open(&self, root: RawFd) -> sys::Result<Descriptor> {
        self.open_prefix(root, self.path())
    }

    fn open_prefix(&self, root: RawFd, prefix: &CStr) -> sys::Result<Descriptor> {
        let how = if self.strict {
            Resolve::NoSymlinks
        } else {
            Resolve::InRoot
        };
        openat2(root, prefix, libc::O_PATH, 0, how)
    }

    /// Opens the path, making it and its ancestors where they are missing.
    pub(super) fn open_or_make(&self, root: RawFd, kind: Kind) -> sys::Result<Descriptor> {
        match self.open(root) {
            Err(Errno(libc::ENOENT)) => {}
            found => return found,
        }
        let (parent, name) = self.open_parent(root)?;
        match kind {
            Kind::Directory => file::mkdirat(parent.as_raw_fd(), name, 0o755)?,
            Kind::File => {
                let flags = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_WRONLY;
                openat(parent.as_raw_fd(), name, flags, 0o644).map(drop)?;
            }
        }
        // A name that appeared in between as a symlink was not followed: both
        // ways of making refuse to go through one.
        self.open(root)
    }

    /// Opens the directory that holds the path, making it where it is missing;
    /// with the last component's name.
    pub(super) fn open_parent(&self, root: RawFd) -> sys::Result<(Descriptor, &CStr)> {
        let (name, above) = self.names.split_last().ok_or(Errno(libc::EINVAL))?;
        let prefixes = &self.prefixes[..above.len()];
        match self.open_prefix(root, prefixes.last().map_or(c".", CString::as_c_str)) {
            Err(Errno(libc::ENOENT)) => {}
            found => return Ok((found?, name)),
        }
        let mut parent = self.open_prefix(root, c".")?;
        for (prefix, name) in prefixes.iter().zip(above) {
            parent = match self.open_prefix(root, prefix) {
                Err(Errno(libc::ENOENT)) => {
                    file::mkdirat(parent.as_raw_fd(), name, 0o755)?;
                    self.open_prefix(root, prefix)?
                }
                found => found?,
            };
        }
        Ok((parent, name))
    }
}

/// `/proc/self/fd/<fd>`, for the one call that takes no descriptor: `mount(2)`.
///
/// The link leads to the very file that `fd` is open on, not to a name. It is
/// the host's /proc that is asked, before the root changes.
pub(super) struct ByDescriptor([u8; 32]);

impl ByDescriptor {
    pub(super) fn new(fd: RawFd) -> Self {
        let mut text = [0; 32];
        let prefix = b"/proc/self/fd/";
        text[..prefix.len()].copy_from_slice(prefix);
        let mut digits = [0u8; 10];
        let mut count = 0;
        let mut rest = fd.unsigned_abs();
        loop {
            digits[count] = b'0' + (rest % 10) as u8;
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        for (place, digit) in text[prefix.len()..]
            .iter_mut()
            .zip(digits[..count].iter().rev())
        {
            *place = *digit;
        }
        Self(text)
    }

    pub(super) fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"/proc/self/fd/-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_spelled_in_full() {
        for fd in [0, 7, 10, 1_048_576] {
            let expected = format!("/proc/self/fd/{fd}");
            assert_eq!(ByDescriptor::new(fd).path().to_str(), Ok(expected.as_str()));
        }
    }

    #[test]
    fn a_path_with_dots_out_of_the_root_is_refused() {
        let error = Target::new("mounts[0].destination", Path::new("/a/../../etc"), false);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("mounts[0].destination")
        );
    }
}
