//! A guest joined to whoever started it: what is typed goes in, what it says comes out.

use std::io::{self, ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, SetArg, Termios};
use vm_model::guest::{INTERRUPT, RunningGuest, Typed};

use super::life::Company;
use crate::stderr;

/// ^], which ends a guest from a terminal whose every other key is the guest's.
const ESCAPE: u8 = 0x1d;

/// The streams of this command as a guest's.
#[derive(Debug)]
pub struct Joined {
    output: Output,
    /// Whether every key is to go to the guest, once its program runs.
    terminal: bool,
    /// The terminal as it was, where every key goes there.
    raw: Option<Raw>,
    input: Option<Arc<Mutex<ChildStdin>>>,
    escaped: Arc<AtomicBool>,
    hangs: u32,
}

/// Where the program's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To standard output, as its own.
    Stdout,
    /// To standard error: standard output has a report.
    Stderr,
    /// Nowhere: what it says is for us.
    Nowhere,
}

/// Whether somebody sits at both ends of a program's standard streams.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

impl Joined {
    /// Joins a guest; with `terminal`, every key goes to it once its program runs. Until then
    /// nobody there reads them, and Ctrl-C ends the command as any other.
    #[must_use]
    pub fn new(output: Output, terminal: bool) -> Self {
        Self {
            output,
            terminal,
            raw: None,
            input: None,
            escaped: Arc::default(),
            hangs: 0,
        }
    }

    /// The terminal is as it was again.
    pub fn leave(&mut self) {
        self.raw = None;
    }
}

impl Company for Joined {
    fn hung(&mut self, hang: &str) {
        self.hangs += 1;
        let first = hang.lines().next().unwrap_or_default();
        stderr::tell(format_args!(
            "note: hang {} of this guest while it booted; {first}",
            self.hangs
        ));
    }

    fn begun(&mut self, guest: &mut RunningGuest) -> Result<()> {
        let Some(input) = guest.take_input() else {
            return Ok(());
        };
        if self.output == Output::Nowhere {
            return Ok(());
        }
        self.raw = self.terminal.then(Raw::set).transpose()?;
        let input = Arc::new(Mutex::new(input));
        self.input = Some(Arc::clone(&input));
        let (raw, escaped) = (self.terminal, Arc::clone(&self.escaped));
        // It ends with this process, which does not wait for somebody to type.
        let typing = move || type_in(&input, raw, &escaped);
        let started = thread::Builder::new().spawn(typing);
        started.map(drop).context("cannot listen to standard input")
    }

    fn said(&mut self, bytes: &[u8]) -> Result<bool> {
        let written = match self.output {
            Output::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Output::Stderr => io::stderr().write_all(bytes),
            Output::Nowhere => Ok(()),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written
                .map(|()| true)
                .context("cannot write what the guest says"),
        }
    }

    fn shown(&mut self, bytes: &[u8]) {
        stderr::write(bytes);
    }

    fn interrupt(&mut self) -> bool {
        let Some(input) = &self.input else {
            return false;
        };
        // Where its input is full, whoever waits for room holds the lock.
        let Ok(mut input) = input.try_lock() else {
            return false;
        };
        let mut room = [PollFd::new(input.as_fd(), PollFlags::POLLOUT)];
        let has_room = poll(&mut room, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
        has_room
            && input
                .write_all(&[INTERRUPT])
                .and_then(|()| input.flush())
                .is_ok()
    }

    fn wants_end(&self) -> bool {
        self.escaped.load(Ordering::Relaxed)
    }
}

/// Passes on what is typed until there is no more or nobody takes it.
fn type_in(input: &Mutex<ChildStdin>, raw: bool, escaped: &AtomicBool) {
    let mut typed = Typed::default();
    let mut buffer = [0; 4096];
    loop {
        let count = match io::stdin().read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let bytes = &buffer[..count];
        if raw && bytes.contains(&ESCAPE) {
            escaped.store(true, Ordering::Relaxed);
            return;
        }
        let sent = match (raw, bytes) {
            (true, []) => return,
            (true, keys) => keys.to_vec(),
            (false, []) => typed.end(),
            (false, bytes) => typed.bytes(bytes),
        };
        let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = input.write_all(&sent).and_then(|()| input.flush());
        if taken.is_err() || bytes.is_empty() {
            return;
        }
    }
}

/// A terminal that passes every key on, until this is dropped.
#[derive(Debug)]
struct Raw(Termios);

impl Raw {
    fn set() -> Result<Self> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin).context("cannot look at the terminal")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).context("cannot set the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nobody would be helped by an error on a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}
