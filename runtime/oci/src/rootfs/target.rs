//! Paths inside a root that is not trusted.
//!
//! A rootfs comes from an image, so its `/dev` or `/proc` may be a symlink to
//! `/etc` of the host, and a shared volume may change while it is walked. So
//! no path of a container is ever walked by name from the host's root:
//! `openat2(2)` walks it as if the rootfs were `/`, and what follows (mounting,
//! making nodes) works on the descriptor that came back ([`super::site`]).

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::error::{Error, Result, c_string};
use crate::sys::descriptor::Resolve;

/// A path inside the root, with what is needed to make it without allocating.
#[derive(Debug)]
pub(super) struct Target {
    /// The path as the author wrote it.
    pub(super) shown: String,
    /// Relative to the root; `.` for the root itself.
    pub(super) path: CString,
    /// The path without its last component; `.` for the root.
    pub(super) parent: CString,
    /// Its last component; empty for the root.
    pub(super) name: CString,
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
    /// Takes a path of the container. Where it is relative it starts at the
    /// root, as the specification once had it.
    ///
    /// `strict` refuses symlinks on the way: for kernel file systems, whose
    /// files are written to with privilege.
    pub(super) fn new(field: &str, path: &Path, strict: bool) -> Result<Self> {
        let invalid = |reason: &str| Error::Invalid {
            field: field.to_owned(),
            reason: format!("`{}` {reason}", path.display()),
            remedy: "use an absolute path inside the container".to_owned(),
        };
        if path.as_os_str().is_empty() {
            return Err(invalid("is empty"));
        }
        let mut components: Vec<&[u8]> = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
                Component::Normal(name) => components.push(name.as_bytes()),
                Component::ParentDir => {
                    if components.pop().is_none() {
                        return Err(invalid("leads out of the root by `..`"));
                    }
                }
            }
        }
        if components.iter().any(|name| name.len() > 255) {
            return Err(invalid("has a name of more than 255 bytes"));
        }
        let name = components.pop();
        let parent = components.join(&b'/');
        let whole = match name {
            Some(name) if parent.is_empty() => name.to_vec(),
            Some(name) => [&parent, name].join(&b'/'),
            None => b".".to_vec(),
        };
        if whole.len() >= libc::PATH_MAX as usize {
            return Err(invalid("is longer than 4095 bytes"));
        }
        let parent = if parent.is_empty() {
            b".".to_vec()
        } else {
            parent
        };
        let slash = if path.has_root() { "" } else { "/" };
        Ok(Self {
            shown: format!("{slash}{}", path.display()),
            name: c_string(field, name.unwrap_or_default())?,
            path: c_string(field, whole)?,
            parent: c_string(field, parent)?,
            strict,
        })
    }

    /// How the path is walked.
    pub(super) fn how(&self) -> Resolve {
        if self.strict {
            Resolve::NoSymlinks
        } else {
            Resolve::InRoot
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether `path` is this one or lies below it, by name.
    pub(super) fn contains(&self, path: &CStr) -> bool {
        let rest = path.to_bytes().strip_prefix(self.path.to_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(&str, &str, &str)>) {
        let target = Target::new("mounts[0].destination", Path::new(path), false);
        match (target, expected) {
            (Ok(target), Some(expected)) => {
                let text = |c: &CString| c.to_str().unwrap().to_owned();
                let found = (text(&target.path), text(&target.parent), text(&target.name));
                let (path, parent, name) = expected;
                assert_eq!(found, (path.into(), parent.into(), name.into()));
            }
            (Err(error), None) => {
                assert!(
                    error.to_string().contains("mounts[0].destination"),
                    "{error}"
                );
            }
            (found, _) => panic!("{path}: {found:?}"),
        }
    }

    #[test]
    fn a_path_is_taken_apart_where_it_is_made() {
        check("/dev/pts", Some(("dev/pts", "dev", "pts")));
        check("//dev/./", Some(("dev", ".", "dev")));
        check("/", Some((".", ".", "")));
        check("data", Some(("data", ".", "data")));
    }

    #[test]
    fn dots_stay_inside_of_the_root_or_are_refused() {
        check("/a/../b", Some(("b", ".", "b")));
        check("/a/../../etc", None);
        check("..", None);
        check("", None);
    }

    #[test]
    fn a_name_that_begins_alike_is_not_below() {
        let target = Target::new("", Path::new("/dev"), true).unwrap();
        assert!(target.contains(c"dev") && target.contains(c"dev/pts"));
        assert!(!target.contains(c"device") && !target.contains(c"."));
    }
}
