//! A container's terminal: made in its own devpts, handed out by descriptor.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

use crate::rootfs;
use crate::sys::descriptor::{Resolve, openat2};
use crate::sys::terminal::{self, WindowSize};
use crate::sys::{self, Descriptor, Errno, file, socket};

/// `DEVPTS_SUPER_MAGIC`, `statfs(2)`.
const DEVPTS: i64 = 0x1cd1;

/// A terminal to be made.
#[derive(Debug)]
pub(crate) struct Console {
    /// Where the other side is sent.
    pub(super) socket: Arc<OwnedFd>,
    /// Its size at first.
    pub(super) size: Option<WindowSize>,
    /// The container's user, who owns it.
    pub(super) owner: u32,
    /// Whether it is to be the container's `/dev/console` too.
    pub(super) bind: bool,
}

impl Console {
    /// Opens a new terminal of the container whose root is open at `root`,
    /// sends the master away, and returns the other side. Runs in the child.
    ///
    /// The devpts is the container's: what the image put at `/dev/pts`, or a
    /// link there, is not one (CVE-2025-52565).
    pub(super) fn open(&self, root: RawFd) -> sys::Result<Descriptor> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let pts = openat2(root, c"dev/pts", flags, 0, Resolve::NoSymlinks)?;
        if file::file_system_magic(pts.as_raw_fd())? != DEVPTS {
            return Err(Errno(libc::EXDEV));
        }
        let flags = libc::O_RDWR | libc::O_NOCTTY;
        let master = openat2(pts.as_raw_fd(), c"ptmx", flags, 0, Resolve::SameMount)?;
        terminal::unlock(master.as_raw_fd())?;
        let peer = terminal::peer(master.as_raw_fd())?;
        if let Some(size) = self.size {
            terminal::set_size(peer.as_raw_fd(), size)?;
        }
        match file::fchown(peer.as_raw_fd(), self.owner, u32::MAX) {
            // Not mapped, or the user's own already.
            Ok(()) | Err(Errno(libc::EPERM | libc::EINVAL)) => {}
            Err(errno) => return Err(errno),
        }
        if self.bind {
            rootfs::bind_console(root, peer.as_raw_fd())?;
        }
        socket::send_descriptor(self.socket.as_raw_fd(), b"/dev/ptmx", master.as_raw_fd())?;
        Ok(peer)
    }
}
