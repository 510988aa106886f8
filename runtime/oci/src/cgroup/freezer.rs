//! Holding all processes of a container still, and letting them go on.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Groups;
use super::processes::cannot;
use crate::error::{Error, Result};
use crate::sys;

/// A process that waits for a slow disk cannot be frozen before that answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The group that can be frozen, by its version.
enum Freezer<'a> {
    V1(&'a Path),
    V2(&'a Path),
}

impl Groups {
    fn freezer(&self) -> Option<Freezer<'_>> {
        // Where both exist the controller is asked: it is what other runtimes
        // and their clients look at on such a host.
        let v1 = self
            .with("freezer")
            .map(|group| Freezer::V1(&group.directory));
        let v2 = || self.unified().map(|group| Freezer::V2(&group.directory));
        // One that could not be made is on record, and not there.
        v1.or_else(v2).filter(|freezer| match freezer {
            Freezer::V1(group) | Freezer::V2(group) => group.is_dir(),
        })
    }

    /// Freezes every process; returns once all of them stand still.
    ///
    /// # Errors
    /// [`Error::Supervise`] where there is nothing to freeze them by, or one
    /// of them does not come to rest within five seconds: all go on then.
    pub fn freeze(&self) -> Result<()> {
        self.freeze_within(PATIENCE)
    }

    pub(super) fn freeze_within(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let frozen = match self.freezer().ok_or_else(none)? {
            Freezer::V1(group) => freeze_v1(group, deadline),
            Freezer::V2(group) => freeze_v2(group, deadline),
        };
        frozen.map_err(|error| {
            let _ = self.thaw();
            cannot("pause the container")(error)
        })
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`Error::Supervise`] as for [`freeze`](Self::freeze).
    pub fn thaw(&self) -> Result<()> {
        let thawed = match self.freezer().ok_or_else(none)? {
            Freezer::V1(group) => fs::write(group.join("freezer.state"), "THAWED"),
            Freezer::V2(group) => fs::write(group.join("cgroup.freeze"), "0"),
        };
        thawed.map_err(cannot("resume the container"))
    }

    /// Whether they are frozen by [`freeze`](Self::freeze), and not merely
    /// because a group above them is.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let says = |file: &Path, word: &str| {
            fs::read_to_string(file).is_ok_and(|text| text.trim_end() == word)
        };
        match self.freezer() {
            None => false,
            Some(Freezer::V1(group)) => {
                says(&group.join("freezer.state"), "FROZEN")
                    && !says(&group.join("freezer.self_freezing"), "0")
            }
            Some(Freezer::V2(group)) => says(&group.join("cgroup.freeze"), "1"),
        }
    }
}

fn none() -> Error {
    cannot("pause or resume the container")(io::Error::new(
        io::ErrorKind::Unsupported,
        "it has no control group that can be frozen: an ordinary user needs a delegated version 2 group",
    ))
}

/// Writes until the state is FROZEN: a process that is in the middle of a fork
/// or a signal leaves the group FREEZING, and only the next write looks again.
fn freeze_v1(group: &Path, deadline: Instant) -> io::Result<()> {
    let state = group.join("freezer.state");
    for attempt in 1u32.. {
        fs::write(&state, "FROZEN")?;
        if fs::read_to_string(&state)?.trim_end() == "FROZEN" {
            return Ok(());
        }
        if Instant::now() >= deadline {
            break;
        }
        if attempt % 50 == 0 {
            // One waits for another that stands still already: let both go on
            // a little.
            fs::write(&state, "THAWED")?;
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_micros(10 << attempt.min(8)));
    }
    Err(late())
}

/// The kernel tells of the change in `cgroup.events`.
fn freeze_v2(group: &Path, deadline: Instant) -> io::Result<()> {
    fs::write(group.join("cgroup.freeze"), "1")?;
    let path = group.join("cgroup.events");
    loop {
        // Opened before it is read, so that no change between the two is missed.
        let events = fs::File::open(&path)?;
        let text = io::read_to_string(&events)?;
        if text.lines().any(|line| line == "frozen 1") {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        sys::notify::wait_for_change(&mut [events.as_raw_fd()], milliseconds.min(100))?;
    }
}

fn late() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "a process in it does not come to rest: it waits in the kernel, as for a disk or a network file system",
    )
}
