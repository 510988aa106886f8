//! One question to a program that may not be Python: bounded in time, output and processes.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::pipe::{Pipe, wait_for};

/// No interpreter takes this long to print a line, however cold the disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// The answer is a kilobyte.
const LONGEST_ANSWER: usize = 64 * 1024;

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
    let mut stdout = Heard::from(child.0.stdout.take());
    let mut stderr = Heard::from(child.0.stderr.take());

    let late = || format!("it gave no answer in {} seconds", PATIENCE.as_secs());
    while !stdout.pipe.is_closed() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        wait_for(&[&stdout.pipe, &stderr.pipe], left);
        stdout.hear();
        stderr.hear();
    }
    if stdout.said.len() == LONGEST_ANSWER {
        return Err("it printed far more than an answer".to_owned());
    }
    // It closed its output: it is ending, or pretends to.
    while !child.has_ended() {
        if Instant::now() >= deadline {
            return Err(late());
        }
        match stderr.pipe.is_closed() {
            true => thread::sleep(Duration::from_micros(200)),
            false => wait_for(&[&stderr.pipe], Duration::from_millis(1)),
        }
        stderr.hear();
    }
    let status = child
        .end()
        .map_err(|error| format!("it cannot be waited for ({error})"))?;
    // Nobody of its group is left; whoever left the group may hold it open.
    let enough = Instant::now() + Duration::from_secs(1);
    while !stderr.pipe.is_closed() && Instant::now() < enough {
        wait_for(&[&stderr.pipe], Duration::from_millis(100));
        stderr.hear();
    }
    Ok(Answer {
        status,
        stdout: stdout.said,
        stderr: stderr.said,
    })
}

/// What came from a pipe so far.
struct Heard<R> {
    pipe: Pipe<R>,
    said: Vec<u8>,
}

impl<R: Read + AsFd> Heard<R> {
    fn from(end: Option<R>) -> Self {
        Self {
            pipe: Pipe::of(end),
            said: Vec::new(),
        }
    }

    /// A stream that breaks ends the answer; what came until then is judged.
    fn hear(&mut self) {
        self.said.extend(self.pipe.take());
        if self.said.len() >= LONGEST_ANSWER {
            self.said.truncate(LONGEST_ANSWER);
            self.pipe.close();
        }
    }
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
