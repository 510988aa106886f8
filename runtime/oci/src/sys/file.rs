//! Names in directories: making, naming and removing them, by descriptor.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::raw::syscall;
use super::{Errno, Result};

/// What `stat(2)` says of a file, as far as the runtime asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Type and permission bits (`st_mode`).
    pub mode: u32,
    /// The device that a device node stands for (`st_rdev`).
    pub device: u64,
    /// The file system that holds the file (`st_dev`).
    pub file_system: u64,
    /// The file's number in it (`st_ino`).
    pub inode: u64,
    /// Its owner (`st_uid`).
    pub uid: u32,
    /// Its group (`st_gid`).
    pub gid: u32,
}

impl Stat {
    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// `int newfstatat(int dirfd, const char *path, struct stat *, int flags)`, `stat(2)`.
///
/// An empty `path` asks about `dir` itself; a last symlink is not followed.
///
/// # Errors
/// `ENOENT`, `EACCES`, `ENOTDIR`.
pub fn stat_at(dir: RawFd, path: &CStr) -> Result<Stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `path` outlives the call and `stat` has room for the kernel's
    // `struct stat`, whose layout libc's type has on these architectures.
    unsafe { syscall!(SYS_newfstatat, dir, path, stat.as_mut_ptr(), flags) }?;
    // SAFETY: the call succeeded, so the kernel filled it (and zero was valid).
    let stat = unsafe { stat.assume_init() };
    Ok(Stat {
        mode: stat.st_mode,
        device: stat.st_rdev,
        file_system: stat.st_dev,
        inode: stat.st_ino,
        uid: stat.st_uid,
        gid: stat.st_gid,
    })
}

/// `int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *)`,
/// `statx(2)`: the number of the mount that `path` is on (`STATX_MNT_ID`).
///
/// # Errors
/// `ENOENT`, `EACCES`, `ENOTDIR`.
pub fn mount_of(path: &CStr) -> Result<u64> {
    let mut statx = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let (dir, flags, mask) = (libc::AT_FDCWD, libc::AT_NO_AUTOMOUNT, libc::STATX_MNT_ID);
    // SAFETY: `path` outlives the call; `statx` has room for the kernel's structure.
    unsafe { syscall!(SYS_statx, dir, path, flags, mask, statx.as_mut_ptr()) }?;
    // SAFETY: filled by the call that succeeded.
    let statx = unsafe { statx.assume_init() };
    Ok(statx.stx_mnt_id)
}

