//! A process that is not mistaken for another of its number: that of a guest's keeper, or of QEMU.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use crate::pinned::Pinned;

/// A process as it is written down, to be known again by other commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since the host's boot.
    pub started: u64,
}

impl Process {
    /// The process that has this number now.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let started = start_time(pid)?;
        Some(Self { pid, started })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn lives(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Itself, to be signalled, if it still runs.
    ///
    /// # Errors
    /// The kernel's, if it gives no descriptor of it.
    pub fn pinned(&self) -> io::Result<Option<Pinned>> {
        Pinned::open(self.pid, || self.lives())
    }
}

/// When a process was started; nothing if it is gone or waits to be reaped.
///
/// Source: `proc_pid_stat(5)`, fields 3 and 22.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_when_it_was_started() {
        let own = Process::of(std::process::id().cast_signed()).unwrap();
        assert!(own.lives() && own.pinned().unwrap().is_some());
        let other = Process {
            started: own.started + 1,
            ..own
        };
        assert!(!other.lives() && other.pinned().unwrap().is_none());
        assert_eq!(Process::of(4_194_305), None); // above pid_max
    }
}
