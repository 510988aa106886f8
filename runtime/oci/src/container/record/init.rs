//! The first process of a container, as it is written down.

use std::fs;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::procfs::start_time;

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
        let started = start_time(pid.cast_unsigned())?.unwrap_or(0);
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
        Ok(start_time(self.pid.cast_unsigned())? == Some(self.started))
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

#[cfg(fuzzing)]
pub(super) fn fuzz(text: &str) {
    assert!(parse_init(text).is_none_or(|init| init.pid > 0));
}
