//! Layers laid over each other by copying, where the kernel refuses overlay.
//!
//! Each layer is a directory as [`unpack`](super::unpack) leaves it for overlay. From
//! the lowest up, what a layer has replaces what is there, its whiteouts remove, and
//! what is left is one tree. Both sides are walked by descriptors, name by name, and
//! nothing is followed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::archive::Time;
use super::attributes::{Attributes, Giver, Ownership};
use super::entry_name::join;
use super::fault::Fault;
use super::limits::Limits;
use super::{marks, remove};
use crate::{Error, Result, removal};

/// How a file gets from a layer into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// As a copy, whose blocks are shared where the file system can.
    Copy,
    /// As another name of the layer's own file. Whoever writes to it writes to the
    /// layer: for roots that are read-only.
    HardLink,
}

/// How layers become one tree.
#[derive(Clone, Debug)]
pub struct MergeHow {
    /// How a file gets into it.
    pub content: Content,
    /// Whether the layers have the marks that overlay takes with `userxattr`.
    pub userxattr: bool,
    /// What becomes of owners.
    pub ownership: Ownership,
}

/// Lays `layers`, the lowest first, over each other into `to`, a directory that is
/// there and empty.
///
/// # Errors
/// [`Error::Read`] for a layer that cannot be opened or has a mark of overlay's that is
/// none of a layer, [`Error::Write`] for all else that fails. What was made stays.
pub fn merge(layers: &[&Path], to: &Path, how: &MergeHow) -> Result<()> {
    let open = |path: &Path| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::open(path, flags, Mode::empty()).map_err(io::Error::from)
    };
    let target = open(to).map_err(|source| Error::Write {
        path: to.to_owned(),
        source,
    })?;
    for layer in layers {
        let source = open(layer).map_err(|source| Error::Read {
            path: (*layer).to_owned(),
            source,
        })?;
        let mut merge = Merge {
            how,
            giver: Giver::new(how.ownership),
            named: HashMap::new(),
            root: target.as_fd(),
        };
        let merged = merge.directory(source.as_fd(), target.as_fd(), b"");
        merged.map_err(|fault| match fault {
            Fault::Refused { entry, reason } => Error::Read {
                path: layer.join(OsStr::from_bytes(&entry)),
                source: io::Error::other(reason.into_owned()),
            },
            fault => fault.of(&layer.to_string_lossy(), to),
        })?;
    }
    Ok(())
}

/// One layer on its way.
struct Merge<'a> {
    how: &'a MergeHow,
    giver: Giver,
    /// Files of several names: where each lies in the tree already.
    named: HashMap<(u64, u64), Vec<u8>>,
    root: BorrowedFd<'a>,
}

