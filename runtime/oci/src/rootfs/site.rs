//! What the steps share while the root is built: its descriptor, and those
//! that one step after the other would open again.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use super::target::{Kind, Target};
use super::text::Text;
use super::walk;
use crate::sys::descriptor::{Resolve, openat, openat2};
use crate::sys::mount::{MountAttr, set_attr};
use crate::sys::{self, Descriptor, Errno, file};

/// The root at work. Lives in the child, from the first step to the pivot.
#[derive(Debug, Default)]
pub(crate) struct Site {
    root: Option<Descriptor>,
    /// Where the root is: what is mounted *on* it is reached by its path alone.
    path: Text<{ libc::PATH_MAX as usize }>,
    /// The directory in which the last name was made.
    directory: Option<Descriptor>,
    directory_at: Text<256>,
    /// The path of a tmpfs that this start mounted: nobody else can reach into it.
    fresh: Text<256>,
    /// The host's `/dev/null`, verified.
    pub(super) null: Option<Descriptor>,
    /// An empty, read-only directory.
    pub(super) empty: Option<Descriptor>,
    /// A procfs to write parameters through, verified.
    pub(super) procfs: Option<Descriptor>,
    /// A mount that is read-only when all is made in it.
    unprotected: Option<Descriptor>,
}

/// Where a mount goes.
#[derive(Debug)]
pub(super) struct Point<'a> {
    /// Keeps `dir` open, where no other owner does.
    _owner: Option<Descriptor>,
    pub(super) dir: RawFd,
    /// A name in `dir`; empty where `dir` itself is meant.
    pub(super) name: &'a CStr,
    /// Whether it was made for the mount.
    pub(super) made: bool,
}

impl<'a> Point<'a> {
    /// A name in `dir`, which stays open elsewhere. Whoever mounts there by the
    /// name vouches that nobody can have exchanged it.
    pub(super) fn named(dir: RawFd, name: &'a CStr) -> Self {
        Self {
            _owner: None,
            dir,
            name,
            made: true,
        }
    }

    pub(super) fn at(owner: Descriptor, made: bool) -> Self {
        let dir = owner.as_raw_fd();
        Self {
            _owner: Some(owner),
            dir,
            name: c"",
            made,
        }
    }
}

impl Site {
    /// Takes the root that was opened, and the path at which it is mounted.
    pub(super) fn begin(&mut self, root: Descriptor, path: &CStr) {
        self.root = Some(root);
        self.path.set(path);
    }

    /// Makes `mount` read-only at the end, or when there is another such.
    pub(super) fn protect_at_end(&mut self, mount: Descriptor) -> sys::Result<()> {
        match self.unprotected.replace(mount) {
            Some(before) => set_attr(before.as_raw_fd(), &MountAttr::READ_ONLY, false),
            None => Ok(()),
        }
    }

    /// Lets go of everything but the root: it is about to be exchanged.
    pub(super) fn end(&mut self) -> sys::Result<Descriptor> {
        self.forget();
        if let Some(mount) = self.unprotected.take() {
            set_attr(mount.as_raw_fd(), &MountAttr::READ_ONLY, false)?;
        }
        (self.null, self.empty, self.procfs) = (None, None, None);
        self.root.take().ok_or(Errno(libc::EBADF))
    }

    /// The root, while it is not yet entered.
    pub(crate) fn root(&self) -> sys::Result<RawFd> {
        let root = self.root.as_ref().ok_or(Errno(libc::EBADF))?;
        Ok(root.as_raw_fd())
    }

    /// Opens the path, which must exist, as a mere location (`O_PATH`).
    pub(super) fn open(&self, target: &Target) -> sys::Result<Descriptor> {
        openat2(self.root()?, &target.path, libc::O_PATH, 0, target.how())
    }

    /// The directory that holds `target`, made where it is missing.
    pub(super) fn parent(&mut self, target: &Target) -> sys::Result<RawFd> {
        self.directory(&target.parent, target.how())
    }

    /// A directory of the root, made where it is missing.
    pub(super) fn directory(&mut self, path: &CStr, how: Resolve) -> sys::Result<RawFd> {
        match &self.directory {
            Some(known) if self.directory_at.is(path) && how == Resolve::InRoot => {
                return Ok(known.as_raw_fd());
            }
            _ => {}
        }
        let root = self.root()?;
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let opened = match openat2(root, path, flags, 0, how) {
            Err(Errno(libc::ENOENT)) => walk::make(root, path, Kind::Directory, how)?,
            opened => opened?,
        };
        let fd = opened.as_raw_fd();
        self.directory = Some(opened);
        self.directory_at.set(path);
        Ok(fd)
    }

    /// The path as a mount point, made with its ancestors where it is missing.
    pub(super) fn point<'t>(&mut self, target: &'t Target, kind: Kind) -> sys::Result<Point<'t>> {
        if target.name.is_empty() {
            return self.open(target).map(|owner| Point::at(owner, false));
        }
        if !target.is_strict() && self.fresh.is(&target.parent) {
            let dir = self.parent(target)?;
            match kind.make(dir, &target.name) {
                // Nobody else can reach this tmpfs, so what the name leads to
                // is what was made just now.
                Ok(()) => return Ok(Point::named(dir, &target.name)),
                Err(Errno(libc::EEXIST)) => {}
                Err(errno) => return Err(errno),
            }
        }
        match self.open(target) {
            Err(Errno(libc::ENOENT)) => {}
            found => return found.map(|owner| Point::at(owner, false)),
        }
        let dir = self.parent(target)?;
        let made = match kind.make(dir, &target.name) {
            // Opened without following: where the directory is shared with
            // somebody hostile, the name may be a symlink by now.
            Ok(()) => openat2(dir, &target.name, libc::O_PATH, 0, Resolve::NoSymlinks)?,
            // It is there and leads nowhere: a symlink to what is to be made.
            Err(Errno(libc::EEXIST)) => walk::make(self.root()?, &target.path, kind, target.how())?,
            Err(errno) => return Err(errno),
        };
        Ok(Point::at(made, true))
    }

    /// A mount was made: what was known of the places below it no longer holds.
    pub(super) fn mounted(
        &mut self,
        target: &Target,
        point: &Point<'_>,
        tmpfs: bool,
    ) -> sys::Result<()> {
        if target.name.is_empty() {
            // Only the path leads to what lies on top of the root now.
            let flags = libc::O_PATH | libc::O_DIRECTORY;
            self.root = Some(openat(libc::AT_FDCWD, self.path.c_str(), flags, 0)?);
            self.forget();
        } else if point.name.is_empty() {
            // A path without symlinks leads where it says; any other may lead
            // to the very directory.
            if !target.is_strict() || target.contains(self.directory_at.c_str()) {
                self.directory = None;
            }
            if !target.is_strict() || target.contains(self.fresh.c_str()) {
                self.fresh.clear();
            }
        }
        if tmpfs {
            self.fresh.set(&target.path);
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.directory = None;
        self.fresh.clear();
    }
}

impl Kind {
    /// Makes one name in `dir`; no symlink is followed.
    pub(super) fn make(self, dir: RawFd, name: &CStr) -> sys::Result<()> {
        match self {
            Self::Directory => file::mkdirat(dir, name, 0o755),
            Self::File => file::mknodat(dir, name, libc::S_IFREG | 0o644, 0),
        }
    }
}
