//! The walk over a directory, entry by entry.
//!
//! A container wrote it: any name may be a symlink or a device, and none is
//! followed or opened but for directories and regular files.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::output::Output;
use super::{Fault, Form, PackHow, header};
use crate::layer::archive::{BLOCK, Entry, Kind, Time};
use crate::layer::entry_name::join;
use crate::layer::marks::{self, Extended};
use crate::layer::whiteout::{OPAQUE, PREFIX};
use crate::removal;

/// A directory being packed.
pub(super) struct Tree<'a, W: Write> {
    how: &'a PackHow<'a>,
    output: &'a mut Output<W>,
    /// Files of several names, by device and inode, with the name that came first.
    named: HashMap<(u64, u64), Vec<u8>>,
    entries: u64,
}

impl<'a, W: Write> Tree<'a, W> {
    pub(super) fn new(how: &'a PackHow<'a>, output: &'a mut Output<W>) -> Self {
        Self {
            how,
            output,
            named: HashMap::new(),
            entries: 0,
        }
    }

    /// Packs all of it and tells how many entries there were.
    pub(super) fn pack(mut self, directory: &Path) -> Result<u64, Fault> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(directory, flags, Mode::empty()).map_err(at(b""))?;
        let stat = fs::fstat(&root).map_err(at(b""))?;
        let extended = self.extended(root.as_fd(), None, b"")?;
        let entry = self.described(Kind::Directory, b"./", &stat, extended.kept);
        let says_more = entry.mode != 0o755 || (entry.uid, entry.gid) != (0, 0);
        if says_more || !entry.attributes.is_empty() {
            self.write(&entry)?;
        }
        self.directory(root.as_fd(), b"", extended.opaque, 0)?;
        Ok(self.entries)
    }

    fn directory(
        &mut self,
        at_directory: BorrowedFd<'_>,
        path: &[u8],
        opaque: bool,
        depth: usize,
    ) -> Result<(), Fault> {
        if depth > self.how.limits.depth {
            return Err(unfit(path, "it lies too deep for a layer"));
        }
        if opaque {
            self.mark(join(path, OPAQUE))?;
        }
        let mut names = removal::names(at_directory, usize::MAX).map_err(at(path))?;
        names.sort_unstable();
        for name in names {
            let path = join(path, &name);
            if name.starts_with(PREFIX) || path.len() >= self.how.limits.name {
                return Err(unfit(&path, "a layer cannot have a file of this name"));
            }
            let stat = fs::statat(at_directory, &name[..], AtFlags::SYMLINK_NOFOLLOW);
            self.entry(at_directory, &name, &path, &stat.map_err(at(&path))?, depth)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
        depth: usize,
    ) -> Result<(), Fault> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let directory = removal::open(parent, name).map_err(at(path))?;
                let extended = self.extended(directory.as_fd(), None, path)?;
                let name = [path, b"/"].concat();
                self.write(&self.described(Kind::Directory, &name, stat, extended.kept))?;
                return self.directory(directory.as_fd(), path, extended.opaque, depth + 1);
            }
            FileType::CharacterDevice if stat.st_rdev == 0 && self.how.form != Form::Tree => {
                let (parent, name) = crate::layer::entry_name::split(path);
                return self.mark(join(parent, &[PREFIX, name].concat()));
            }
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::Character,
            FileType::BlockDevice => Kind::Block,
            FileType::Fifo => Kind::Fifo,
            // An archive has no sockets, and one without its server is of no use.
            _ => return Ok(()),
        };
        if let Some(first) = self.first_name(path, stat) {
            let mut entry = self.described(Kind::HardLink, path, stat, Vec::new());
            entry.link = first;
            return self.write(&entry);
        }
        if kind == Kind::File {
            return self.file(parent, name, path, stat);
        }
        let extended = self.extended(parent, Some(name), path)?;
        let mut entry = self.described(kind, path, stat, extended.kept);
        if kind == Kind::Symlink {
            let target = fs::readlinkat(parent, name, Vec::new()).map_err(at(path))?;
            entry.link = target.into_bytes();
        } else if kind != Kind::Fifo {
            entry.device = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        }
        self.write(&entry)
    }

    /// The name under which a file of several names was packed already.
    fn first_name(&mut self, path: &[u8], stat: &Stat) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        let key = (stat.st_dev, stat.st_ino);
        let first = self.named.get(&key).cloned();
        if first.is_none() {
            self.named.insert(key, path.to_owned());
        }
        first
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
    ) -> Result<(), Fault> {
        let file = open_file(parent, name).map_err(at(path))?;
        let extended = self.extended(file.as_fd(), None, path)?;
        let mut entry = self.described(Kind::File, path, stat, extended.kept);
        entry.size = u64::try_from(stat.st_size).unwrap_or_default();
        if self.output.bytes().saturating_add(entry.size) > self.how.limits.bytes {
            return Err(unfit(path, "it makes the layer too large"));
        }
        self.write(&entry)?;
        let mut content = std::fs::File::from(file).take(entry.size);
        let mut buffer = vec![0; 64 << 10];
        let mut left = entry.size;
        while left > 0 {
            let length = content
                .read(&mut buffer)
                .map_err(|e| Fault::Tree(path.to_owned(), e))?;
            if length == 0 {
                return Err(unfit(path, "it got shorter while it was packed"));
            }
            self.output
                .write_all(&buffer[..length])
                .map_err(Fault::Output)?;
            left -= length as u64;
        }
        let padding = usize::try_from(entry.size.wrapping_neg() % BLOCK as u64);
        let padding = &[0; BLOCK][..padding.unwrap_or_default()];
        self.output.write_all(padding).map_err(Fault::Output)
    }

    /// A whiteout: an empty file that says it by its name.
    fn mark(&mut self, name: Vec<u8>) -> Result<(), Fault> {
        let modified = self.clamped(0);
        self.write(&Entry {
            kind: Kind::File,
            name,
            link: Vec::new(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified,
            device: (0, 0),
            attributes: Vec::new(),
            size: 0,
            segments: Vec::new(),
        })
    }

    fn described(
        &self,
        kind: Kind,
        name: &[u8],
        stat: &Stat,
        attributes: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Entry {
        let (uid, gid) = (self.how.ids)(stat.st_uid, stat.st_gid);
        Entry {
            kind,
            name: name.to_owned(),
            link: Vec::new(),
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            modified: self.clamped(stat.st_mtime),
            device: (0, 0),
            attributes,
            size: 0,
            segments: Vec::new(),
        }
    }

    fn clamped(&self, seconds: i64) -> Time {
        let latest = self.how.source_date_epoch;
        let latest = latest.map_or(i64::MAX, |epoch| i64::try_from(epoch).unwrap_or(i64::MAX));
        Time {
            seconds: seconds.min(latest),
            nanoseconds: 0,
        }
    }

    fn extended(
        &self,
        file: BorrowedFd<'_>,
        below: Option<&[u8]>,
        path: &[u8],
    ) -> Result<Extended, Fault> {
        let read = marks::read(file, below).map_err(at(path))?;
        let overlay = match self.how.form {
            Form::Tree => None,
            Form::Upper { userxattr } => Some(userxattr),
        };
        marks::sort(read, overlay).map_err(|reason| unfit(path, reason))
    }

    fn write(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.entries += 1;
        if self.entries > self.how.limits.entries {
            return Err(unfit(&entry.name, "there are too many files for a layer"));
        }
        self.output
            .write_all(&header::blocks(entry))
            .map_err(Fault::Output)
    }
}

/// A regular file that was one a moment ago, and is asked again: a fifo in its place
/// would wait for ever.
fn open_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::openat(parent, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(Errno::INVAL),
    }
}

fn at(path: &[u8]) -> impl Fn(Errno) -> Fault {
    move |errno| Fault::Tree(path.to_owned(), errno.into())
}

fn unfit(path: &[u8], reason: &str) -> Fault {
    Fault::Tree(path.to_owned(), io::Error::other(reason))
}
