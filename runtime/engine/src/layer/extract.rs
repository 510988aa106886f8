//! From entries to files.
//!
//! What lies in the way is replaced, as docker and containerd do: a later entry of
//! a name wins, whatever the earlier one was, and only two directories become one.
//! Attributes of directories wait until all is unpacked: each file that is made in
//! one changes its time, and one that is read-only could not be filled by who is
//! not root.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::archive::{Archive, Entry, Kind};
use super::attributes::{Attributes, Giver};
use super::beneath::{Beneath, Missing};
use super::content;
use super::entry_name::{clean, join, split};
use super::fault::Fault;
use super::how::How;
use super::remove;
use super::whiteout::{self, Meaning, Whiteouts};
use crate::removal;

/// How many bytes of paths are remembered, of directories and of what whiteouts
/// must spare.
const MOST_REMEMBERED: usize = 512 << 20;

/// Attributes of a directory that no entry describes.
const IMPLICIT: Attributes = Attributes {
    owner: None,
    mode: 0o755,
    modified: None,
};

/// A root that is being filled.
pub(super) struct Extract<'a> {
    root: BorrowedFd<'a>,
    how: &'a How,
    at: Beneath<'a>,
    /// Another place, for what hard links lead to.
    target: Beneath<'a>,
    /// What directories get at the end, by their paths without symlinks.
    directories: BTreeMap<Vec<u8>, Attributes>,
    /// What this layer has made, where whiteouts are applied: they mean only what
    /// was there before.
    own: BTreeSet<Vec<u8>>,
    /// Directories in which nothing is left of what was there before.
    cleared: BTreeSet<Vec<u8>>,
    /// Devices that could not be made.
    no_devices: BTreeSet<Vec<u8>>,
    remembered: usize,
    apparent_bytes: u64,
    pub(super) entries: u64,
    pub(super) devices: u64,
    pub(super) giver: Giver,
}

