//! The first process of a container, as it is written down.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// A process by its id, and by when it started: the id alone may be somebody
/// else's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Init {
    pub(super) pid: i32,
    started: u64,
}

impl Init {
    /// Of the process that has this id now.
    ///
    /// # Errors
    /// Where that cannot be found out. One that has ended already is none.
    pub(super) fn of(pid: i32) -> std::io::Result<Self> {
        let started = life(pid)?.unwrap_or(0);
        Ok(Self { pid, started })
    }

    /// What a command wrote down; `None` where it did not, or not to the end.
    ///
    /// # Errors
    /// [`Error::Read`]: what cannot be read may be there.
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>> {
        match fs::read(&path) {
            Ok(text) => Ok(parse_init(&String::from_utf8_lossy(&text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Whether it still runs; an error where that cannot be found out.
    pub(super) fn runs(self) -> std::io::Result<bool> {
        Ok(life(self.pid)? == Some(self.started))
    }

    /// What is written down.
    pub(super) fn line(self) -> String {
        format!("{} {}\n", self.pid, self.started)
    }
}

fn parse_init(text: &str) -> Option<Init> {
    let (pid, started) = text.trim_end().split_once(' ')?;
    let pid = pid.parse().ok().filter(|&pid: &i32| pid > 0)?;
    let started = started.parse().ok()?;
    Some(Init { pid, started })
}

/// When process `pid` started, in clock ticks since boot; `None` where there is
/// none, or it has ended and waits to be reaped (`proc_pid_stat(5)`, fields 3
/// and 22).
fn life(pid: i32) -> std::io::Result<Option<u64>> {
    // Of a file of procfs the size is not known before: one read of a page.
    let mut text = [0; 1024];
    let read = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read(&mut text));
    match read {
        Ok(length) => Ok(parse_life(&String::from_utf8_lossy(&text[..length]))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file of procfs is missing because its process is.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

fn parse_life(stat: &str) -> Option<u64> {
    // The command's name, in parentheses, may itself contain spaces and parentheses.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(fuzzing)]
pub(super) fn fuzz(text: &str) {
    assert!(parse_init(text).is_none_or(|init| init.pid > 0));
    let _ = parse_life(text);
}
