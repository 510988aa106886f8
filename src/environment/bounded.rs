//! Running a command that may hang.
//!
//! A doctor must not fall ill itself: a container daemon that does not answer,
//! an interpreter on a dead network drive or a guest that never boots are all
//! waited for a stated time, and then ended with everything they started.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// More than any `--version` says, in bytes; what is longer is not for us.
const KEPT: usize = 1 << 20;
/// How often the command's end is looked for, in milliseconds: so late it is noticed, which no
/// caller here measures.
const GLANCE: u8 = 2;

/// How a bounded command ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Exited {
        /// Its exit code; `None` if a signal ended it.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Its standard output.
        stdout: String,
        /// Its standard error.
        stderr: String,
    },
    /// It was still running at the end of its time, and was killed.
    TimedOut,
}

/// Runs `command` for at most `bound`, with its output caught and its input
/// empty, in a process group of its own that is killed when the time is over.
///
/// # Errors
/// As [`Command::spawn`]: above all, if there is no such program.
pub fn run(command: &mut Command, bound: Duration) -> io::Result<Ended> {
    run_unless(command, bound, &|| false)
}

/// As [`run`], but asks all the while whether to stop, and then ends the command
/// as if its time were over.
///
/// # Errors
/// As there.
pub fn run_unless(
    command: &mut Command,
    bound: Duration,
    stop: &dyn Fn() -> bool,
) -> io::Result<Ended> {
    let deadline = Instant::now() + bound;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut said = [
        Said::of(child.stdout.take().map(OwnedFd::from)),
        Said::of(child.stderr.take().map(OwnedFd::from)),
    ];
    let has_ended = listen(&child, &mut said, deadline, stop);
    // What it left in its group would otherwise go on. It is not reaped yet: nobody else has its
    // number.
    let _ = killpg(number(&child), Signal::SIGKILL);
    if !matches!(has_ended, Ok(true)) {
        // It may have left its own group.
        let _ = child.kill();
    }
    let status = child.wait()?;
    if !has_ended? {
        return Ok(Ended::TimedOut);
    }
    // All that it said is in the pipes by now, whoever else may hold them open.
    said.iter_mut().for_each(Said::take);
    let [stdout, stderr] = said.map(|said| String::from_utf8_lossy(&said.bytes).into_owned());
    Ok(Ended::Exited {
        code: status.code(),
        signal: status.signal(),
        stdout,
        stderr,
    })
}

fn number(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Takes in what is said until the child has ended, which is true, or until the deadline or the
/// word to stop.
fn listen(
    child: &Child,
    said: &mut [Said; 2],
    deadline: Instant,
    stop: &dyn Fn() -> bool,
) -> io::Result<bool> {
    loop {
        said.iter_mut().for_each(Said::take);
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if waitid(Id::Pid(number(child)), flags)? != WaitStatus::StillAlive {
            return Ok(true);
        }
        if Instant::now() >= deadline || stop() {
            return Ok(false);
        }
        let open = said.iter().filter_map(|said| said.pipe.as_ref());
        let mut open: Vec<_> = open.map(readable).collect();
        // A signal cuts it short, which is as well.
        let _ = poll(&mut open, GLANCE);
    }
}

fn readable(pipe: &File) -> PollFd<'_> {
    PollFd::new(pipe.as_fd(), PollFlags::POLLIN)
}

/// What came out of a pipe, which is closed at its end and when enough is kept.
struct Said {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Said {
    fn of(pipe: Option<OwnedFd>) -> Self {
        Self {
            pipe: pipe.map(File::from),
            bytes: Vec::new(),
        }
    }

    /// Takes in what is there, without waiting for more: a full pipe would stop the command.
    fn take(&mut self) {
        let mut piece = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            let is_there = poll(&mut [readable(pipe)], PollTimeout::ZERO);
            if !is_there.is_ok_and(|count| count > 0) {
                return;
            }
            match pipe.read(&mut piece) {
                Ok(count) if count > 0 => {
                    self.bytes.extend_from_slice(&piece[..count]);
                    if self.bytes.len() >= KEPT {
                        self.bytes.truncate(KEPT);
                        self.pipe = None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => self.pipe = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, bound: Duration) -> Ended {
        run(Command::new("/bin/sh").args(["-c", script]), bound).unwrap()
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let begun = Instant::now();
        let ended = shell("sleep 30 & sleep 30", Duration::from_millis(100));
        assert!(matches!(ended, Ended::TimedOut));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_command_that_is_no_longer_wanted_is_ended() {
        let begun = Instant::now();
        let mut sleep = Command::new("/bin/sleep");
        let ended = run_unless(sleep.arg("30"), Duration::from_secs(30), &|| true);
        assert!(matches!(ended.unwrap(), Ended::TimedOut));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_child_left_behind_does_not_hold_the_answer_back() {
        let begun = Instant::now();
        let ended = shell("sleep 30 & echo said", Duration::from_secs(10));
        assert!(matches!(ended, Ended::Exited { stdout, .. } if stdout == "said\n"));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn who_leaves_the_group_does_not_take_the_answer_along() {
        let begun = Instant::now();
        let ended = shell(
            "setsid sleep 5 & sleep 0.3; echo said",
            Duration::from_secs(10),
        );
        assert!(matches!(ended, Ended::Exited { stdout, .. } if stdout == "said\n"));
        assert!(begun.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn much_output_does_not_stop_the_command() {
        let ended = shell("head -c 3000000 /dev/zero; exit 3", Duration::from_secs(10));
        assert!(
            matches!(ended, Ended::Exited { code, signal, .. } if code == Some(3) || signal == Some(13))
        );
    }

    #[test]
    fn a_signal_is_told_from_an_exit() {
        let ended = shell("kill -SYS $$", Duration::from_secs(10));
        assert!(matches!(
            ended,
            Ended::Exited {
                code: None,
                signal: Some(31),
                ..
            }
        ));
    }
}
