//! Files that a container inherits: descriptors, and the file with its pid.

use std::fs;
use std::io;
use std::path::Path;

use crate::arguments::{Given, Key};
use crate::failure::Failure;

/// Descriptors from 3 up that are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inherited {
    /// All of them.
    pub(crate) count: u32,
    /// Those that come first and are sockets listened at (`sd_listen_fds(3)`).
    pub(crate) listening: u32,
}

impl Inherited {
    /// What `--preserve-fds` and the environment say.
    pub(crate) fn new(given: &Given<'_>) -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).ok();
        let listening = listening(
            variable("LISTEN_PID").as_deref(),
            variable("LISTEN_FDS").as_deref(),
            std::process::id(),
        );
        let preserved: u32 = given.number(Key::PreserveFds)?.unwrap_or(0);
        let count = preserved.checked_add(listening).filter(|&n| n < 1 << 20);
        let count = count.ok_or_else(|| {
            Failure::new(
                format!("--preserve-fds: {preserved} is more than a process can have"),
                "it is the number of descriptors, from 3 up, not the highest one",
            )
        })?;
        // Those of them that are open: a client may know no more than the highest.
        Ok(Self { count, listening })
    }
}

/// How many sockets were passed to the process `pid`.
fn listening(listen_pid: Option<&str>, listen_fds: Option<&str>, pid: u32) -> u32 {
    let ours = listen_pid.and_then(|text| text.parse().ok()) == Some(pid);
    let count = listen_fds.and_then(|text| text.parse().ok());
    count.filter(|_| ours).unwrap_or(0)
}

/// Writes a process id so that whoever waits for the file never reads half of it.
pub(crate) fn write_pid(file: &Path, pid: i32) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file("write", file, &error);
    let regular = fs::metadata(file).map_or(true, |meta| meta.is_file());
    let Some(name) = file.file_name().filter(|_| regular) else {
        // A pipe or a terminal is written to; nothing takes its place.
        return fs::write(file, pid.to_string()).map_err(failed);
    };
    let mut temporary = std::ffi::OsString::from(format!(".{}-", std::process::id()));
    temporary.push(name);
    let temporary = file.with_file_name(temporary);
    let written =
        fs::write(&temporary, pid.to_string()).and_then(|()| fs::rename(&temporary, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_meant_for_another_process_are_not_ours() {
        assert_eq!(listening(Some("7"), Some("2"), 7), 2);
        assert_eq!(listening(Some("8"), Some("2"), 7), 0);
        assert_eq!(listening(None, Some("2"), 7), 0);
        assert_eq!(listening(Some("7"), Some("x"), 7), 0);
    }

    #[test]
    fn a_pid_file_is_whole_and_alone_in_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        write_pid(&file, 12).unwrap();
        write_pid(&file, 345).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "345");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let failure = write_pid("/nonexistent/pid".as_ref(), 1).unwrap_err();
        assert!(
            failure.message.contains("/nonexistent/pid"),
            "{}",
            failure.message
        );
    }
}
