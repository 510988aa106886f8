//! The time namespace of a container, where the runtime has to enter it.
//!
//! A process gets into a new one by being forked or, since Linux 6.2, by an
//! execution. The container's process is not forked: it shares our memory until
//! it executes. And an existing one takes in only who shares memory with nobody.
//! So the runtime enters it, clones, and comes back.
//!
//! Source: `time_namespaces(7)`; Linux 2b5f9dad32ed ("fs/exec: switch timens when
//! a task gets a new mm").

use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::namespace;
use crate::spec::NamespaceType;
use crate::sys;

/// A time namespace to enter.
#[derive(Debug)]
pub(super) enum Time {
    /// One that exists.
    Joined(OwnedFd),
    /// A new one, with what its `timens_offsets` is to say.
    New { offsets: String },
}

/// The runtime's own, entered again when it is dropped.
#[derive(Debug)]
pub(super) struct Own(File);

impl Time {
    /// Whether an execution takes a process into the time namespace that it made.
    pub(super) fn is_entered_by_execution() -> bool {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease");
        release.is_ok_and(|release| is_at_least(&release, (6, 2)))
    }

    pub(super) fn enter(&self) -> Result<Own> {
        let own = Own(open("/proc/self/ns/time")?);
        match self {
            Self::Joined(time) => join(time.as_raw_fd()).map_err(|source| Error::Setup {
                remedy: remedy(&source, "joining one needs root"),
                step: "join the time namespace".to_owned(),
                source,
            })?,
            Self::New { offsets } => make(offsets).map_err(|source| Error::Setup {
                remedy: remedy(
                    &source,
                    "before Linux 6.2 only root can start a container in a new one: use a newer \
                     kernel, or take \"time\" out of linux.namespaces",
                ),
                step: "make a time namespace".to_owned(),
                source,
            })?,
        }
        Ok(own)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // An execution wakes whoever waits for it a moment before it gives the
        // memory back, and until then we do not share it with nobody.
        for _ in 0..10_000 {
            match join(self.0.as_raw_fd()) {
                Err(error) if error.raw_os_error() == Some(libc::EUSERS) => {
                    std::thread::sleep(Duration::from_micros(100));
                }
                _ => return,
            }
        }
    }
}

/// Makes one and enters it; its clocks can be set only before anybody is in it.
fn make(offsets: &str) -> std::io::Result<()> {
    // Others would stay behind, and the kernel tells only when it is made.
    if fs::read_dir("/proc/self/task")?.count() > 1 {
        return Err(std::io::Error::from_raw_os_error(libc::EUSERS));
    }
    sys::namespace::unshare(namespace::flag(NamespaceType::Time))?;
    if !offsets.is_empty() {
        fs::write("/proc/self/timens_offsets", offsets)?;
    }
    let made = File::open("/proc/self/ns/time_for_children")?;
    join(made.as_raw_fd())
}

fn join(time: i32) -> std::io::Result<()> {
    Ok(sys::namespace::setns(
        time,
        namespace::flag(NamespaceType::Time),
    )?)
}

fn open(path: &str) -> Result<File> {
    File::open(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })
}

fn remedy(source: &std::io::Error, not_permitted: &str) -> Option<String> {
    match source.raw_os_error() {
        Some(libc::EPERM) => Some(not_permitted.to_owned()),
        Some(libc::EUSERS) => Some(
            "a process with several threads cannot enter one: start the container from one with a \
             single thread, as `isorun` is"
                .to_owned(),
        ),
        _ => None,
    }
}

fn is_at_least(release: &str, least: (u32, u32)) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        let is_new = |release| is_at_least(release, (6, 2));
        assert!(["6.2.0\n", "6.18.44-fc-v669", "7.0-rc1", "6.10"].map(is_new) == [true; 4]);
        assert!(["6.1.0-35-cloud", "5.15.0", "4.19", "", "x"].map(is_new) == [false; 5]);
    }
}
