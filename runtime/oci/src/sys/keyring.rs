//! Kernel key rings: a container gets a session ring of its own.

use std::ffi::CStr;

use super::Result;
use super::raw::syscall;

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING, name)`, `keyctl(2)`.
///
/// # Errors
/// `ENOSYS` where the kernel has no key rings; `EDQUOT` where the user has too many keys.
pub fn join_new_session(name: &CStr) -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: u32 = 1;
    // SAFETY: `name` outlives the call.
    unsafe { syscall!(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) }.map(drop)
}
