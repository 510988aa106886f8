//! The host's files, and what may be mounted and written.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{AccessFlags, access};

use super::{Tried, tried};

/// The longest file that is read, in bytes: a canary's is 16.
const LONGEST: u64 = 64;

pub(super) fn read(path: &Path) -> Tried {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    tried(
        format!("open(\"{}\"), read", path.display()),
        read.map(|_| String::from_utf8_lossy(&text).into_owned()),
    )
}

pub(super) fn open_for_writing(path: &Path) -> Tried {
    let opened = OpenOptions::new().append(true).open(path);
    tried(
        format!("open(\"{}\", O_WRONLY | O_APPEND)", path.display()),
        opened.map(|_| "opened; nothing was written".to_owned()),
    )
}

pub(super) fn make_mount() -> Tried {
    let made = isolab_oci::sys::mount::detached(c"tmpfs");
    tried(
        "fsopen(\"tmpfs\"), fsconfig(CREATE), fsmount()",
        made.map(|_| "a mount, attached nowhere".to_owned()),
    )
}

/// A file without a name is gone with its descriptor. Where the file system knows
/// none, the question whether one could be made has to do.
///
/// Source: `open(2)`, `O_TMPFILE`.
pub(super) fn write_root() -> Tried {
    let made = OpenOptions::new()
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open("/");
    match made {
        Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {
            may_write(Path::new("/"))
        }
        made => tried(
            "open(\"/\", O_TMPFILE | O_WRONLY)",
            made.map(|_| "a file without a name".to_owned()),
        ),
    }
}

/// Asks the kernel whether the file or directory at `path` could be written to.
///
/// Source: `access(2)`.
pub(super) fn may_write(path: &Path) -> Tried {
    tried(
        format!("access(\"{}\", W_OK)", path.display()),
        access(path, AccessFlags::W_OK).map(|()| "it could be written".to_owned()),
    )
}
