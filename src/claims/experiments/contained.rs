//! One program in a container of ours, its output caught: what several
//! experiments do.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use isolab_oci::process::{Cgroup, Session};
use isolab_oci::{Bundle, Container, ExitStatus, Options, Running, Spec, Stdio};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::interrupt::Interrupt;

/// The longest that a program may take.
const BOUND: Duration = Duration::from_secs(30);
/// The most of its output that is read, in bytes.
const OUTPUT: usize = 1 << 16;

/// How a program ended, and what it said.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// How it ended and the last thing it complained of.
    pub(super) fn told(&self) -> String {
        let last = self
            .stderr
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty());
        let code = self.status.shell_code();
        format!(
            "exit status {code}: {}",
            last.unwrap_or("it said nothing").trim()
        )
    }
}

/// A container whose program runs.
pub(super) struct Started {
    // Dropped first: nothing writes to the files once it is gone.
    running: Running,
    /// Its standard input, at whose end a program that holds ends.
    input: File,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// Starts the container that `spec` describes, with its files in `place`.
pub(super) fn start(place: &Path, spec: Spec) -> Result<Started> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let bundle = Bundle::new(place, spec)?;
    let (stdout, stderr) = (place.join("stdout"), place.join("stderr"));
    let made = |path: &Path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))
    };
    let (stdin, input) = pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    let (output, errors) = (made(&stdout)?, made(&stderr)?);
    let stdio = Stdio {
        stdin: stdin.as_fd(),
        stdout: output.as_fd(),
        stderr: errors.as_fd(),
    };
    let options = Options {
        die_with_parent: true,
        // The terminal's Ctrl-C is for the lab, which ends what it started.
        session: Session::Group,
        cgroup: Cgroup::Owned,
        ..Options::default()
    };
    Ok(Started {
        running: Container::run(&bundle, "claims", stdio, &options)?,
        input: input.into(),
        stdout,
        stderr,
    })
}

impl Started {
    /// Its first process, as the host sees it.
    pub(super) fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// Waits until it has said something.
    pub(super) fn wait_for_output(&mut self, interrupt: &Interrupt) -> Result<()> {
        self.wait_until(interrupt, &|said| !said.is_empty())
    }

    /// Waits for its `number`th line, from 0.
    pub(super) fn line(&mut self, number: usize, interrupt: &Interrupt) -> Result<String> {
        self.wait_until(interrupt, &|said| said.matches('\n').count() > number)?;
        let said = beginning(&self.stdout)?;
        Ok(said.lines().nth(number).unwrap_or_default().to_owned())
    }

    /// Tells it a line.
    pub(super) fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}").context("cannot tell the container to go on")
    }

    fn wait_until(&mut self, interrupt: &Interrupt, done: &dyn Fn(&str) -> bool) -> Result<()> {
        let end = Instant::now() + BOUND;
        while !done(&beginning(&self.stdout)?) {
            ensure!(!interrupt.raised(), "interrupted");
            ensure!(
                Instant::now() < end,
                "the container said nothing within {BOUND:?}"
            );
            if let Some(status) = self.running.try_wait()? {
                // It may have said so just before its end.
                if done(&beginning(&self.stdout)?) {
                    break;
                }
                let complaint = beginning(&self.stderr)?;
                let ended = Ended {
                    status,
                    stdout: String::new(),
                    stderr: complaint,
                };
                bail!("the container ended early: {}", ended.told());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self, interrupt: &Interrupt) -> Result<Ended> {
        let end = Instant::now() + BOUND;
        let status = loop {
            if let Some(status) = self.running.try_wait()? {
                break status;
            }
            ensure!(!interrupt.raised(), "interrupted");
            ensure!(
                Instant::now() < end,
                "the container did not end within {BOUND:?}"
            );
            thread::sleep(Duration::from_micros(200));
        };
        Ok(Ended {
            status,
            stdout: beginning(&self.stdout)?,
            stderr: beginning(&self.stderr)?,
        })
    }
}

/// Runs the container that `spec` describes to its end.
pub(super) fn run(place: &Path, spec: Spec, interrupt: &Interrupt) -> Result<Ended> {
    start(place, spec)?.wait(interrupt)
}

/// The beginning of a file, as text.
fn beginning(path: &Path) -> Result<String> {
    let mut bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    bytes.truncate(OUTPUT);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The kinds of namespace in which `pid` is and this process is not.
///
/// Source: `namespaces(7)`: two processes are in one namespace if their links
/// name the same one.
pub(super) fn namespaces_apart(pid: i32) -> Result<Vec<String>> {
    let mut apart = Vec::new();
    let own = Path::new("/proc/self/ns");
    for entry in fs::read_dir(own).context("cannot read /proc/self/ns")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with("_for_children") {
            continue;
        }
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{name}"))
            .with_context(|| format!("cannot read namespace {name} of process {pid}"))?;
        if theirs != fs::read_link(own.join(&name))? {
            apart.push(name);
        }
    }
    apart.sort_unstable();
    Ok(apart)
}
