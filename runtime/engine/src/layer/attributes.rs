//! What a file has besides its content: owner, mode, extended attributes, times.
//!
//! The order matters: a change of owner takes set-user-id bits and capabilities
//! away, and everything changes the time.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{self, AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::archive::{Entry, Time};
use super::fault::Fault;

/// What becomes of owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// They are as the archive says, or the layer is refused.
    Keep,
    /// Where one cannot be had (an id that is not mapped, or no privilege) the file
    /// is its maker's, and loses the bits by which it would lend its owner's id: the
    /// maker's was not meant.
    Squash,
}

/// Bits that lend an id: set-user-id and set-group-id.
const LENDING: u32 = 0o6000;

/// As which ids are shown that the user namespace has none for
/// (`/proc/sys/kernel/overflowuid`): it says nothing about who the owner is.
const UNMAPPED: u32 = 65_534;

/// Owner, mode and time of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: u32,
    pub(super) modified: Option<Time>,
}

impl Attributes {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            owner: Some((entry.uid, entry.gid)),
            mode: entry.mode,
            modified: Some(entry.modified),
        }
    }
}

/// Who gives files their attributes, and what could not be had.
#[derive(Clone, Debug)]
pub(super) struct Giver {
    ownership: Ownership,
    pub(super) squashed: bool,
    pub(super) left_out: u64,
}

/// Extended attributes: names and values.
pub(super) type Extended = [(Vec<u8>, Vec<u8>)];

impl Giver {
    pub(super) fn new(ownership: Ownership) -> Self {
        Self {
            ownership,
            squashed: false,
            left_out: 0,
        }
    }

    /// Gives `file` all of `attributes` and `extended`; `entry` is for messages.
    pub(super) fn give(
        &mut self,
        file: BorrowedFd<'_>,
        attributes: &Attributes,
        extended: &Extended,
        entry: &[u8],
    ) -> Result<(), Fault> {
        // Most files are born with both: asking costs less than giving again.
        let born = fs::fstat(file).map_err(Fault::at(entry))?;
        let chown = |uid: Uid, gid: Gid| match (uid.as_raw(), gid.as_raw())
            == (born.st_uid, born.st_gid)
            && ![born.st_uid, born.st_gid].contains(&UNMAPPED)
        {
            true => Ok(()),
            false => fs::fchown(file, Some(uid), Some(gid)),
        };
        let kept = self.own(attributes.owner, entry, chown)?;
        let mode = mode_of(attributes.mode, kept);
        if Mode::from_raw_mode(born.st_mode) != mode {
            fs::fchmod(file, mode).map_err(Fault::at(entry))?;
        }
        self.extend(file, extended, entry)?;
        match attributes.modified {
            Some(time) => fs::futimens(file, &timestamps(time)).map_err(Fault::at(entry)),
            None => Ok(()),
        }
    }

    /// Gives `file` extended attributes alone.
    pub(super) fn extend(
        &mut self,
        file: BorrowedFd<'_>,
        extended: &Extended,
        entry: &[u8],
    ) -> Result<(), Fault> {
        for (name, value) in extended {
            let set = fs::fsetxattr(file, &name[..], value, XattrFlags::empty());
            self.set_or_left_out(set, entry)?;
        }
        Ok(())
    }

    /// As [`Giver::give`], to `last` in `parent`, which cannot be opened: a device, a
    /// fifo, or a symlink, which has no mode.
    pub(super) fn give_unopened(
        &mut self,
        parent: BorrowedFd<'_>,
        last: &[u8],
        is_symlink: bool,
        attributes: &Attributes,
        extended: &Extended,
        entry: &[u8],
    ) -> Result<(), Fault> {
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let chown = |uid, gid| fs::chownat(parent, last, Some(uid), Some(gid), nofollow);
        let kept = self.own(attributes.owner, entry, chown)?;
        if !is_symlink {
            // It follows symlinks, and this is none: it was just made by its type.
            let mode = mode_of(attributes.mode, kept);
            fs::chmodat(parent, last, mode, AtFlags::empty()).map_err(Fault::at(entry))?;
        }
        if !extended.is_empty() {
            let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
            path.extend_from_slice(last);
            for (name, value) in extended {
                let set = fs::lsetxattr(&path[..], &name[..], value, XattrFlags::empty());
                self.set_or_left_out(set, entry)?;
            }
        }
        let Some(time) = attributes.modified else {
            return Ok(());
        };
        fs::utimensat(parent, last, &timestamps(time), nofollow).map_err(Fault::at(entry))
    }

    /// Whether the file has the owner that it should have.
    fn own(
        &mut self,
        owner: Option<(u32, u32)>,
        entry: &[u8],
        chown: impl Fn(Uid, Gid) -> Result<(), Errno>,
    ) -> Result<bool, Fault> {
        let Some((uid, gid)) = owner else {
            return Ok(true);
        };
        match (
            chown(Uid::from_raw(uid), Gid::from_raw(gid)),
            self.ownership,
        ) {
            (Ok(()), _) => Ok(true),
            (Err(Errno::INVAL | Errno::PERM), Ownership::Squash) => {
                self.squashed = true;
                Ok(false)
            }
            (Err(Errno::INVAL | Errno::PERM), Ownership::Keep) => {
                let reason = format!("it cannot be given to {uid}:{gid}");
                Err(Fault::refused(entry, reason))
            }
            (Err(error), _) => Err(Fault::at(entry)(error)),
        }
    }

    /// Attributes that a file system or the lack of a privilege does not allow are left
    /// out, as docker and containerd do: most are of no consequence here.
    fn set_or_left_out(&mut self, set: Result<(), Errno>, entry: &[u8]) -> Result<(), Fault> {
        match set {
            Ok(()) => Ok(()),
            Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::NOENT) => {
                self.left_out += 1;
                Ok(())
            }
            Err(error) => Err(Fault::at(entry)(error)),
        }
    }
}

fn mode_of(mode: u32, owner_is_right: bool) -> Mode {
    match owner_is_right {
        true => Mode::from_raw_mode(mode),
        false => Mode::from_raw_mode(mode & !LENDING),
    }
}

fn timestamps(time: Time) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
