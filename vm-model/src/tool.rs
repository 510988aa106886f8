//! Programs of this machine that are asked for something: where they are, and what version they
//! are, in bounded time.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to say its version: one may lie on a network that is down.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended.
const GLANCE: Duration = Duration::from_millis(1);
/// No version is longer, in bytes.
const LONGEST: u64 = 64 << 10;

/// The program of that name along `$PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    along(&std::env::var_os("PATH")?, name)
}

/// The first program of that name in the absolute directories of `path`: what lies in whatever
/// directory one happens to stand in must not be run unasked.
pub(crate) fn along(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
}

/// The same as a command; one that is not there is found by nobody, and its start says so.
pub(crate) fn command(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| Path::new("/nonexistent").join(name)))
}

/// The first line that `program` prints when it is asked for its version, or why there is none.
pub(crate) fn version(program: &Path) -> Result<String, String> {
    version_within(program, PATIENCE)
}

fn version_within(program: &Path, patience: Duration) -> Result<String, String> {
    let deadline = Instant::now() + patience;
    let late = || {
        format!(
            "it has not said its version within {} s",
            patience.as_secs()
        )
    };
    let mut child = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it does not run: {error}"))?;
    let words = listen(child.stdout.take());
    let complaints = listen(child.stderr.take());
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(GLANCE),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(late());
            }
        }
    };
    let left = || deadline.saturating_duration_since(Instant::now());
    // A child of it may hold its output open.
    let words = words.recv_timeout(left()).map_err(|_| late())?;
    let complaints = complaints.recv_timeout(left()).map_err(|_| late())?;
    let last = complaints.lines().next_back().unwrap_or_default().trim();
    match status.success() {
        true => Ok(words.lines().next().unwrap_or_default().trim().to_owned()),
        false if last.is_empty() => Err(format!("it does not say its version: {status}")),
        false => Err(format!("it does not say its version: {last}")),
    }
}

/// What comes out of `pipe` until its end, read by a thread of its own.
fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (told, hears) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.map(|pipe| pipe.take(LONGEST).read_to_end(&mut bytes));
        told.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    hears
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What a script that does `what` is said to be. Another process writes it: a file that this
    /// one has open for writing while it forks elsewhere cannot be executed.
    fn asked(what: &str, patience: Duration) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let text = format!("#!/bin/sh\n{what}\n");
        let written = Command::new("sh")
            .args(["-c", r#"printf %s "$1" >"$2""#, "sh", &text])
            .arg(&path)
            .status();
        assert!(written.unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        version_within(&path, patience)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn the_first_line_counts_and_a_failure_is_told_in_its_own_words() {
        assert_eq!(asked("echo one; echo two", LONG), Ok("one".to_owned()));
        let failed = asked("echo 'no library' >&2; exit 127", LONG).unwrap_err();
        assert!(failed.ends_with("no library"), "{failed}");
        let failed = asked("exit 3", LONG).unwrap_err();
        assert!(failed.contains('3'), "{failed}");
    }

    #[test]
    fn one_that_hangs_is_given_up_even_if_a_child_of_it_does() {
        for what in ["exec sleep 60", "sleep 60 & echo 1"] {
            let began = Instant::now();
            let failed = asked(what, Duration::from_secs(1)).unwrap_err();
            assert!(failed.contains("within 1 s"), "{failed}");
            assert!(began.elapsed() < LONG);
        }
    }

    #[test]
    fn a_program_in_the_directory_one_stands_in_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tool"), "").unwrap();
        let found = along(dir.path().as_os_str(), "tool");
        assert_eq!(found, Some(dir.path().join("tool")));
        // The same directory, by a way from here.
        let here = std::env::current_dir().unwrap();
        let up = "../".repeat(here.components().count());
        let relative = format!("{up}{}", dir.path().display());
        assert!(Path::new(&relative).join("tool").is_file());
        assert_eq!(along(OsStr::new(&relative), "tool"), None);
    }
}
