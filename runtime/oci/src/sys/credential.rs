//! Who a process is: ids, groups, capabilities, and the promise to gain no more.

use super::Result;
use super::raw::syscall;

/// `int setgroups(size_t n, const gid_t *)`, `setgroups(2)`.
///
/// # Errors
/// `EPERM` where `/proc/self/setgroups` says `deny`; `EINVAL` for an unmapped id.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads `groups.len()` ids from a live slice.
    unsafe { syscall!(SYS_setgroups, groups.len(), groups.as_ptr()) }.map(drop)
}

/// `int getgroups(int size, gid_t *)`, `getgroups(2)`: whether there are supplementary ones.
#[must_use]
pub fn has_groups() -> bool {
    // SAFETY: a size of 0 asks for the number; nothing is written.
    let count = unsafe { syscall!(SYS_getgroups, 0i32, std::ptr::null_mut::<u32>()) };
    count != Ok(0)
}

/// `int setresgid(gid_t real, gid_t effective, gid_t saved)`, all three alike, `setresuid(2)`.
///
/// # Errors
/// `EINVAL` for an id that the user namespace does not map; `EPERM`.
pub fn set_gid(gid: u32) -> Result<()> {
    // SAFETY: numbers only. The raw call concerns this thread alone, which in
    // the child is the whole process.
    unsafe { syscall!(SYS_setresgid, gid, gid, gid) }.map(drop)
}

/// `int setresuid(uid_t real, uid_t effective, uid_t saved)`, all three alike, `setresuid(2)`.
///
/// # Errors
/// As for [`set_gid`], and `EAGAIN` at the user's limit of processes.
pub fn set_uid(uid: u32) -> Result<()> {
    // SAFETY: as for `set_gid`.
    unsafe { syscall!(SYS_setresuid, uid, uid, uid) }.map(drop)
}

/// `prctl(PR_SET_KEEPCAPS, 1)`: permitted capabilities survive the change of user id.
///
/// # Errors
/// `EPERM` where a securebit locks it.
pub fn keep_capabilities() -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_prctl, libc::PR_SET_KEEPCAPS, 1i32) }.map(drop)
}

/// `prctl(PR_CAPBSET_DROP, capability)`, `PR_CAPBSET_DROP(2const)`.
///
/// # Errors
/// `EINVAL` for a number beyond the kernel's last; `EPERM` without CAP_SETPCAP.
pub fn drop_from_bounding_set(capability: u32) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_prctl, libc::PR_CAPBSET_DROP, capability) }.map(drop)
}

/// `int capset(cap_user_header_t, const cap_user_data_t)`, `capset(2)`, on this process.
///
/// # Errors
/// `EPERM` for a set that is not within what the process may have.
pub fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
    let data = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    // SAFETY: `header` and `data` have the layouts of version 3 (two u32; two
    // structures of three u32) and outlive the call.
    unsafe { syscall!(SYS_capset, header.as_ptr(), data.as_ptr()) }.map(drop)
}

/// `int capget(cap_user_header_t, cap_user_data_t)`, `capset(2)`: this process's permitted set.
///
/// # Errors
/// None in practice.
pub fn permitted_capabilities() -> Result<u64> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let mut data = [0u32; 6];
    // SAFETY: `header` and `data` have the layouts of version 3 and are live.
    unsafe { syscall!(SYS_capget, header.as_ptr(), data.as_mut_ptr()) }?;
    Ok(u64::from(data[4]) << 32 | u64::from(data[1]))
}

/// `prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)`, `PR_CAP_AMBIENT(2const)`.
///
/// # Errors
/// `EINVAL` before Linux 4.3.
pub fn clear_ambient() -> Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_prctl, libc::PR_CAP_AMBIENT, clear, 0u32, 0u32, 0u32) }.map(drop)
}

/// `prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)`, `PR_CAP_AMBIENT(2const)`.
///
/// # Errors
/// `EPERM` where the capability is not both permitted and inheritable.
pub fn raise_ambient(capability: u32) -> Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE;
    // SAFETY: numbers only.
    unsafe {
        syscall!(
            SYS_prctl,
            libc::PR_CAP_AMBIENT,
            raise,
            capability,
            0u32,
            0u32
        )
    }
    .map(drop)
}

/// `prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)`, `PR_SET_NO_NEW_PRIVS(2const)`.
///
/// # Errors
/// None since Linux 3.5.
pub fn set_no_new_privileges() -> Result<()> {
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1u32, 0u32, 0u32, 0u32) }.map(drop)
}
