//! A command that takes minutes: watched by its last line, bounded, and ended
//! with all that it started when the user no longer wants it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::footprint::process_tree;
use crate::guard;
use crate::interrupt::Interrupt;
use crate::pinned::Pinned;

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// How long what it started may take to be gone once it was killed.
const END: Duration = Duration::from_secs(5);

/// A command in the background. Dropping it ends it and what it started.
struct Watched(Child);

impl Drop for Watched {
    fn drop(&mut self) {
        // Its child is the first process of a pid namespace, which takes all
        // others along; the command, who waits for it, ends when they are gone
        // and write to no file any more (pid_namespaces(7)).
        let own = self.0.id().cast_signed();
        let first = || process_tree(own).get(1).copied();
        if let Some(pid) = first()
            && let Ok(Some(held)) = Pinned::open(pid, || first() == Some(pid))
            && held.signal(Signal::SIGKILL).is_ok()
        {
            let end = Instant::now() + END;
            while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < end {
                thread::sleep(Duration::from_millis(5));
            }
        }
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `words` in `dir` for at most `bound`, and shows the last line of what it
/// says. It ends with this process, however that ends.
///
/// # Errors
/// If it fails, with what it said; if the time is over; if the user interrupts.
pub(super) fn run(
    words: &[OsString],
    dir: &Path,
    bound: Duration,
    interrupt: &Interrupt,
    show: &dyn Fn(&str),
) -> Result<()> {
    let log = dir.join("log");
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone().context("cannot share a file")?;
    let guard = guard::words()?;
    let child = Command::new(&guard[0])
        .args(&guard[1..])
        .args(words)
        .current_dir(dir)
        .env("LC_ALL", "C")
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", words[0].to_string_lossy()))?;
    let mut watched = Watched(child);
    let deadline = Instant::now() + bound;
    loop {
        let status = watched.0.try_wait().context("cannot wait for a command")?;
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        match status {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!(
                "{}",
                complaint(&said).unwrap_or(format!("it ended with {status}"))
            ),
            None => {}
        }
        ensure!(!interrupt.raised(), "interrupted");
        ensure!(
            Instant::now() < deadline,
            "it was not done within {} s",
            bound.as_secs()
        );
        if let Some(line) = said.lines().rev().find_map(|line| line.strip_prefix("I: ")) {
            show(line.trim_end_matches('.'));
        }
        thread::sleep(GLANCE);
    }
}

/// The first error in `said`, else its last line.
fn complaint(said: &str) -> Option<String> {
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    let error = said.lines().find(|line| line.starts_with("E: "));
    error
        .or_else(|| lines.next_back())
        .map(|line| line.trim_start_matches("E: ").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_over_its_time_is_ended_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        // Not through the guard, which only the program itself has.
        let child = Command::new("sh")
            .args(["-c", "sleep 60 & echo $! > pid; wait"])
            .current_dir(dir.path())
            .spawn()
            .unwrap();
        let pid = dir.path().join("pid");
        while fs::read_to_string(&pid).unwrap_or_default().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let own = child.id();
        drop(Watched(child));
        let sleeping = fs::read_to_string(&pid).unwrap();
        for gone in [own.to_string(), sleeping.trim().to_owned()] {
            let state = fs::read_to_string(format!("/proc/{gone}/stat")).unwrap_or_default();
            assert!(state.is_empty() || state.contains(") Z "), "{state}");
        }
    }

    #[test]
    fn the_first_error_is_told_and_not_what_followed_from_it() {
        let said = "I: running\nE: Unable to fetch x\nE: giving up\nI: removing\n";
        assert_eq!(complaint(said).unwrap(), "Unable to fetch x");
        assert_eq!(complaint("a\nmount: denied\n\n").unwrap(), "mount: denied");
        assert_eq!(complaint(""), None);
    }
}
