//! Leaving and entering namespaces.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::Result;
use super::raw::syscall;

/// `int unshare(int flags)`, `unshare(2)`: the caller leaves the named kinds of
/// namespace for new ones.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN in the user namespace; `ENOSPC` or `EUSERS`
/// at the limits of `/proc/sys/user`; `EINVAL` where the kernel lacks a kind.
pub fn unshare(flags: u64) -> Result<()> {
    // SAFETY: a number only; without CLONE_VM or CLONE_FILES in `flags` no
    // memory of this process is concerned.
    unsafe { syscall!(SYS_unshare, flags) }.map(drop)
}

/// `int setns(int fd, int nstype)`, `setns(2)`: the caller enters a namespace.
///
/// # Errors
/// `EINVAL` where `fd` is of another kind; `EPERM`.
pub fn setns(fd: RawFd, kind: u64) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_setns, fd, kind) }.map(drop)
}

/// `ioctl(fd, NS_GET_NSTYPE)`, `ioctl_nsfs(2)`: the `CLONE_NEW*` flag of the
/// namespace that `fd` is open on.
///
/// # Errors
/// `ENOTTY` where `fd` is open on something else.
pub fn kind(fd: RawFd) -> Result<u64> {
    const NS_GET_NSTYPE: u32 = 0xb703;
    // SAFETY: numbers only; a descriptor of another kind refuses the request.
    unsafe { syscall!(SYS_ioctl, fd, NS_GET_NSTYPE) }.map(|kind| kind as u64)
}

/// `int sethostname(const char *name, size_t len)`, `sethostname(2)`.
///
/// # Errors
/// `EINVAL` over 64 bytes; `EPERM`.
pub fn set_hostname(name: &CStr) -> Result<()> {
    // SAFETY: `name` is live and its true length is given.
    unsafe { syscall!(SYS_sethostname, name, name.to_bytes().len()) }.map(drop)
}

/// `int setdomainname(const char *name, size_t len)`, `setdomainname(2)`.
///
/// # Errors
/// `EINVAL` over 64 bytes; `EPERM`.
pub fn set_domainname(name: &CStr) -> Result<()> {
    // SAFETY: as for `set_hostname`.
    unsafe { syscall!(SYS_setdomainname, name, name.to_bytes().len()) }.map(drop)
}
