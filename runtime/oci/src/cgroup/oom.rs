//! Being told when the kernel kills for lack of memory.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Groups;
use super::processes::cannot;
use crate::error::Result;
use crate::sys;

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryEvent {
    /// The memory's limit was reached and nothing could be freed.
    OutOfMemory,
    /// The group has no process any more, or was removed: nothing will follow.
    Gone,
}

/// Where the kernel tells of a container that runs out of memory.
#[derive(Debug)]
pub struct OomEvents(Source);

#[derive(Debug)]
enum Source {
    /// An eventfd, which the kernel signals too when the group is removed.
    V1 { events: OwnedFd, group: PathBuf },
    /// Two files, which the kernel marks as changed.
    V2 {
        memory: File,
        populated: File,
        kills: u64,
    },
}

impl Groups {
    /// Listens for the kernel's out-of-memory events from now on.
    ///
    /// # Errors
    /// [`Error::Supervise`](crate::Error::Supervise) where no memory controller counts this container.
    pub fn oom_events(&self) -> Result<OomEvents> {
        let source = match (self.with("memory"), self.unified()) {
            (Some(group), _) => listen_v1(&group.directory),
            (None, Some(group)) => listen_v2(&group.directory),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it has no control group with a memory controller",
            )),
        };
        source
            .map(OomEvents)
            .map_err(cannot("listen for out-of-memory events"))
    }

    /// How many processes the kernel has killed so far for lack of memory.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let (group, file) = match (self.with("memory"), self.unified()) {
            (Some(group), _) => (group, "memory.oom_control"),
            (None, Some(group)) => (group, "memory.events"),
            (None, None) => return 0,
        };
        let text = fs::read_to_string(group.directory.join(file)).unwrap_or_default();
        value_of(&text, "oom_kill").unwrap_or(0)
    }
}

/// `cgroup.event_control` takes the eventfd and the file to watch.
///
/// Source: the kernel's `admin-guide/cgroup-v1/memory.rst`, "OOM Control".
fn listen_v1(group: &Path) -> io::Result<Source> {
    let control = File::open(group.join("memory.oom_control"))?;
    let events = sys::notify::eventfd()?.into_owned();
    let line = format!("{} {}", events.as_raw_fd(), control.as_raw_fd());
    let file = File::options()
        .write(true)
        .open(group.join("cgroup.event_control"));
    file?.write_all(line.as_bytes())?;
    Ok(Source::V1 {
        events,
        group: group.to_owned(),
    })
}

fn listen_v2(group: &Path) -> io::Result<Source> {
    let mut memory = File::open(group.join("memory.events"))?;
    let kills = kills(&mut memory)?;
    Ok(Source::V2 {
        memory,
        populated: File::open(group.join("cgroup.events"))?,
        kills,
    })
}

impl OomEvents {
    /// The descriptor that changes: readable on version 1, `POLLPRI` on version 2.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Source::V1 { events, .. } => events.as_fd(),
            Source::V2 { memory, .. } => memory.as_fd(),
        }
    }

    /// Waits up to `milliseconds`, for ever when negative; `None` where nothing came.
    ///
    /// # Errors
    /// [`Error::Supervise`](crate::Error::Supervise) for what the kernel answers.
    pub fn wait(&mut self, milliseconds: i32) -> Result<Option<MemoryEvent>> {
        let event = match &mut self.0 {
            Source::V1 { events, group } => wait_v1(events, group, milliseconds),
            Source::V2 {
                memory,
                populated,
                kills,
            } => wait_v2(memory, populated, kills, milliseconds),
        };
        event.map_err(cannot("wait for out-of-memory events"))
    }
}

fn wait_v1(events: &OwnedFd, group: &Path, milliseconds: i32) -> io::Result<Option<MemoryEvent>> {
    let fd = events.as_raw_fd();
    match sys::descriptor::poll_readable(&mut [fd], milliseconds) {
        Ok(0) | Err(sys::Errno(libc::EINTR)) => return Ok(None),
        result => result?,
    };
    sys::descriptor::read(fd, &mut [0; 8])?;
    Ok(Some(if group.join("cgroup.event_control").exists() {
        MemoryEvent::OutOfMemory
    } else {
        MemoryEvent::Gone
    }))
}

fn wait_v2(
    memory: &mut File,
    populated: &mut File,
    seen: &mut u64,
    milliseconds: i32,
) -> io::Result<Option<MemoryEvent>> {
    let look = |memory: &mut File, populated: &mut File, seen: &mut u64| {
        // A removed group's files cannot be read.
        let Ok(now) = kills(memory) else {
            return Some(MemoryEvent::Gone);
        };
        if now > *seen {
            *seen = now;
            return Some(MemoryEvent::OutOfMemory);
        }
        match whole(populated) {
            Ok(text) if value_of(&text, "populated") != Some(0) => None,
            _ => Some(MemoryEvent::Gone),
        }
    };
    let deadline =
        Instant::now() + Duration::from_millis(milliseconds.max(0).cast_unsigned().into());
    loop {
        if let Some(event) = look(memory, populated, seen) {
            return Ok(Some(event));
        }
        // Other counts of the file change too, as that of each page not found.
        let left = deadline.saturating_duration_since(Instant::now());
        let left = match milliseconds {
            0.. => i32::try_from(left.as_millis()).unwrap_or(milliseconds),
            _ => -1,
        };
        let mut fds = [memory.as_raw_fd(), populated.as_raw_fd()];
        let changed = sys::notify::wait_for_change(&mut fds, left)?;
        if left == 0 && !changed {
            return Ok(None);
        }
    }
}

fn kills(memory: &mut File) -> io::Result<u64> {
    Ok(value_of(&whole(memory)?, "oom_kill").unwrap_or(0))
}

/// Reading also tells the kernel which state is known.
fn whole(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn value_of(text: &str, key: &str) -> Option<u64> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut values = lines.filter(|(k, _)| *k == key);
    values
        .next()
        .and_then(|(_, number)| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_tells_of_a_kill_once_and_of_the_end() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
        write("memory.events", "oom 1\noom_kill 1\n");
        write("cgroup.events", "populated 1\nfrozen 0\n");
        let mut events = OomEvents(listen_v2(root.path()).unwrap());
        assert_eq!(events.wait(0).unwrap(), None);
        write("memory.events", "oom 3\noom_kill 3\n");
        assert_eq!(events.wait(0).unwrap(), Some(MemoryEvent::OutOfMemory));
        assert_eq!(events.wait(0).unwrap(), None);
        write("cgroup.events", "populated 0\nfrozen 0\n");
        assert_eq!(events.wait(0).unwrap(), Some(MemoryEvent::Gone));
    }
}
