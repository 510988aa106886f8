//! A step as it runs: a process of our own on a terminal of its own.
//!
//! The terminal is a pseudo-terminal, so that a command draws what it would draw
//! for a person. It is not the step's controlling terminal: Ctrl-C is for the
//! demo, which ends the step with everything that it started.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::orphans;
use super::script::Step;
use crate::guard;

/// How long a step that is told to end may take to clean up.
const GRACE: Duration = Duration::from_millis(1000);

/// The columns and rows of a step's terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A running step.
#[derive(Debug)]
pub struct Live {
    child: Child,
    screen: File,
    /// Its standard output, if that is for programs.
    json: Option<PipeReader>,
    begun: Instant,
}

/// What a step has said since it was last asked.
#[derive(Debug, Default)]
pub struct Said {
    /// On its terminal.
    pub screen: Vec<u8>,
    /// On a standard output that is for programs.
    pub json: Vec<u8>,
}

impl Live {
    /// Starts `step` in `dir`.
    ///
    /// # Errors
    /// If there is no pseudo-terminal, or the process cannot be started.
    pub fn start(step: &Step, dir: &Path, size: Size) -> anyhow::Result<Self> {
        let window = Winsize {
            ws_col: size.width,
            ws_row: size.height,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&window, None)?;
        do_not_block(&pty.master)?;
        close_on_exec(&pty.master)?;
        close_on_exec(&pty.slave)?;
        let mut guarded = guard::words()?.into_iter();
        let own = guarded
            .next()
            .expect("the guard's words begin with this program");
        let mut command = Command::new(&own);
        command
            .args(guarded)
            .arg(&own)
            .args(&step.words)
            .current_dir(dir)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(pty.slave.try_clone()?);
        let json = if step.says_json() {
            let (reader, writer) = io::pipe()?;
            do_not_block(&reader)?;
            command.stdout(writer);
            Some(reader)
        } else {
            command.stdout(pty.slave);
            None
        };
        let begun = Instant::now();
        Ok(Self {
            child: command.spawn()?,
            screen: File::from(pty.master),
            json,
            begun,
        })
    }

    /// When it was started.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// What becomes readable when it has said something.
    pub fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let json = self.json.as_ref().map(AsFd::as_fd);
        std::iter::once(self.screen.as_fd()).chain(json)
    }

    /// What it has said, without waiting for more.
    pub fn said(&mut self) -> Said {
        Said {
            screen: available(&mut self.screen),
            json: self.json.as_mut().map(available).unwrap_or_default(),
        }
    }

    /// Its exit status once it has ended.
    ///
    /// # Errors
    /// As [`Child::try_wait`].
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn signal(&self, signal: Signal) {
        // A group of its own since before it was executed.
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), signal);
    }
}

impl Drop for Live {
    /// Ends it with everything that it started: first asked, so that it removes
    /// its scratch files, then killed.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::SIGTERM);
            let patience = Instant::now() + GRACE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
                // A terminal that is full would hold it up.
                drop(self.said());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
        orphans::end();
    }
}

fn do_not_block(fd: impl AsFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Keeps `fd` from those that the step starts: they get what they are to have.
fn close_on_exec(fd: impl AsFd) -> nix::Result<()> {
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// What can be read now, at most a megabyte. The end of a pseudo-terminal is an
/// error (EIO) to its reader, and is as good as having nothing to say.
fn available(source: &mut impl Read) -> Vec<u8> {
    const MOST: usize = 1 << 20;
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    while bytes.len() < MOST {
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    bytes
}
