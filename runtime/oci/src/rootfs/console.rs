//! `/dev/console`: the container's own terminal under a second name.

use std::os::fd::{AsRawFd as _, RawFd};

use crate::sys::descriptor::{Resolve, openat2};
use crate::sys::{self, Errno, file, mount};

/// Binds the terminal open at `terminal` onto `/dev/console` of the root open
/// at `root`, making the file where it is missing. Runs in the child.
///
/// Neither side is a name that the image could have put a link at: the mount
/// is a copy of the descriptor's own, and the target is opened without
/// following anything (CVE-2025-52565).
pub(crate) fn bind_console(root: RawFd, terminal: RawFd) -> sys::Result<()> {
    let dev = openat2(root, c"dev", libc::O_PATH, 0, Resolve::NoSymlinks)?;
    match file::mknodat(dev.as_raw_fd(), c"console", libc::S_IFREG | 0o600, 0) {
        Ok(()) | Err(Errno(libc::EEXIST)) => {}
        Err(errno) => return Err(errno),
    }
    let target = openat2(
        dev.as_raw_fd(),
        c"console",
        libc::O_PATH,
        0,
        Resolve::NoSymlinks,
    )?;
    let tree = mount::clone_tree(terminal, c"", false)?;
    mount::attach(tree.as_raw_fd(), target.as_raw_fd(), c"")
}
