//! Resource limits.

use super::Result;
use super::raw::syscall;

/// `int prlimit(0, int resource, const struct rlimit *, NULL)`, `prlimit(2)`, on this process.
///
/// # Errors
/// `EPERM` for raising a hard limit without CAP_SYS_RESOURCE; `EINVAL` for soft above hard.
pub fn set_limit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    // SAFETY: `limit` has the layout of `struct rlimit64` and outlives the
    // call; the old value is not asked for.
    unsafe { syscall!(SYS_prlimit64, 0i32, resource, limit.as_ptr(), 0usize) }.map(drop)
}
