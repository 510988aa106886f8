//! Bind mounts: a tree that exists, seen in another place.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::context::Context;
use super::id_mapped;
use super::options::Options;
use super::target::Kind;
use crate::error::{Error, Result, c_string};
use crate::spec;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Descriptor, Errno};

/// What is bound, and how it is changed on the way.
#[derive(Debug)]
pub(super) struct Bind {
    /// The path on the host, for whoever reads an error.
    pub(super) source: CString,
    tree: Tree,
    pub(super) kind: Kind,
    /// Each with whether it is recursive, in order.
    changes: Vec<(MountAttr, bool)>,
}

#[derive(Debug)]
enum Tree {
    /// The child copies it.
    Source { recursive: bool },
    /// The parent has copied it, since the child may not.
    Copied(Descriptor),
}

impl Bind {
    /// Prepares entry `index` of `mounts`.
    pub(super) fn prepare(
        index: usize,
        entry: &spec::Mount,
        options: &Options,
        recursive: bool,
        context: &Context<'_>,
    ) -> Result<Self> {
        let field = format!("mounts[{index}].source");
        let invalid = |reason: String, remedy: &str| Error::Invalid {
            field: field.clone(),
            reason,
            remedy: remedy.to_owned(),
        };
        let source = entry
            .source
            .as_deref()
            .filter(|s| !s.as_os_str().is_empty());
        let source = source.ok_or_else(|| {
            let reason = "a bind mount needs one".to_owned();
            invalid(reason, "name the file or directory to bind")
        })?;
        let source = context.bundle.join(source);
        let meta = fs::metadata(&source).map_err(|error| {
            let reason = format!("{}: {}", source.display(), said(&error));
            invalid(reason, "name a file or directory that exists on the host")
        })?;
        let path = c_string(&field, source.as_os_str().as_bytes())?;
        options.warn_of_data(index, context);
        let mut bind = Self {
            source: path,
            tree: Tree::Source { recursive },
            kind: if meta.is_dir() {
                Kind::Directory
            } else {
                // A file, a socket, a fifo, a device: only its name is used,
                // nothing is opened that could wait or act.
                Kind::File
            },
            changes: options.changes(true),
        };
        if id_mapped::is_asked_for(index, entry, options, context)? {
            let tree = bind.copy(index, recursive, &source)?;
            id_mapped::apply(index, entry, options, &tree, context)?;
            bind.tree = Tree::Copied(tree);
        } else if context.parent_can_mount() {
            bind.tree = Tree::Copied(bind.copy(index, recursive, &source)?);
        }
        Ok(bind)
    }

    /// Copies the tree in the parent, and makes the changes there.
    fn copy(&mut self, index: usize, recursive: bool, source: &Path) -> Result<Descriptor> {
        let failed = |errno: Errno| Error::Setup {
            step: format!("bind {} (mounts[{index}].source)", source.display()),
            source: errno.into(),
            remedy: super::remedy::bind(errno).map(str::to_owned),
        };
        let tree = mount::clone_tree(libc::AT_FDCWD, &self.source, recursive).map_err(failed)?;
        // The copy is a peer of the host's mount: what the container mounts
        // below it must not appear on the host.
        let receive = self.changes.iter().any(|c| c.0.propagation != 0);
        let apart = MountAttr {
            propagation: if receive {
                libc::MS_SLAVE
            } else {
                libc::MS_PRIVATE
            },
            ..MountAttr::default()
        };
        mount::set_attr(tree.as_raw_fd(), &apart, true).map_err(failed)?;
        for (change, deep) in self.changes.drain(..) {
            mount::set_attr(tree.as_raw_fd(), &change, deep).map_err(failed)?;
        }
        Ok(tree)
    }

    /// The tree, changed while nobody sees it: there is no moment at which a
    /// read-only mount is writable.
    pub(super) fn tree(&self) -> sys::Result<Made<'_>> {
        match &self.tree {
            Tree::Copied(tree) => Ok(Made::Before(tree)),
            Tree::Source { recursive } => {
                let tree = mount::clone_tree(libc::AT_FDCWD, &self.source, *recursive)?;
                for (change, deep) in &self.changes {
                    mount::set_attr(tree.as_raw_fd(), change, *deep)?;
                }
                Ok(Made::Now(tree))
            }
        }
    }
}

/// A tree that waits to be attached.
#[derive(Debug)]
pub(super) enum Made<'a> {
    Before(&'a Descriptor),
    Now(Descriptor),
}

impl AsRawFd for Made<'_> {
    fn as_raw_fd(&self) -> i32 {
        match self {
            Self::Before(tree) => tree.as_raw_fd(),
            Self::Now(tree) => tree.as_raw_fd(),
        }
    }
}

/// The kernel's answer without the number that `io::Error` adds.
fn said(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |errno| Errno(errno).to_string())
}
