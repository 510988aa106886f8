//! `tmpcopyup`: a tmpfs begins with what the directory below it holds.
//!
//! The tree is an image's, and perhaps hostile: nothing in it is followed,
//! only regular files are opened (a fifo would wait, a device might act), and
//! it is copied level by level on a stack of fixed depth. How much is copied
//! is bounded by the tmpfs. Extended attributes are not copied.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use super::by_descriptor::ByDescriptor;
use crate::sys::descriptor::openat;
use crate::sys::file::{self, Stat};
use crate::sys::{self, Descriptor, Errno};

/// The deepest tree that is copied; each level holds two descriptors.
const DEPTH: usize = 64;

/// A directory that is being copied.
struct Level {
    from: Descriptor,
    to: Descriptor,
    /// What `to` becomes when all is in it.
    stat: Stat,
    /// Where the next entry is read.
    position: u64,
}

/// Copies what is in the directory `from` into the directory `to`, which gets
/// its owner, and unless `keep_mode` its permissions.
pub(super) fn copy(from: RawFd, to: RawFd, keep_mode: bool) -> sys::Result<()> {
    let mut stat = file::stat_at(from, c"")?;
    if keep_mode {
        stat.mode = file::stat_at(to, c"")?.mode;
    }
    let mut levels: [Option<Level>; DEPTH] = [const { None }; DEPTH];
    levels[0] = Some(Level {
        from: directory(from, c".")?,
        to: directory(to, c".")?,
        stat,
        position: 0,
    });
    let mut depth = 0;
    loop {
        let Some(level) = levels.get_mut(depth).and_then(Option::as_mut) else {
            return Err(Errno(libc::ENAMETOOLONG));
        };
        match entries(level)? {
            Some(below) => {
                depth += 1;
                *levels.get_mut(depth).ok_or(Errno(libc::ENAMETOOLONG))? = Some(below);
            }
            None => {
                finish(level.to.as_raw_fd(), c"", level.stat)?;
                levels[depth] = None;
                match depth.checked_sub(1) {
                    Some(above) => depth = above,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// Copies entries up to the first directory, which is the answer.
fn entries(level: &mut Level) -> sys::Result<Option<Level>> {
    let mut buffer = [0u8; 4096];
    let (from, to) = (level.from.as_raw_fd(), level.to.as_raw_fd());
    file::seek(from, level.position)?;
    loop {
        let length = file::read_directory(from, &mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        let mut rest = &buffer[..length];
        while let Some((entry, next, tail)) = first(rest) {
            (rest, level.position) = (tail, next);
            if matches!(entry.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match file::stat_at(from, entry) {
                Err(Errno(libc::ENOENT)) => continue, // removed meanwhile
                stat => stat?,
            };
            if stat.is_dir() {
                file::mkdirat(to, entry, 0o700)?;
                return Ok(Some(Level {
                    from: directory(from, entry)?,
                    to: directory(to, entry)?,
                    stat,
                    position: 0,
                }));
            }
            one(from, to, entry, stat)?;
        }
    }
}

/// Takes one `struct linux_dirent64` apart (`getdents(2)`): its name, where
/// the next one is read, and what follows it in the buffer.
fn first(buffer: &[u8]) -> Option<(&CStr, u64, &[u8])> {
    let position = u64::from_ne_bytes(buffer.get(8..16)?.try_into().ok()?);
    let length = u16::from_ne_bytes(buffer.get(16..18)?.try_into().ok()?);
    let name = CStr::from_bytes_until_nul(buffer.get(19..usize::from(length))?).ok()?;
    Some((name, position, buffer.get(usize::from(length)..)?))
}

/// Copies what is no directory.
fn one(from: RawFd, to: RawFd, name: &CStr, stat: Stat) -> sys::Result<()> {
    match stat.mode & libc::S_IFMT {
        libc::S_IFREG => {
            let source = openat(from, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
            // What was looked at may have been exchanged since: this is it.
            let stat = file::stat_at(source.as_raw_fd(), c"")?;
            if stat.mode & libc::S_IFMT != libc::S_IFREG {
                return Err(Errno(libc::EAGAIN));
            }
            let path = ByDescriptor::new(source.as_raw_fd(), c"");
            let source = openat(libc::AT_FDCWD, path.path(), libc::O_RDONLY, 0)?;
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
            let made = openat(to, name, flags, 0o600)?;
            while file::sendfile(made.as_raw_fd(), source.as_raw_fd(), 1 << 20)? > 0 {}
            finish(made.as_raw_fd(), c"", stat)
        }
        libc::S_IFLNK => {
            let mut text = [0; libc::PATH_MAX as usize];
            file::read_link_at(from, name, &mut text)?;
            let text = CStr::from_bytes_until_nul(&text).map_err(|_| Errno(libc::EINVAL))?;
            file::symlinkat(text, to, name)?;
            give(to, name, stat)
        }
        _ => match file::mknodat(to, name, stat.mode, stat.device) {
            Ok(()) => give(to, name, stat),
            Err(Errno(libc::EPERM)) => Ok(()), // in a user namespace nobody makes a device
            Err(errno) => Err(errno),
        },
    }
}

/// Owner first: the kernel clears set-user-id bits when it changes.
fn finish(made: RawFd, name: &CStr, stat: Stat) -> sys::Result<()> {
    give(made, name, stat)?;
    file::chmod(made, stat.mode & 0o7777)
}

/// Gives what was made to the owner of what it is a copy of, where there is one.
fn give(dir: RawFd, name: &CStr, stat: Stat) -> sys::Result<()> {
    match file::chown_at(dir, name, stat.uid, stat.gid) {
        Err(Errno(libc::EINVAL | libc::EPERM)) => Ok(()), // an id that is not mapped
        result => result,
    }
}

fn directory(dir: RawFd, name: &CStr) -> sys::Result<Descriptor> {
    openat(
        dir,
        name,
        libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW,
        0,
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use super::*;

    fn copied(from: &Path) -> (tempfile::TempDir, sys::Result<()>) {
        let to = tempfile::tempdir().unwrap();
        let open = |path: &Path| fs::File::open(path).unwrap();
        let (a, b) = (open(from), open(to.path()));
        let result = copy(a.as_raw_fd(), b.as_raw_fd(), false);
        (to, result)
    }

    #[test]
    fn a_tree_is_copied_with_its_links_and_permissions() {
        let from = tempfile::tempdir().unwrap();
        let deep = from.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        for n in 0..300 {
            fs::write(from.path().join(format!("a/a-rather-long-name-{n}")), "x").unwrap();
        }
        fs::write(deep.join("file"), vec![7; 3_000_000]).unwrap();
        fs::set_permissions(deep.join("file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(from.path(), fs::Permissions::from_mode(0o1773)).unwrap();
        symlink("/etc/shadow", deep.join("link")).unwrap();
        file::mknodat(
            libc::AT_FDCWD,
            &c_path(&deep.join("fifo")),
            libc::S_IFIFO | 0o600,
            0,
        )
        .unwrap();
        let (to, result) = copied(from.path());
        result.unwrap();
        let deep = to.path().join("a/b/c");
        assert_eq!(fs::read(deep.join("file")).unwrap(), vec![7; 3_000_000]);
        assert_eq!(
            fs::metadata(deep.join("file")).unwrap().mode() & 0o7777,
            0o4751
        );
        assert_eq!(fs::metadata(to.path()).unwrap().mode() & 0o7777, 0o1773);
        assert_eq!(
            fs::read_link(deep.join("link")).unwrap(),
            Path::new("/etc/shadow")
        );
        assert_eq!(
            fs::symlink_metadata(deep.join("fifo")).unwrap().mode() & libc::S_IFMT,
            libc::S_IFIFO
        );
        assert_eq!(fs::read_dir(to.path().join("a")).unwrap().count(), 301);
    }

    #[test]
    fn a_tree_that_is_too_deep_is_an_error_and_no_overflow() {
        let from = tempfile::tempdir().unwrap();
        let deep = "d/".repeat(DEPTH + 5);
        fs::create_dir_all(from.path().join(deep)).unwrap();
        let (_to, result) = copied(from.path());
        assert_eq!(result, Err(Errno(libc::ENAMETOOLONG)));
    }

    fn c_path(path: &Path) -> std::ffi::CString {
        std::ffi::CString::new(path.to_str().unwrap()).unwrap()
    }
}
