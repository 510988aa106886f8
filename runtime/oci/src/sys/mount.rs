//! The mount table: the classic call, and the calls that work by descriptor.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};

use super::raw::syscall;
use super::{Descriptor, Result};

/// Mount attributes of `mount_setattr(2)`.
pub mod attr {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// Set-user-id bits are ignored.
    pub const NOSUID: u64 = 0x2;
    /// Device nodes are dead.
    pub const NODEV: u64 = 0x4;
    /// Nothing can be executed.
    pub const NOEXEC: u64 = 0x8;
    /// All the bits that say how access times are kept.
    pub const ATIME: u64 = 0x70;
    /// Access times are updated where they are older than the modification: the
    /// kernel's default.
    pub const RELATIME: u64 = 0;
    /// Access times are never updated.
    pub const NOATIME: u64 = 0x10;
    /// Access times are always updated.
    pub const STRICTATIME: u64 = 0x20;
    /// Access times of directories are not updated.
    pub const NODIRATIME: u64 = 0x80;
    /// Ids are mapped as in a user namespace.
    pub const IDMAP: u64 = 0x10_0000;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttr {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// `MS_PRIVATE` and its kin, or 0 to leave it.
    pub propagation: u64,
    /// A user namespace for an id-mapped mount ([`attr::IDMAP`]).
    pub userns_fd: u64,
}

impl MountAttr {
    /// Only makes the mount read-only.
    pub const READ_ONLY: Self = Self {
        set: attr::RDONLY,
        clear: 0,
        propagation: 0,
        userns_fd: 0,
    };

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `int mount(const char *source, const char *target, const char *fstype,
/// unsigned long flags, const void *data)`, `mount(2)`.
///
/// # Errors
/// `EPERM` (not allowed here, or a /proc that would reveal what is masked
/// outside), `EINVAL` (an option the file system does not know), `ENODEV` (no
/// such file system), `EBUSY`.
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    fstype: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Result<()> {
    // SAFETY: each pointer is null or a C string that outlives the call; the
    // kernel copies at most a page of `data`, up to its terminating zero.
    unsafe { syscall!(SYS_mount, source, target, fstype, flags, data) }.map(drop)
}

/// `int umount2(const char *target, int flags)` with `MNT_DETACH`, `umount(2)`.
///
/// # Errors
/// `EINVAL` where `target` is no mount point or is locked.
pub fn detach(target: &CStr) -> Result<()> {
    // SAFETY: `target` outlives the call.
    unsafe { syscall!(SYS_umount2, target, libc::MNT_DETACH) }.map(drop)
}

/// `int chroot(const char *path)`, `chroot(2)`: only where path walks start.
///
/// # Errors
/// `EPERM` without CAP_SYS_CHROOT.
pub fn chroot(path: &CStr) -> Result<()> {
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_chroot, path) }.map(drop)
}

/// `int pivot_root(const char *new_root, const char *put_old)`, `pivot_root(2)`.
///
/// # Errors
/// `EINVAL` where the new root is no mount, or the current root is the kernel's
/// initial ramfs; `EBUSY`.
pub fn pivot_root(new_root: &CStr, put_old: &CStr) -> Result<()> {
    // SAFETY: both strings outlive the call.
    unsafe { syscall!(SYS_pivot_root, new_root, put_old) }.map(drop)
}

/// `int open_tree(int dirfd, const char *path, unsigned flags)` with
/// `OPEN_TREE_CLONE`, `open_tree(2)`: a detached copy of the mount at `path`.
///
/// Nothing sees it until [`attach`] attaches it, so its attributes can be
/// set first: there is no moment at which a read-only mount is writable.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN; `EINVAL` where the mount belongs to another
/// namespace, or children are locked to it and `recursive` is not given.
pub fn clone_tree(dir: RawFd, path: &CStr, recursive: bool) -> Result<Descriptor> {
    const OPEN_TREE_CLONE: i32 = 1;
    const AT_RECURSIVE: i32 = 0x8000;
    let flags = OPEN_TREE_CLONE
        | libc::O_CLOEXEC
        | libc::AT_EMPTY_PATH
        | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: `path` outlives the call.
    unsafe { syscall!(SYS_open_tree, dir, path, flags) }.map(Descriptor::new)
}

/// `int mount_setattr(int dirfd, const char *path, unsigned flags, struct
/// mount_attr *, size_t)` on the mount behind `fd`, `mount_setattr(2)`.
///
/// # Errors
/// `EPERM` for clearing what an outer user namespace locked; `ENOSYS` before Linux 5.12.
pub fn set_attr(fd: RawFd, change: &MountAttr, recursive: bool) -> Result<()> {
    const AT_RECURSIVE: i32 = 0x8000;
    let flags = libc::AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let size = size_of::<MountAttr>();
    // SAFETY: the path is empty, `change` has the kernel's layout (`repr(C)`,
    // four u64) and outlives the call, and its true size is given.
    unsafe { syscall!(SYS_mount_setattr, fd, c"", flags, &raw const *change, size) }.map(drop)
}

