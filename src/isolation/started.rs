//! A started program of ours, contained or not, with its standard streams in
//! our hands.

use std::fs::File;
use std::io::Read;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use isolab_oci::process::{Options, Session};
use isolab_oci::{ExitStatus, Stdio};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use super::Running;
use crate::ask;
use crate::footprint::process_tree;
use crate::interrupt::Interrupt;
use crate::program::Ready;

/// How long the lab looks away at most before it asks whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// A started program, contained or not.
pub(super) struct Started {
    // Dropped before the streams: whoever ends the program need not wait for it
    // to notice.
    running: isolab_oci::Running,
    input: Option<OwnedFd>,
    output: OwnedFd,
    errors: OwnedFd,
    /// Who asks it, if it serves; the output is then that process's.
    asker: Option<Asker>,
}

impl Started {
    /// Opens the program's streams and lets `start` start it with them; `ready` says how it
    /// will say that it is ready.
    pub(super) fn new(
        ready: Ready,
        start: impl FnOnce(Stdio<'_>, &Options) -> isolab_oci::Result<isolab_oci::Running>,
    ) -> Result<Self> {
        let pipe = || pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe");
        let (stdin, input) = pipe()?;
        let (output, stdout) = pipe()?;
        let (errors, stderr) = pipe()?;
        let stdio = Stdio {
            stdin: stdin.as_fd(),
            stdout: stdout.as_fd(),
            stderr: stderr.as_fd(),
        };
        let options = Options {
            die_with_parent: true,
            // A group of its own: the terminal's Ctrl-C is for the lab, which
            // ends what it started.
            session: Session::Group,
            ..Options::default()
        };
        let mut started = Self {
            running: start(stdio, &options)?,
            input: Some(input),
            output,
            errors,
            asker: None,
        };
        if ready == Ready::Answer {
            let (answered, answer) = pipe()?;
            let said = mem::replace(&mut started.output, answered);
            let asker = ask::of(started.running.pid(), said, answer)?;
            started.asker = Some(Asker(asker));
        }
        Ok(started)
    }

    /// What the program said on standard error, once it is known to have failed.
    fn complaint(&self) -> String {
        let mut text = Vec::new();
        let unblocked = fcntl(&self.errors, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        if let (Ok(_), Ok(copy)) = (unblocked, self.errors.try_clone()) {
            // What is there until it would block or ends; the rest is not awaited.
            let _ = File::from(copy).take(1 << 14).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Why it ended before it should have, or why whoever asked it gave up.
    fn early_end(&mut self) -> anyhow::Error {
        if let Some(asker) = &mut self.asker {
            let why = asker.complaint();
            // A server that ends takes its asker with it, and knows better why.
            if !readable(&self.running, GLANCE).unwrap_or(true) {
                return anyhow!("the program serves, but not as it should: {why}");
            }
        }
        match self.running.wait() {
            Ok(status) => anyhow!(
                "the program ended before it was ready: {}",
                self.told(status)
            ),
            Err(error) => error.into(),
        }
    }

    fn told(&self, status: ExitStatus) -> String {
        let complaint = self.complaint();
        let last = complaint.lines().last().unwrap_or("it said nothing");
        format!("exit status {}: {last}", status.shell_code())
    }
}

impl Running for Started {
    fn wait_ready(&mut self, deadline: Duration, interrupt: &Interrupt) -> Result<Instant> {
        let end = Instant::now() + deadline;
        loop {
            ensure!(!interrupt.raised(), "interrupted");
            let left = end.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "the program was not ready within {deadline:?}"
            );
            if !readable(&self.output, left.min(GLANCE))? {
                continue;
            }
            let mut byte = [0u8];
            let read = nix::unistd::read(&self.output, &mut byte);
            let now = Instant::now();
            return match (read.context("cannot read the ready byte")?, byte[0]) {
                (1, b'R') => Ok(now),
                (1, other) => bail!("byte {other:#04x} came where the ready byte was due"),
                _ => Err(self.early_end()),
            };
        }
    }

    fn processes(&self) -> Vec<i32> {
        process_tree(self.running.pid())
    }

    fn release(&mut self) -> Result<()> {
        // The end of its standard input is what it waits for.
        self.input = None;
        Ok(())
    }

    fn wait_gone(&mut self, deadline: Duration, interrupt: &Interrupt) -> Result<()> {
        let end = Instant::now() + deadline;
        loop {
            ensure!(!interrupt.raised(), "interrupted");
            let left = end.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "the program did not end within {deadline:?}"
            );
            if readable(&self.running, left.min(GLANCE))? {
                break;
            }
        }
        let status = self.running.wait()?;
        ensure!(
            status.success(),
            "the program failed: {}",
            self.told(status)
        );
        Ok(())
    }
}

/// The process that asks a server. Dropping it ends it.
struct Asker(Child);

impl Asker {
    /// What it said, once it has ended or is about to.
    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(errors) = self.0.stderr.take() {
            let _ = errors.take(1 << 14).read_to_string(&mut text);
        }
        let last = text.trim().lines().last().unwrap_or("it said nothing");
        last.trim_start_matches("error: ").to_owned()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether `descriptor` becomes readable within `time`; a signal may cut it short.
fn readable(descriptor: &impl AsFd, time: Duration) -> Result<bool> {
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    match poll(
        &mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)],
        timeout,
    ) {
        Err(Errno::EINTR) => Ok(false),
        ready => Ok(ready.context("cannot wait for the program")? > 0),
    }
}