impl Merge<'_> {
    /// Lays what is in `from` over what is in `to`, and gives it its attributes.
    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        path: &[u8],
    ) -> Result<(), Fault> {
        let at = Fault::at(path);
        // Each directory on the way takes two descriptors and a piece of the stack.
        if path.iter().filter(|byte| **byte == b'/').count() > Limits::default().depth {
            return Err(Fault::refused(path, "it lies too deep for a layer"));
        }
        // A layer below may have made it read-only, also to us.
        fs::fchmod(to, Mode::RWXU).map_err(&at)?;
        let stat = fs::fstat(from).map_err(&at)?;
        let read = marks::read(from, None).map_err(&at)?;
        let extended = marks::sort(read, Some(self.how.userxattr));
        let extended = extended.map_err(|reason| Fault::refused(path, reason))?;
        if extended.opaque {
            remove::clear(to, path, &|_| false).map_err(&at)?;
        }
        for name in removal::names(from, usize::MAX).map_err(&at)? {
            self.entry(from, to, &name, &join(path, &name))?;
        }
        self.giver
            .give(to, &attributes(&stat), &extended.kept, path)
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<(), Fault> {
        let at = Fault::at(path);
        let stat = fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(&at)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let from = removal::open(from, name).map_err(&at)?;
            let to = self.open_or_make(to, name).map_err(&at)?;
            return self.directory(from.as_fd(), to.as_fd(), path);
        }
        removal::remove_at(to, name).map_err(&at)?;
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return Ok(());
        }
        if self.link(from, to, name, path, &stat)? {
            return Ok(());
        }
        if kind == FileType::RegularFile {
            return self.file(from, to, name, path, &stat);
        }
        match kind {
            FileType::Symlink => fs::readlinkat(from, name, Vec::new())
                .and_then(|target| fs::symlinkat(target, to, name)),
            kind => fs::mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev),
        }
        .map_err(&at)?;
        let read = marks::read(from, Some(name)).map_err(&at)?;
        let extended = marks::sort(read, None).unwrap_or_default();
        let is_symlink = kind == FileType::Symlink;
        self.giver.give_unopened(
            to,
            name,
            is_symlink,
            &attributes(&stat),
            &extended.kept,
            path,
        )
    }

    fn open_or_make(&self, to: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
        match removal::open(to, name) {
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR | Errno::LOOP) => removal::remove_at(to, name)?,
            // It is a directory, which this user has no right to read.
            Err(Errno::ACCESS) => {
                fs::chmodat(to, name, Mode::RWXU, AtFlags::empty())?;
                return removal::open(to, name);
            }
            opened => return opened,
        }
        fs::mkdirat(to, name, Mode::RWXU)?;
        removal::open(to, name)
    }

    /// Whether the file is there now as another name of one that is there already.
    fn link(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<bool, Fault> {
        let nothing = AtFlags::empty();
        if self.how.content == Content::HardLink {
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            return match is_file.then(|| fs::linkat(from, name, to, name, nothing)) {
                Some(Ok(())) => Ok(true),
                // Another file system, or more names than one can have.
                None | Some(Err(Errno::XDEV | Errno::MLINK | Errno::PERM)) => Ok(false),
                Some(Err(error)) => Err(Fault::at(path)(error)),
            };
        }
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.named.get(&key) {
            let (parent, first) = super::entry_name::split(first);
            let parent = down(self.root, parent).map_err(Fault::at(path))?;
            let linked = fs::linkat(&parent, first, to, name, nothing);
            return linked.map(|()| true).map_err(Fault::at(path));
        }
        self.named.insert(key, path.to_owned());
        Ok(false)
    }

    fn file(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<(), Fault> {
        let at = Fault::at(path);
        let common = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let read = OFlags::RDONLY | OFlags::NONBLOCK | common;
        let make = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | common;
        let source = fs::openat(from, name, read, Mode::empty()).map_err(&at)?;
        let mode = Mode::RUSR | Mode::WUSR;
        let target = fs::openat(to, name, make, mode).map_err(&at)?;
        copy(source.as_fd(), target.as_fd(), stat).map_err(&at)?;
        let read = marks::read(source.as_fd(), None).map_err(&at)?;
        let extended = marks::sort(read, Some(self.how.userxattr));
        let extended = extended.map_err(|reason| Fault::refused(path, reason))?;
        self.giver
            .give(target.as_fd(), &attributes(stat), &extended.kept, path)
    }
}

/// The directory `path` below `root`, by names and through nothing else.
fn down(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut directory = removal::open(root, b".")?;
    for name in path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
    {
        directory = removal::open(directory.as_fd(), name)?;
    }
    Ok(directory)
}

/// Copies the content: shares its blocks, or else copies what is not a hole.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
    let length = u64::try_from(stat.st_size).unwrap_or_default();
    if length == 0 || fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    fs::ftruncate(to, length)?;
    let mut at = 0;
    while at < length {
        let data = match fs::seek(from, fs::SeekFrom::Data(at)) {
            // A hole up to the end.
            Err(Errno::NXIO) => return Ok(()),
            data => data?,
        };
        let end = fs::seek(from, fs::SeekFrom::Hole(data))?;
        copy_range(from, to, data, end.min(length))?;
        at = end;
    }
    Ok(())
}

fn copy_range(from: BorrowedFd<'_>, to: BorrowedFd<'_>, at: u64, end: u64) -> Result<(), Errno> {
    let (mut read_at, mut write_at) = (at, at);
    while read_at < end {
        let left = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        match fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), left) {
            // It got shorter.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            // Other file systems than one, or one that cannot.
            Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => {
                return copy_by_hand(from, to, read_at, end);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn copy_by_hand(from: BorrowedFd<'_>, to: BorrowedFd<'_>, at: u64, end: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; 128 << 10];
    let mut at = at;
    while at < end {
        let most = buffer
            .len()
            .min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let length = match rustix::io::pread(from, &mut buffer[..most], at) {
            Ok(0) => return Ok(()),
            Err(Errno::INTR) => continue,
            length => length?,
        };
        super::content::write_all(to, &buffer[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

fn attributes(stat: &Stat) -> Attributes {
    Attributes {
        owner: Some((stat.st_uid, stat.st_gid)),
        mode: stat.st_mode & 0o7777,
        modified: Some(Time {
            seconds: stat.st_mtime,
            nanoseconds: i64::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        }),
    }
}
