//! Running a command that may hang.
//!
//! A doctor must not fall ill itself: a container daemon that does not answer,
//! an interpreter on a dead network drive or a guest that never boots are all
//! waited for a stated time, and then ended with everything they started.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

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
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait_until(&mut child, deadline, stop)?;
    // What it left in its group would otherwise hold the pipes open.
    let _ = killpg(group(&child), Signal::SIGKILL);
    let Some(status) = status else {
        child.wait()?;
        return Ok(Ended::TimedOut);
    };
    Ok(Ended::Exited {
        code: status.code(),
        signal: status.signal(),
        stdout: collect(&stdout),
        stderr: collect(&stderr),
    })
}

fn group(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Waits for the child's end, the deadline or the word to stop. Polling costs at most 2 ms of
/// lateness, which no caller here measures.
fn wait_until(
    child: &mut Child,
    deadline: Instant,
    stop: &dyn Fn() -> bool,
) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline || stop() {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads a pipe in its own thread, lest a full one stop the command.
fn drain(pipe: Option<impl io::Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    /// More than any `--version` says; what is longer is not for us.
    const KEPT: u64 = 1 << 20;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(KEPT).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// What was read; nothing if a process that left the group keeps the pipe open.
fn collect(receiver: &mpsc::Receiver<Vec<u8>>) -> String {
    let bytes = receiver
        .recv_timeout(Duration::from_millis(200))
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
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
