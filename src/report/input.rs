//! Files that somebody else may have written, read with a bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// The content of the file at `path`: all of it, or one byte more than `limit`
/// of a file that is longer, which its reader then refuses. A pipe that never
/// ends is no longer than that either, and one that nobody writes to is empty.
///
/// # Errors
/// If it cannot be opened or read.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Opens the file at `path` without waiting for whoever might write to a named
/// pipe: not even Ctrl-C ends that wait where signals are listened for.
///
/// # Errors
/// If it cannot be opened.
///
/// Source: `fifo(7)`.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    // What is being written to a pipe is waited for, as in `report <(...)`.
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_shows_that_it_is_too_much() {
        let endless = Path::new("/dev/zero");
        assert_eq!(read(endless, 10).unwrap().len(), 11);
        let dir = tempfile::tempdir().unwrap();
        let short = dir.path().join("short");
        std::fs::write(&short, "abc").unwrap();
        assert_eq!(read(&short, 3).unwrap(), b"abc");
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(read(&pipe, 10)));
        let content = heard.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(content.expect("it waits").unwrap(), b"");
    }
}
