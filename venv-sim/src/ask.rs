//! One question to a program that may not be Python: bounded in time, output and processes.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::facts::Facts;

/// No interpreter takes this long to print a line, however cold the disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// The answer is a kilobyte.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What the interpreter at `path` says about itself.
///
/// `-I -S`: nothing that a user or an administrator installed takes part in the answer, and
/// no `PYTHON*` variable changes it.
pub(crate) fn ask(path: &Path) -> Result<Facts> {
    let refused = |cause: String| Error::NotAnInterpreter {
        path: path.to_owned(),
        cause,
    };
    let answer = run(path, &["-I", "-S", "-c", include_str!("facts.py")]).map_err(refused)?;
    if !answer.status.success() {
        // Python 2 knows no -I, and no more of it than 2.7 is of use; it says its version on the
        // standard error.
        if let Ok(version) = run(path, &["-V"]) {
            let said =
                String::from_utf8_lossy(&[version.stdout, version.stderr].concat()).into_owned();
            if said.starts_with("Python 2.7.") {
                return ask_2_7(path).map_err(refused);
            }
            if let Some(version) = said.trim().strip_prefix("Python 2.") {
                return Err(unsupported(path, format!("2.{version}")));
            }
        }
        let complaint = String::from_utf8_lossy(&answer.stderr);
        let complaint = complaint
            .trim()
            .lines()
            .next_back()
            .unwrap_or("without a word");
        return Err(refused(format!(
            "it ended with {}: {complaint}",
            answer.status
        )));
    }
    let facts = Facts::parse(&answer.stdout).map_err(refused)?;
    if facts.version < (3, 3, 0) {
        let (major, minor, patch) = facts.version;
        return Err(unsupported(path, format!("{major}.{minor}.{patch}")));
    }
    Ok(facts)
}

/// `-E -s -S` is what `-I -S` adds up to, but for the working directory, which the question
/// itself leaves.
fn ask_2_7(path: &Path) -> Result<Facts, String> {
    let question = ["-E", "-s", "-S", "-B", "-c", include_str!("facts.py")];
    let answer = run(path, &question)?;
    if !answer.status.success() {
        return Err(format!("it ended with {}", answer.status));
    }
    match Facts::parse(&answer.stdout)? {
        facts if (facts.version.0, facts.version.1) == (2, 7) => Ok(facts),
        _ => Err("it says two different versions".to_owned()),
    }
}

fn unsupported(path: &Path, version: String) -> Error {
    let cause = "it knows no pyvenv.cfg, which came with Python 3.3";
    Error::UnsupportedPython {
        path: path.to_owned(),
        version,
        cause,
    }
}

/// What a program said until it ended.
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs the program at `path`, with nothing to read and with these bounds.
pub(crate) fn run(path: &Path, arguments: &[&str]) -> Result<Answer, String> {
    let child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0) // so that what it starts ends with it
        .spawn()
        .map_err(|error| format!("it cannot be run ({error})"))?;
    let mut child = EndGroup(child);
    let deadline = Instant::now() + PATIENCE;
    let stdout = read_aside(child.0.stdout.take());
    let stderr = read_aside(child.0.stderr.take());

    let late = || format!("it gave no answer in {} seconds", PATIENCE.as_secs());
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    let stdout = stdout.recv_timeout(left(deadline)).map_err(|_| late())?;
    if stdout.len() as u64 == LONGEST_ANSWER {
        return Err("it printed far more than an answer".to_owned());
    }
    // It closed its output: it is ending, or pretends to.
    while !child.has_ended() {
        if Instant::now() >= deadline {
            return Err(late());
        }
        thread::sleep(Duration::from_micros(200));
    }
    let status = child
        .end()
        .map_err(|error| format!("it cannot be waited for ({error})"))?;
    let stderr = stderr
        .recv_timeout(Duration::from_secs(1))
        .unwrap_or_default();
    Ok(Answer {
        status,
        stdout,
        stderr,
    })
}

fn read_aside(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(stream) = stream {
            // A stream that breaks ends the answer; what came until then is judged.
            let _ = stream.take(LONGEST_ANSWER).read_to_end(&mut read);
        }
        let _ = send.send(read);
    });
    receive
}

/// Ends a child's whole process group on every way out.
struct EndGroup(Child);

impl EndGroup {
    fn id(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }

    /// How the child is, without reaping it: until then no other process can get its number.
    fn state(&self) -> nix::Result<WaitStatus> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(self.id()), flags)
    }

    fn has_ended(&self) -> bool {
        self.state() != Ok(WaitStatus::StillAlive)
    }

    /// Kills what is left of the group, and only then gives its number back.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // That nobody is left in it is no error.
        let _ = killpg(self.id(), Signal::SIGKILL);
        self.0.wait()
    }
}

impl Drop for EndGroup {
    fn drop(&mut self) {
        // After `end` there is no such child, and the number may be another's.
        if self.state().is_ok() {
            let _ = self.end();
        }
    }
}
