//! A named pipe that QEMU opens by its path, as it would open a file.
//!
//! A file would grow as long as a guest talks, and would have to be looked at again and again. By
//! hand, the same command line with the same path writes a file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::error::{Error, Result};

/// The reading end, and the name, which goes with it.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) file: File,
    path: PathBuf,
}

impl Fifo {
    /// Makes one in place of whatever file has that name.
    pub(super) fn make(path: &Path) -> Result<Self> {
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
        let path = path.to_owned();
        Ok(Self { file, path })
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = fs::remove_file(&self.path);
    }
}