/// `int statfs(const char *path, struct statfs *)`, `statfs(2)`: the file system's magic number.
///
/// # Errors
/// `ENOENT`, `EACCES`.
pub fn file_system_magic_of(path: &CStr) -> Result<i64> {
    let mut statfs = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` outlives the call; `statfs` has room for the kernel's structure.
    unsafe { syscall!(SYS_statfs, path, statfs.as_mut_ptr()) }?;
    // SAFETY: filled by the call that succeeded.
    let statfs = unsafe { statfs.assume_init() };
    Ok(statfs.f_type)
}

/// `ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)`, `readlink(2)`;
/// the text's length. A zero byte follows it.
///
/// An empty `path` asks about `dir`, which is open on the symlink itself.
///
/// # Errors
/// `EINVAL` where it is no symlink; `ENAMETOOLONG` where `text` is too short.
pub fn read_link_at(dir: RawFd, path: &CStr, text: &mut [u8]) -> Result<usize> {
    // SAFETY: `path` outlives the call; the kernel writes at most `text.len()`
    // bytes into a slice that is borrowed exclusively for the call.
    let length = unsafe { syscall!(SYS_readlinkat, dir, path, text.as_mut_ptr(), text.len()) }?;
    match text.get_mut(length) {
        Some(end) => *end = 0,
        None => return Err(Errno(libc::ENAMETOOLONG)),
    }
    Ok(length)
}

/// `int faccessat(AT_FDCWD, path, W_OK, AT_EACCESS)`, `access(2)`: whether this
/// process may write to `path`.
#[must_use]
pub fn may_write(path: &std::path::Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let (dir, mode, flags) = (libc::AT_FDCWD, libc::W_OK, libc::AT_EACCESS);
    // SAFETY: `path` is a C string that outlives the call.
    unsafe { syscall!(SYS_faccessat2, dir, path.as_c_str(), mode, flags) }.is_ok()
}

/// Whether there is something at `path`, a symlink that leads nowhere included.
#[must_use]
pub fn exists(path: &CStr) -> bool {
    stat_at(libc::AT_FDCWD, path).is_ok()
}

/// `int fstatfs(int fd, struct statfs *)`, `statfs(2)`: the file system's magic number.
///
/// # Errors
/// `EBADF`.
pub fn file_system_magic(fd: RawFd) -> Result<i64> {
    let mut statfs = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `statfs` has room for the kernel's structure.
    unsafe { syscall!(SYS_fstatfs, fd, statfs.as_mut_ptr()) }?;
    // SAFETY: filled by the call that succeeded.
    let statfs = unsafe { statfs.assume_init() };
    Ok(statfs.f_type)
}

/// `int mkdirat(int dirfd, const char *path, mode_t mode)`, `mkdir(2)`.
///
/// # Errors
/// `EEXIST`, `ENOENT`, `EROFS`, `EACCES`, `EPERM`.
pub fn mkdirat(dir: RawFd, path: &CStr, mode: u32) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_mkdirat, dir, path, mode) }.map(drop)
}

/// `int unlinkat(dirfd, path, AT_REMOVEDIR)`, `rmdir(2)`.
///
/// # Errors
/// `ENOENT`; `EBUSY` for a control group that still holds a process.
pub fn rmdir(dir: RawFd, path: &CStr) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_unlinkat, dir, path, libc::AT_REMOVEDIR) }.map(drop)
}

/// `int unlinkat(int dirfd, const char *path, 0)`, `unlink(2)`.
///
/// # Errors
/// `ENOENT`, `EISDIR`, `EROFS`, `EACCES`.
pub fn unlinkat(dir: RawFd, path: &CStr) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_unlinkat, dir, path, 0i32) }.map(drop)
}

/// `int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)`, `mknod(2)`.
///
/// # Errors
/// `EEXIST`; `EPERM` in a user namespace, where nobody may make a device.
pub fn mknodat(dir: RawFd, path: &CStr, mode: u32, device: u64) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_mknodat, dir, path, mode, device) }.map(drop)
}

/// `int faccessat2(dirfd, path, X_OK, AT_EACCESS)`, `access(2)`: whether this
/// process may execute the file, by its effective ids.
///
/// # Errors
/// `EACCES` where it may not; `ENOENT`, `ENOTDIR`; `ENOSYS` before Linux 5.8.
pub fn may_execute(path: &CStr) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe {
        syscall!(
            SYS_faccessat2,
            libc::AT_FDCWD,
            path,
            libc::X_OK,
            libc::AT_EACCESS
        )
    }
    .map(drop)
}

/// `int symlinkat(const char *target, int dirfd, const char *path)`, `symlink(2)`.
///
/// # Errors
/// `EEXIST`, `EROFS`.
pub fn symlinkat(target: &CStr, dir: RawFd, path: &CStr) -> Result<()> {
    // SAFETY: both strings outlive the call.
    unsafe { syscall!(SYS_symlinkat, target, dir, path) }.map(drop)
}

/// `int fchownat(dirfd, path, uid, gid, AT_SYMLINK_NOFOLLOW)`, `chown(2)`.
///
/// An empty `path` means `dir` itself.
///
/// # Errors
/// `EPERM`; `EINVAL` for an id that the user namespace does not map.
pub fn chown_at(dir: RawFd, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_fchownat, dir, path, uid, gid, flags) }.map(drop)
}

/// `int fchmod(int fd, mode_t mode)`, `chmod(2)`.
///
/// # Errors
/// `EPERM`, `EROFS`; `EBADF` for a mere location (`O_PATH`).
pub fn chmod(fd: RawFd, mode: u32) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fchmod, fd, mode) }.map(drop)
}

/// `ssize_t getdents64(int fd, void *buffer, size_t size)`, `getdents(2)`: fills
/// `buffer` with `struct linux_dirent64`; how much of it, 0 at the end.
///
/// # Errors
/// `ENOTDIR`; `EINVAL` where the buffer is too short for one entry.
pub fn read_directory(fd: RawFd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into a slice that
    // is borrowed exclusively for the call.
    unsafe { syscall!(SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len()) }
}

/// `off_t lseek(int fd, off_t offset, SEEK_SET)`, `lseek(2)`.
///
/// # Errors
/// `EINVAL`, `ESPIPE`.
pub fn seek(fd: RawFd, offset: u64) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_lseek, fd, offset, libc::SEEK_SET) }.map(drop)
}

/// `PROC_SUPER_MAGIC`, `statfs(2)`: the magic number of procfs.
pub const PROCFS: i64 = 0x9fa0;

/// `PROC_ROOT_INO`: the number of a procfs's root directory, and of nothing else in it.
pub const PROCFS_ROOT: u64 = 1;

/// Whether `fd` is the root of a procfs: not a part of one, and nothing that was
/// mounted over it.
///
/// # Errors
/// Those of [`file_system_magic`] and [`stat_at`].
pub fn is_procfs_root(fd: RawFd) -> Result<bool> {
    Ok(file_system_magic(fd)? == PROCFS && stat_at(fd, c"")?.inode == PROCFS_ROOT)
}

/// `ssize_t sendfile(int out, int in, NULL, size_t count)`, `sendfile(2)`: the
/// kernel copies from file to file; how much, 0 at the end.
///
/// # Errors
/// `ENOSPC`, `EIO`.
pub fn sendfile(out: RawFd, from: RawFd, count: usize) -> Result<usize> {
    // SAFETY: numbers, and no offset: the kernel uses that of `from`.
    unsafe { syscall!(SYS_sendfile, out, from, 0usize, count) }
}

/// `int fchown(int fd, uid_t uid, gid_t gid)`, `chown(2)`; `u32::MAX` leaves an id.
///
/// # Errors
/// `EPERM`; `EINVAL` for an id that the user namespace does not map.
pub fn fchown(fd: RawFd, uid: u32, gid: u32) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_fchown, fd, uid, gid) }.map(drop)
}

/// `int chdir(const char *path)`, `chdir(2)`.
///
/// # Errors
/// `ENOENT`, `EACCES`, `ENOTDIR`.
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_chdir, path) }.map(drop)
}

/// `int fchdir(int fd)`, `chdir(2)`.
///
/// # Errors
/// `EACCES`, `ENOTDIR`.
pub fn fchdir(fd: RawFd) -> Result<()> {
    // SAFETY: a number only.
    unsafe { syscall!(SYS_fchdir, fd) }.map(drop)
}

/// `getcwd(2)`, reduced to a question: does the working directory lie under the root?
///
/// The kernel's answer for one that does not starts with `(unreachable)`.
///
/// # Errors
/// `ENOENT` where the directory was removed.
pub fn cwd_is_inside_root() -> Result<bool> {
    let mut path = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most `path.len()` bytes.
    match unsafe { syscall!(SYS_getcwd, path.as_mut_ptr(), path.len()) } {
        Ok(_) => Ok(path.first() == Some(&b'/')),
        // Longer than PATH_MAX but found: it is a real path below the root.
        Err(Errno(libc::ERANGE)) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// `mode_t umask(mode_t mask)`, `umask(2)`; cannot fail.
pub fn umask(mask: u32) {
    // SAFETY: a number only.
    let _ = unsafe { syscall!(SYS_umask, mask) };
}
