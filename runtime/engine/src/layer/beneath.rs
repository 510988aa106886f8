//! Directories beneath a root, found by going down from it name by name.
//!
//! A layer that has `lib -> usr/lib` and then `lib/a` means `usr/lib/a`, and one that
//! has `etc -> /etc` means its own `/etc`: symlinks are resolved as if the root were
//! `/`, which is what docker (by `chroot`) and containerd (by walking) do, and what
//! `openat2(RESOLVE_IN_ROOT)` would. `RESOLVE_BENEATH` alone would refuse the second.
//! The walk is ours nevertheless, since directories on the way may have to be made,
//! where a symlink leads too, and to know where one really is. Each of its steps is
//! one name, which the kernel resolves with `RESOLVE_BENEATH` and without symlinks:
//! no step can leave.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::entry_name::join;
use super::fault::Fault;

/// As the kernel's own limit on one walk.
const MOST_LINKS: usize = 40;
/// The most steps of one walk: symlinks could ask for ever more.
const MOST_STEPS: usize = 1000;

/// What a walk does where there is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Makes a directory.
    Make,
    /// Refuses.
    Refuse,
}

/// A place in the tree, and the way to it.
///
/// Entries come by directories, so the way is kept: descriptors of the directories
/// down to the last place.
pub(super) struct Beneath<'r> {
    root: BorrowedFd<'r>,
    deepest: usize,
    chain: Vec<Level>,
    /// How much of the chain leads to the place where the last walk ended.
    at: usize,
    /// What that walk was asked for.
    asked: Option<Vec<u8>>,
    /// Directories that walks have made.
    made: Vec<Vec<u8>>,
}

struct Level {
    name: Vec<u8>,
    descriptor: OwnedFd,
}

enum Step {
    Down(OwnedFd),
    Along(Vec<u8>),
}

impl<'r> Beneath<'r> {
    pub(super) fn new(root: BorrowedFd<'r>, deepest: usize) -> Self {
        Self {
            root,
            deepest,
            chain: Vec::new(),
            at: 0,
            asked: None,
            made: Vec::new(),
        }
    }

    /// Goes to the directory `path`, which is clean. `entry` is who wants that.
    pub(super) fn enter(
        &mut self,
        path: &[u8],
        missing: Missing,
        entry: &[u8],
    ) -> Result<(), Fault> {
        if self.asked.as_deref() == Some(path) {
            return Ok(());
        }
        self.asked = None;
        let mut ahead: VecDeque<Vec<u8>> = parts(path).map(<[u8]>::to_vec).collect();
        let (mut links, mut steps) = (0, 0);
        self.at = 0;
        while let Some(name) = ahead.pop_front() {
            steps += 1;
            if steps > MOST_STEPS {
                return Err(Fault::refused(entry, "it lies behind too many symlinks"));
            }
            if name == b".." {
                self.at = self.at.saturating_sub(1);
                continue;
            }
            if self
                .chain
                .get(self.at)
                .is_some_and(|level| level.name == name)
            {
                self.at += 1;
                continue;
            }
            match self.step(&name, missing, entry)? {
                Step::Down(descriptor) => self.push(Level { name, descriptor }, entry)?,
                Step::Along(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Fault::refused(entry, "it lies behind too many symlinks"));
                    }
                    if target.starts_with(b"/") {
                        self.at = 0;
                    }
                    for part in parts(&target).rev() {
                        ahead.push_front(part.to_vec());
                    }
                }
            }
        }
        self.asked = Some(path.to_owned());
        Ok(())
    }

    /// The directory where the last walk ended.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        match self.at {
            0 => self.root,
            at => self.chain[at - 1].descriptor.as_fd(),
        }
    }

    /// Where that really is: a path without symlinks.
    pub(super) fn path(&self) -> Vec<u8> {
        let names: Vec<&[u8]> = self.chain[..self.at]
            .iter()
            .map(|level| &level.name[..])
            .collect();
        names.join(&b'/')
    }

    /// Stays, and forgets what lies below, where something may have gone: a symlink, too,
    /// by which the place is called.
    pub(super) fn forget_below(&mut self) {
        self.chain.truncate(self.at);
        self.asked = None;
    }

    /// Forgets the way: something on it may have gone.
    pub(super) fn forget(&mut self) {
        self.chain.clear();
        self.at = 0;
        self.asked = None;
    }

    /// Directories that were made on the way since it was asked last.
    pub(super) fn take_made(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.made)
    }

    fn push(&mut self, level: Level, entry: &[u8]) -> Result<(), Fault> {
        if self.at == self.deepest {
            let reason = format!("it lies deeper than {} directories", self.deepest);
            return Err(Fault::refused(entry, reason));
        }
        self.chain.truncate(self.at);
        self.chain.push(level);
        self.at += 1;
        Ok(())
    }

    fn step(&mut self, name: &[u8], missing: Missing, entry: &[u8]) -> Result<Step, Fault> {
        match open_directory(self.directory(), name) {
            Ok(descriptor) => Ok(Step::Down(descriptor)),
            Err(Errno::NOENT) if missing == Missing::Make => {
                // Nobody but us until all is unpacked, when it gets its mode.
                fs::mkdirat(self.directory(), name, Mode::RWXU).map_err(Fault::at(entry))?;
                self.made.push(join(&self.path(), name));
                let opened = open_directory(self.directory(), name);
                opened.map(Step::Down).map_err(Fault::at(entry))
            }
            Err(Errno::NOENT) => Err(Fault::refused(entry, "a directory on its way is missing")),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let target = fs::readlinkat(self.directory(), name, Vec::new());
                let target = target.map_err(|_| {
                    Fault::refused(entry, "what is a directory in its name is something else")
                })?;
                Ok(Step::Along(target.into_bytes()))
            }
            Err(error) => Err(Fault::at(entry)(error)),
        }
    }
}

/// The location of the directory `name`, which is no symlink and on no other file
/// system.
fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    fs::openat2(parent, name, flags, Mode::empty(), resolve)
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let part = |part: &&[u8]| !part.is_empty() && *part != b".";
    path.split(|byte| *byte == b'/').filter(part)
}
