//! Pipes that QEMU opens by a path, as it would open a file.
//!
//! A file would grow as long as a guest talks, and would have to be looked at again and again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::pipe2;

use super::command_line::{port_path, stream_words};
use crate::error::{Error, Result};

/// The pipes of a guest's console and of its init's lines.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(super) console: Fifo,
    pub(super) port: Fifo,
}

/// The reading end, and what makes a path lead to the other.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) file: File,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// A name in a directory, which goes with this: by hand, the same command line with the same
    /// path writes a file.
    Name(PathBuf),
    /// The other end, held open, and the path of this process's descriptor of it.
    Descriptor(
        #[expect(dead_code, reason = "it is held open")] OwnedFd,
        PathBuf,
    ),
}

impl Pipes {
    /// Named pipes at `console` and beside it.
    pub(crate) fn at(console: &Path) -> Result<Self> {
        Ok(Self {
            port: Fifo::make(&port_path(console))?,
            console: Fifo::make(console)?,
        })
    }

    /// Pipes without a name, which need no place and leave nothing.
    pub(crate) fn unnamed() -> Result<Self> {
        Ok(Self {
            port: Fifo::unnamed()?,
            console: Fifo::unnamed()?,
        })
    }

    /// The words by which QEMU finds them.
    pub(crate) fn words(&self) -> [OsString; 4] {
        stream_words(self.console.path(), self.port.path())
    }
}

impl Fifo {
    /// Makes one in place of whatever file has that name.
    fn make(path: &Path) -> Result<Self> {
        let made = (|| {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
            // For writing too: whoever opens it never waits, and its end is never seen.
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlag::O_NONBLOCK.bits())
                .open(path)
        })();
        let file = made.map_err(Error::file("create", path))?;
        let way = Way::Name(path.to_owned());
        Ok(Self { file, way })
    }

    fn unnamed() -> Result<Self> {
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let made = pipe2(flags).map_err(|errno| Error::Wait {
            source: errno.into(),
        });
        let (reading, writing) = made?;
        // As the /proc that QEMU sees counts processes, which may be that of another namespace.
        let own = Path::new("/proc/self");
        let number = fs::read_link(own).map_err(Error::file("read", own))?;
        let path = Path::new("/proc").join(number).join("fd");
        let path = path.join(writing.as_raw_fd().to_string());
        Ok(Self {
            file: reading.into(),
            way: Way::Descriptor(writing, path),
        })
    }

    /// Where QEMU finds it, while this lives.
    fn path(&self) -> &Path {
        match &self.way {
            Way::Name(path) | Way::Descriptor(_, path) => path,
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if let Way::Name(path) = &self.way {
            // If it is gone already, so much the better.
            let _ = fs::remove_file(path);
        }
    }
}
