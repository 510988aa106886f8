//! Who is in a group: read, signalled, killed.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Groups;
use crate::error::{Error, Result};
use crate::sys::{self, Errno};

/// `directory` and every group below it, each before those below it.
pub(super) fn directories(directory: &Path) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    let mut next = 0;
    while let Some(directory) = all.get(next) {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let below: Vec<_> = below.map(|entry| entry.path()).collect();
        all.extend(below);
        next += 1;
    }
    all
}

/// The processes of the group and of those below it, sorted.
pub(super) fn below(directory: &Path) -> Vec<i32> {
    let mut all = Vec::new();
    for directory in directories(directory) {
        // A threaded group's file cannot be read; its processes are listed in
        // the group above it.
        let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        // 0 is whom this process cannot see; to signal that is to signal oneself.
        let pids = text.lines().filter_map(|line| line.parse::<i32>().ok());
        all.extend(pids.filter(|&pid| pid > 0));
    }
    all.sort_unstable();
    all.dedup();
    all
}

impl Groups {
    /// The ids of all processes in these groups and in those that the
    /// container made below them, sorted.
    ///
    /// All hierarchies are asked: who left one is still found in another.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let mut all: Vec<i32> = self
            .groups
            .iter()
            .flat_map(|g| below(&g.directory))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Sends `signal` to all of them; returns how many there were.
    ///
    /// Each is held by a descriptor before it is looked for once more: a
    /// process that took the id of one that ended is not hit.
    ///
    /// # Errors
    /// [`Error::Supervise`] for a signal that does not exist, or a process
    /// that this user may not signal.
    pub fn signal_all(&self, signal: i32) -> Result<usize> {
        let failed = |errno: Errno| Error::Supervise {
            action: "signal the container's processes",
            source: errno.into(),
        };
        let held: Vec<_> = self
            .processes()
            .into_iter()
            .filter_map(|pid| Some((pid, sys::process::pidfd_open(pid).ok()?)))
            .collect();
        let still = self.processes();
        let mut count = 0;
        for (pid, descriptor) in held {
            if still.binary_search(&pid).is_err() {
                continue;
            }
            match sys::process::pidfd_send_signal(descriptor.as_raw_fd(), signal) {
                Ok(()) => count += 1,
                Err(Errno(libc::ESRCH)) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(count)
    }

    /// Kills every process, also those that are forked meanwhile, frozen or not.
    ///
    /// Version 2 does it in one write. On version 1 the groups are frozen
    /// first, so that none forks while the others are killed. It does not wait
    /// for their end: see [`wait_until_empty`](Self::wait_until_empty).
    ///
    /// # Errors
    /// [`Error::Supervise`] where a process cannot be signalled.
    pub fn kill(&self) -> Result<()> {
        let unified = self.unified().filter(|group| {
            let file = group.directory.join("cgroup.kill"); // Linux 5.14
            fs::write(file, "1").is_ok()
        });
        let killed = unified.map(|group| below(&group.directory));
        let is_complete = killed.is_some_and(|killed| {
            let all = self.processes();
            all.iter().all(|pid| killed.binary_search(pid).is_ok())
        });
        let signalled = if is_complete {
            Ok(0)
        } else {
            // What is in the version 1 groups and not in the unified one.
            self.kill_frozen()
        };
        if self.is_frozen() {
            // A process frozen by version 1 dies when it is thawed.
            let _ = self.thaw();
        }
        signalled.map(drop)
    }

    fn kill_frozen(&self) -> Result<usize> {
        if self.freeze_within(Duration::from_millis(500)).is_ok() {
            return self.signal_all(libc::SIGKILL);
        }
        // Nothing holds them still: again, for what was forked meanwhile.
        let mut count = self.signal_all(libc::SIGKILL)?;
        for _ in 0..16 {
            if count == 0 {
                break;
            }
            count = self.signal_all(libc::SIGKILL)?;
        }
        Ok(count)
    }

    /// Waits until no process is left, at most `patience`. Whether that came.
    #[must_use]
    pub fn wait_until_empty(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        for attempt in 0u32.. {
            if self.processes().is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_micros(100 << attempt.min(6)));
        }
        false
    }
}

/// The kernel's answer as the error of an action on a running container.
pub(super) fn cannot(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Supervise { action, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Version;
    use crate::cgroup::groups::Member;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Groups) {
        let root = tempfile::tempdir().unwrap();
        for (group, processes) in files {
            let directory = root.path().join(group);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup.procs"), processes).unwrap();
        }
        let groups = Groups {
            groups: vec![Member {
                version: Version::V2,
                controllers: Vec::new(),
                mount_point: root.path().to_owned(),
                directory: root.path().to_owned(),
            }],
            unit: None,
        };
        (root, groups)
    }

    #[test]
    fn processes_of_groups_below_belong_to_the_container_and_invisible_ones_are_left_out() {
        let (_root, groups) = tree(&[("", "7\n0\n"), ("a", "9\n"), ("a/b", "8\n7\n")]);
        assert_eq!(groups.processes(), [7, 8, 9]);
    }

    #[test]
    fn an_empty_group_is_waited_for_no_longer_than_asked() {
        let (_root, groups) = tree(&[("", "7\n")]);
        assert!(!groups.wait_until_empty(Duration::from_millis(5)));
        let (_root, groups) = tree(&[("", "")]);
        assert!(groups.wait_until_empty(Duration::ZERO));
    }
}
