//! What a repair replaces, kept in the environment: nobody knows better than its user what it
//! was worth.
//!
//! Everything goes through the directory that is held, one name after the other: a link that lies
//! in the environment leads no repair out of it.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use crate::error::{Error, Result};
use crate::occupancy::Occupied;

/// The directory, below the environment's.
pub(super) const KEPT: &str = "kept";

/// `path` from the top of the environment at `dir`, if it is below it and text.
pub(super) fn inside<'p>(dir: &Path, path: &'p Path) -> Option<&'p str> {
    path.strip_prefix(dir).ok()?.to_str()
}

/// As [`inside`]; what is not, is no business of a repair's.
pub(super) fn named<'p>(held: &Occupied, path: &'p Path) -> Result<&'p str> {
    inside(&held.dir, path).ok_or_else(|| {
        let error = io::Error::from(io::ErrorKind::InvalidFilename);
        Error::io("mend", path)(error)
    })
}

/// Makes the directories of `path` where missing, and opens the last.
pub(super) fn make(held: &Occupied, path: &str) -> Result<OwnedFd> {
    let made = || {
        let mut directory = held.directory("")?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match mkdirat(&directory, name, Mode::from_bits_truncate(0o777)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error),
            }
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            directory = openat(&directory, name, flags, Mode::empty())?;
        }
        Ok(directory)
    };
    made().map_err(held.io("create directory", path))
}

/// Where `path` is to be kept: the directory below `kept`, and a name with a number if it was
/// before.
fn place(held: &Occupied, path: &str) -> Result<(OwnedFd, String)> {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = make(held, &format!("{KEPT}/{directories}"))?;
    let is_free = |name: &str| fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_err();
    let mut free = name.to_owned();
    for number in 1.. {
        if is_free(&free) {
            break;
        }
        free = format!("{name}.{number}");
    }
    Ok((directory, free))
}

/// Keeps a copy of what is at `path`, which stays. Of a link the link is kept, not what it leads
/// to; where nothing is, nothing.
pub(super) fn copy(held: &Occupied, path: &str) -> Result<()> {
    let io = || held.io("keep", path);
    let (parent, name) = held.parent(path).map_err(io())?;
    let found = match fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(()),
        found => found.map_err(io())?,
    };
    let (to, free) = place(held, path)?;
    match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFLNK => {
            let target = readlinkat(&parent, name).map_err(io())?;
            symlinkat(&target[..], &to, &free[..]).map_err(io())
        }
        SFlag::S_IFREG => {
            let mut from = open(&parent, name).map_err(io())?;
            let copied = create(&to, &free, Some(found.st_mode))
                .and_then(|mut copy| io::copy(&mut from, &mut copy));
            copied
                .map(drop)
                .map_err(Error::io("keep", held.dir.join(path)))
        }
        _ => Err(io()(Errno::EINVAL)),
    }
}

/// Keeps what is at `path`; it is not there any more.
pub(super) fn away(held: &Occupied, path: &str) -> Result<()> {
    let (parent, name) = held.parent(path).map_err(held.io("keep", path))?;
    let (to, free) = place(held, path)?;
    renameat(&parent, name, &to, &free[..]).map_err(held.io("keep", path))
}

/// The content of the regular file at `path`.
pub(super) fn read(held: &Occupied, path: &str) -> Result<Vec<u8>> {
    let (parent, name) = held.parent(path).map_err(held.io("read", path))?;
    let file = open(&parent, name).map_err(held.io("read", path))?;
    let mut content = Vec::new();
    let read = io::Read::read_to_end(&mut io::BufReader::new(file), &mut content);
    read.map_err(Error::io("read", held.dir.join(path)))?;
    Ok(content)
}

/// Puts `content` into the place of `path` in one step, as executable as it was.
pub(super) fn replace(held: &Occupied, path: &str, content: &[u8]) -> Result<()> {
    exchange(held, path, |parent, name, new| {
        let old = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok();
        let mode = old.map(|old| old.st_mode).filter(|mode| is_file(*mode));
        create(parent, new, mode)?.write_all(content)
    })
}

/// Leads the link at `path` to `to`, in one step.
pub(super) fn relink(held: &Occupied, path: &str, to: &Path) -> Result<()> {
    exchange(held, path, |parent, _, new| Ok(symlinkat(to, parent, new)?))
}

/// Has something made beside `path`, and gives it that name.
fn exchange(
    held: &Occupied,
    path: &str,
    make: impl FnOnce(&OwnedFd, &str, &str) -> io::Result<()>,
) -> Result<()> {
    let (parent, name) = held.parent(path).map_err(held.io("write", path))?;
    let new = format!("{name}.isolab-new");
    let remove = || unlinkat(&parent, &new[..], UnlinkatFlags::NoRemoveDir);
    let _ = remove(); // of a repair that was killed
    let done =
        make(&parent, name, &new).and_then(|()| Ok(renameat(&parent, &new[..], &parent, name)?));
    done.map_err(|error| {
        let _ = remove();
        Error::io("write", held.dir.join(path))(error)
    })
}

/// A regular file and nothing else; a pipe would be waited for.
fn open(parent: &OwnedFd, name: &str) -> Result<File, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(parent, name, flags, Mode::empty())?;
    match is_file(nix::sys::stat::fstat(&file)?.st_mode) {
        true => Ok(file.into()),
        false => Err(Errno::EINVAL),
    }
}

/// A new file with the permissions of `mode`, or with what the umask leaves of the usual ones.
fn create(parent: &OwnedFd, name: &str, mode: Option<u32>) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file: File = openat(parent, name, flags, Mode::from_bits_truncate(0o666))?.into();
    if let Some(mode) = mode {
        file.set_permissions(Permissions::from_mode(mode & 0o777))?;
    }
    Ok(file)
}

fn is_file(mode: u32) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFREG
}