/// `int move_mount(int from_fd, const char *, int to_fd, const char *, unsigned)`,
/// `move_mount(2)`: attaches the detached mount `tree` at `to`, below `dir`.
///
/// An empty `to` means `dir` itself. A symlink at the end is not followed.
///
/// # Errors
/// `ENOTDIR` where a file meets a directory; `EINVAL` for a shared parent.
pub fn attach(tree: RawFd, dir: RawFd, to: &CStr) -> Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
    const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both strings outlive the call.
    unsafe { syscall!(SYS_move_mount, tree, c"", dir, to, flags) }.map(drop)
}

/// `fsopen(2)`, `fsconfig(2)` and `fsmount(2)`: a new file system as a mount that
/// is attached nowhere and is gone with its descriptor.
///
/// The kernel asks for the same rights as `mount(2)` does, so this tells whether a
/// process could mount, and nothing ever sees the mount.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN over the mount namespace, or where a filter
/// forbids the calls; `ENODEV` (no such file system); `ENOSYS` before Linux 5.2.
pub fn detached(fstype: &CStr) -> Result<Descriptor> {
    NewFileSystem::begin(fstype)?.mount()
}

/// A file system that is told its parameters one by one before it is made. It
/// takes more of them than fit in the page of [`mount`].
#[derive(Debug)]
pub struct NewFileSystem(Descriptor);

/// `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC`.
const CLOSE_ON_EXEC: u32 = 1;

impl NewFileSystem {
    /// `fsopen(2)`.
    ///
    /// # Errors
    /// As for [`detached`].
    pub fn begin(fstype: &CStr) -> Result<Self> {
        // SAFETY: `fstype` outlives the call.
        unsafe { syscall!(SYS_fsopen, fstype, CLOSE_ON_EXEC) }
            .map(Descriptor::new)
            .map(Self)
    }

    /// `fsconfig(2)`: a parameter, with a value of at most 255 bytes where it takes one.
    ///
    /// # Errors
    /// `EINVAL` for one that the file system does not know, or a value that it
    /// does not take.
    pub fn set(&self, name: &CStr, value: Option<&CStr>) -> Result<()> {
        set_parameter(self.0.as_raw_fd(), name, value)
    }

    /// `fsconfig(2)` and `fsmount(2)`. [`attach`] gives it a place.
    ///
    /// # Errors
    /// As for [`detached`], and what the file system answers to its parameters.
    pub fn mount(self) -> Result<Descriptor> {
        const FSCONFIG_CMD_CREATE: u32 = 6;
        let fd = self.0.as_raw_fd();
        // SAFETY: this command takes neither key nor value.
        unsafe { syscall!(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, 0usize, 0usize, 0i32) }?;
        // SAFETY: numbers only.
        unsafe { syscall!(SYS_fsmount, fd, CLOSE_ON_EXEC, 0u32) }.map(Descriptor::new)
    }
}

/// A parameter of a file system: its name, and its value where it has one.
pub type Parameter = (CString, Option<CString>);

/// `fspick(2)` and `fsconfig(2)`: changes the file system whose mount is open as
/// `fd`. The mount's own flags stay as they are.
///
/// # Errors
/// `EPERM` where the file system belongs to an outer user namespace; `EINVAL`
/// where `fd` is not a mount's root, or for a parameter that the file system does
/// not know or cannot change; `ENOSYS` before Linux 5.2.
pub fn reconfigure(fd: RawFd, parameters: &[Parameter]) -> Result<()> {
    const FSPICK_CLOEXEC: u32 = 0x1;
    const FSPICK_EMPTY_PATH: u32 = 0x8;
    const FSCONFIG_CMD_RECONFIGURE: u32 = 7;
    let flags = FSPICK_CLOEXEC | FSPICK_EMPTY_PATH;
    // SAFETY: the path is an empty C string.
    let context = unsafe { syscall!(SYS_fspick, fd, c"", flags) }.map(Descriptor::new)?;
    let fd = context.as_raw_fd();
    for (name, value) in parameters {
        set_parameter(fd, name, value.as_deref())?;
    }
    // SAFETY: this command takes neither key nor value.
    unsafe {
        syscall!(
            SYS_fsconfig,
            fd,
            FSCONFIG_CMD_RECONFIGURE,
            0usize,
            0usize,
            0i32
        )
    }
    .map(drop)
}

/// Sets a parameter of the file system that `context` is to become or to change.
fn set_parameter(context: RawFd, name: &CStr, value: Option<&CStr>) -> Result<()> {
    const FSCONFIG_SET_FLAG: u32 = 0;
    const FSCONFIG_SET_STRING: u32 = 1;
    let command = match value {
        Some(_) => FSCONFIG_SET_STRING,
        None => FSCONFIG_SET_FLAG,
    };
    // SAFETY: the name is a C string, the value one or null, as the command
    // wants it; the kernel copies both.
    unsafe { syscall!(SYS_fsconfig, context, command, name, value, 0i32) }.map(drop)
}