impl<'a> Extract<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, how: &'a How) -> Self {
        let beneath = || Beneath::new(root, how.limits.depth);
        Self {
            root,
            how,
            at: beneath(),
            target: beneath(),
            directories: BTreeMap::from([(Vec::new(), IMPLICIT)]),
            own: BTreeSet::new(),
            cleared: BTreeSet::new(),
            no_devices: BTreeSet::new(),
            remembered: 0,
            apparent_bytes: 0,
            entries: 0,
            devices: 0,
            giver: Giver::new(how.ownership),
        }
    }

    /// Unpacks all of `archive`.
    pub(super) fn all(&mut self, archive: &mut Archive<'_, impl BufRead>) -> Result<(), Fault> {
        while let Some(entry) = archive.next()? {
            self.count(&entry)?;
            let refused = |reason: &'static str| Fault::refused(&entry.name, reason);
            let path = clean(&entry.name, self.how.limits.name).map_err(refused)?;
            match whiteout::meaning(&path).map_err(refused)? {
                Meaning::Entry => self.entry(archive, &entry, &path)?,
                Meaning::Gone { name } => self.gone(&path, name)?,
                Meaning::Opaque => self.opaque(&path)?,
                Meaning::Skipped => {}
            }
        }
        self.finish_directories()
    }

    fn count(&mut self, entry: &Entry) -> Result<(), Fault> {
        let limits = &self.how.limits;
        self.entries += 1;
        self.apparent_bytes = self.apparent_bytes.saturating_add(entry.size);
        if self.entries > limits.entries {
            let reason = format!("there are more than {} entries", limits.entries);
            return Err(Fault::refused(&entry.name, reason));
        }
        if self.apparent_bytes > limits.bytes {
            let reason = format!("its files are more than the {} bytes allowed", limits.bytes);
            return Err(Fault::refused(&entry.name, reason));
        }
        let forged = |(attribute, _): &(Vec<u8>, _)| whiteout::is_overlays_own(attribute);
        if entry.attributes.iter().any(forged) {
            return Err(Fault::refused(
                &entry.name,
                "it has an attribute of overlay's own",
            ));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        archive: &mut Archive<'_, impl BufRead>,
        entry: &Entry,
        path: &[u8],
    ) -> Result<(), Fault> {
        let (parent, last) = split(path);
        if path.is_empty() {
            return self.root_itself(entry);
        }
        self.enter(parent, path)?;
        match entry.kind {
            Kind::Directory => self.directory(entry, path, last),
            Kind::File => self.file(archive, entry, path, last),
            Kind::HardLink => self.hard_link(entry, path, last),
            Kind::Symlink if entry.link.is_empty() => {
                Err(Fault::refused(&entry.name, "it is a symlink to nothing"))
            }
            Kind::Symlink => {
                self.make(path, last, |parent: BorrowedFd<'_>| {
                    fs::symlinkat(&entry.link[..], parent, last)
                })?;
                self.unopened(entry, path, last)
            }
            Kind::Character | Kind::Block | Kind::Fifo => self.node(entry, path, last),
        }
    }

    /// Goes to the directory of an entry.
    fn enter(&mut self, parent: &[u8], entry: &[u8]) -> Result<(), Fault> {
        let entered = self.at.enter(parent, Missing::Make, entry);
        for made in self.at.take_made() {
            self.remember(made, IMPLICIT)?;
        }
        entered
    }

    fn root_itself(&mut self, entry: &Entry) -> Result<(), Fault> {
        if entry.kind != Kind::Directory {
            return Err(Fault::refused(&entry.name, "the root is a directory"));
        }
        if !entry.attributes.is_empty() {
            let root = removal::open(self.root, b".").map_err(Fault::at(b""))?;
            self.giver
                .extend(root.as_fd(), &entry.attributes, &entry.name)?;
        }
        self.remember(Vec::new(), Attributes::of(entry))
    }

    fn directory(&mut self, entry: &Entry, path: &[u8], last: &[u8]) -> Result<(), Fault> {
        let mut hides = false;
        let make = |parent: BorrowedFd<'_>| fs::mkdirat(parent, last, Mode::RWXU);
        match make(self.at.directory()) {
            Err(Errno::EXIST) => match self.found(path, last)? {
                Found::Directory => {}
                found => {
                    hides = found == Found::Whiteout;
                    self.make(path, last, make)?;
                }
            },
            made => made.map_err(Fault::at(path))?,
        }
        if hides || !entry.attributes.is_empty() {
            let directory = removal::open(self.at.directory(), last).map_err(Fault::at(path))?;
            self.giver
                .extend(directory.as_fd(), &entry.attributes, path)?;
            if hides {
                self.mark_opaque(&directory, path)?;
            }
        }
        let real = join(&self.at.path(), last);
        self.remember(real, Attributes::of(entry))
    }

    fn file(
        &mut self,
        archive: &mut Archive<'_, impl BufRead>,
        entry: &Entry,
        path: &[u8],
        last: &[u8],
    ) -> Result<(), Fault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        // What is left of it after the umask needs no giving.
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let open = |parent: BorrowedFd<'_>| fs::openat(parent, last, flags | OFlags::CLOEXEC, mode);
        let file = self.make(path, last, open)?;
        content::write(file.as_fd(), archive, entry, path)?;
        let attributes = Attributes::of(entry);
        self.giver
            .give(file.as_fd(), &attributes, &entry.attributes, path)
    }

    /// What it leads to is found as any other name is, and is not followed itself: a
    /// link to a symlink is another name of the symlink.
    fn hard_link(&mut self, entry: &Entry, path: &[u8], last: &[u8]) -> Result<(), Fault> {
        let refused = |reason: &'static str| Fault::refused(&entry.name, reason);
        let link = clean(&entry.link, self.how.limits.name)
            .map_err(|_| refused("it is a hard link to outside of the root"))?;
        let (target_parent, target) = split(&link);
        self.target.enter(target_parent, Missing::Refuse, path)?;
        let real_target = join(&self.target.path(), target);
        if target.is_empty() || real_target == join(&self.at.path(), last) {
            return Err(refused("it is a hard link to itself or to the root"));
        }
        if self.no_devices.contains(&real_target) {
            return self.without_device(path, last);
        }
        let directory = rustix::io::dup(self.target.directory()).map_err(Fault::at(path))?;
        let linked = self.make(path, last, |parent: BorrowedFd<'_>| {
            fs::linkat(&directory, target, parent, last, AtFlags::empty())
        });
        match linked {
            Err(Fault::Kernel {
                source: Errno::NOENT,
                ..
            }) => Err(refused("it is a hard link to what is not there")),
            Err(Fault::Kernel {
                source: Errno::PERM,
                ..
            }) => Err(refused("it is a hard link to what cannot be linked to")),
            linked => linked,
        }
    }

    fn node(&mut self, entry: &Entry, path: &[u8], last: &[u8]) -> Result<(), Fault> {
        let overlay = matches!(self.how.whiteouts, Whiteouts::Overlay { .. });
        let kind = match entry.kind {
            Kind::Character if overlay && entry.device == (0, 0) => {
                let reason = "a character device 0:0 is overlay's own mark";
                return Err(Fault::refused(&entry.name, reason));
            }
            Kind::Character => FileType::CharacterDevice,
            Kind::Block => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let device = match kind {
            FileType::Fifo => 0,
            _ => fs::makedev(entry.device.0, entry.device.1),
        };
        let mode = Mode::RUSR | Mode::WUSR;
        match self.make(path, last, |parent: BorrowedFd<'_>| {
            fs::mknodat(parent, last, kind, mode, device)
        }) {
            Err(Fault::Kernel {
                source: Errno::PERM,
                ..
            }) if kind != FileType::Fifo => self.without_device(path, last),
            made => made.and_then(|()| self.unopened(entry, path, last)),
        }
    }

    /// A device that this user may not make is left out.
    fn without_device(&mut self, path: &[u8], last: &[u8]) -> Result<(), Fault> {
        self.devices += 1;
        self.take_memory(path.len())?;
        self.no_devices.insert(join(&self.at.path(), last));
        Ok(())
    }

    fn unopened(&mut self, entry: &Entry, path: &[u8], last: &[u8]) -> Result<(), Fault> {
        self.giver.give_unopened(
            self.at.directory(),
            last,
            entry.kind == Kind::Symlink,
            &Attributes::of(entry),
            &entry.attributes,
            path,
        )
    }

    /// Makes something by `make`, in the place of what may be there.
    fn make<T>(
        &mut self,
        path: &[u8],
        last: &[u8],
        make: impl Fn(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Fault> {
        let made = match make(self.at.directory()) {
            Err(Errno::EXIST) => {
                self.remove(path, last)?;
                make(self.at.directory())
            }
            made => made,
        };
        let made = made.map_err(Fault::at(path))?;
        self.make_own(&join(&self.at.path(), last))?;
        Ok(made)
    }

    fn remove(&mut self, path: &[u8], last: &[u8]) -> Result<(), Fault> {
        removal::remove_at(self.at.directory(), last).map_err(Fault::at(path))?;
        let real = join(&self.at.path(), last);
        self.forget(&real);
        Ok(())
    }

    /// Forgets what was known of a path and of what lay below it.
    fn forget(&mut self, real: &[u8]) {
        let below = join(real, b"");
        let is_below = |path: &&Vec<u8>| path.starts_with(&below);
        for set in [&mut self.own, &mut self.cleared, &mut self.no_devices] {
            let gone: Vec<_> = set
                .range(below.clone()..)
                .take_while(is_below)
                .cloned()
                .collect();
            for path in gone {
                set.remove(&path);
            }
            set.remove(real);
        }
        let directories = self
            .directories
            .range(below.clone()..)
            .map(|(path, _)| path);
        let gone: Vec<_> = directories.take_while(is_below).cloned().collect();
        for path in gone {
            self.directories.remove(&path);
        }
        self.directories.remove(real);
        self.target.forget();
        // The way to where we are does not lead through what lies there.
        self.at.forget_below();
    }

    fn remember(&mut self, real: Vec<u8>, attributes: Attributes) -> Result<(), Fault> {
        self.take_memory(real.len())?;
        self.make_own(&real)?;
        self.directories.insert(real, attributes);
        Ok(())
    }

    /// Remembers that whiteouts of this layer spare `real`, and what it lies in.
    fn make_own(&mut self, real: &[u8]) -> Result<(), Fault> {
        let mut path = real;
        while self.how.whiteouts == Whiteouts::Apply && !self.own.contains(path) {
            self.take_memory(path.len())?;
            self.own.insert(path.to_owned());
            path = split(path).0;
        }
        Ok(())
    }

    fn take_memory(&mut self, bytes: usize) -> Result<(), Fault> {
        self.remembered += bytes + 64;
        match self.remembered > MOST_REMEMBERED {
            true => Err(Fault::malformed(
                "its directories have too many and too long names",
            )),
            false => Ok(()),
        }
    }

    fn found(&self, path: &[u8], last: &[u8]) -> Result<Found, Fault> {
        let stat = fs::statat(self.at.directory(), last, AtFlags::SYMLINK_NOFOLLOW);
        let stat = match stat {
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            stat => stat.map_err(Fault::at(path))?,
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Found::Directory,
            FileType::CharacterDevice if stat.st_rdev == 0 => Found::Whiteout,
            _ => Found::Other,
        })
    }

    /// `name`, beside the whiteout called `path`, is gone from the layers below. What
    /// this layer itself has of that name stays.
    fn gone(&mut self, path: &[u8], name: &[u8]) -> Result<(), Fault> {
        self.enter(split(path).0, path)?;
        let real = join(&self.at.path(), name);
        let found = self.found(path, name)?;
        match self.how.whiteouts {
            Whiteouts::Apply if !self.own.contains(&real) => self.remove(path, name),
            Whiteouts::Apply if found == Found::Directory => {
                let directory =
                    removal::open(self.at.directory(), name).map_err(Fault::at(path))?;
                self.clear(directory.as_fd(), real)
            }
            Whiteouts::Apply => Ok(()),
            Whiteouts::Overlay { .. } => match found {
                Found::Nothing => {
                    let kind = FileType::CharacterDevice;
                    let parent = self.at.directory();
                    fs::mknodat(parent, name, kind, Mode::empty(), 0).map_err(Fault::at(path))
                }
                Found::Directory => {
                    let directory = removal::open(self.at.directory(), name);
                    self.mark_opaque(&directory.map_err(Fault::at(path))?, path)
                }
                Found::Whiteout | Found::Other => Ok(()),
            },
        }
    }

    /// All that the directory of `path` had in layers below is gone.
    fn opaque(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.enter(split(path).0, path)?;
        let directory = removal::open(self.at.directory(), b".").map_err(Fault::at(path))?;
        match self.how.whiteouts {
            Whiteouts::Overlay { .. } => self.mark_opaque(&directory, path),
            Whiteouts::Apply => self.clear(directory.as_fd(), self.at.path()),
        }
    }

    fn mark_opaque(&self, directory: &OwnedFd, path: &[u8]) -> Result<(), Fault> {
        let Whiteouts::Overlay { userxattr } = self.how.whiteouts else {
            return Ok(());
        };
        let mark = Whiteouts::opaque(userxattr);
        fs::fsetxattr(directory, mark, b"y", XattrFlags::empty()).map_err(Fault::at(path))
    }

    /// Removes from the directory `real` what is not this layer's, once: afterwards all
    /// there is.
    fn clear(&mut self, directory: BorrowedFd<'_>, real: Vec<u8>) -> Result<(), Fault> {
        let mut above = &real[..];
        loop {
            if self.cleared.contains(above) {
                return Ok(());
            }
            if above.is_empty() {
                break;
            }
            above = split(above).0;
        }
        let own = &self.own;
        let kept = |path: &[u8]| own.contains(path);
        remove::clear(directory, &real, &kept).map_err(Fault::at(&real))?;
        self.at.forget();
        self.target.forget();
        self.take_memory(real.len())?;
        self.cleared.insert(real);
        Ok(())
    }

    /// From the deepest up: one that nobody may enter is given its mode last.
    fn finish_directories(&mut self) -> Result<(), Fault> {
        let directories = std::mem::take(&mut self.directories);
        for (path, attributes) in directories.iter().rev() {
            let (parent, last) = split(path);
            let last = if last.is_empty() { b"." } else { last };
            self.at.enter(parent, Missing::Refuse, path)?;
            let directory = removal::open(self.at.directory(), last).map_err(Fault::at(path))?;
            self.giver.give(directory.as_fd(), attributes, &[], path)?;
        }
        Ok(())
    }
}

/// What lies where an entry wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Directory,
    /// Overlay's mark.
    Whiteout,
    Other,
}
