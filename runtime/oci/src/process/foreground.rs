//! Staying with a process: signals go on to it, and so does what is typed, until
//! it ends.
//!
//! Signals are blocked before the process is started: one that ends at once must
//! not end unnoticed, and what comes meanwhile is for it.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::relay;
use super::running::{ExitStatus, Running};
use crate::error::{Error, Result};
use crate::sys::signal::{self, Origin, SignalSet};
use crate::sys::{Errno, memory, socket};

/// Signals that concern this process alone: it stops, continues, or faults.
const NOT_FORWARDED: [i32; 10] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGCONT,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// How long a process lives before it is taken for one that stays, milliseconds.
const SHORT: u32 = 50;

/// Signals that are blocked in this thread, to be passed on, until this is dropped.
#[derive(Debug)]
pub struct Signals {
    blocked: SignalSet,
    before: SignalSet,
}

impl Signals {
    /// Blocks them.
    #[must_use]
    pub fn block() -> Self {
        let all = NOT_FORWARDED.iter();
        let blocked = all.fold(SignalSet::ALL, |set, &signal| set.without(signal));
        Self {
            blocked,
            before: signal::set_mask(blocked),
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        signal::set_mask(self.before);
    }
}

/// Where the master of a process's terminal arrives that is relayed to our own.
#[derive(Debug)]
pub struct Terminal {
    here: UnixStream,
    /// What [`Options::console`](super::Options::console) is to be.
    pub there: Arc<OwnedFd>,
}

impl Terminal {
    /// A pair of sockets.
    ///
    /// # Errors
    /// [`Error::Supervise`] at a limit of descriptors.
    pub fn new() -> Result<Self> {
        let (here, there) = UnixStream::pair().map_err(|source| Error::Supervise {
            action: "make a pair of sockets",
            source,
        })?;
        let there = Arc::new(there.into());
        Ok(Self { here, there })
    }

    fn receive(self) -> Result<OwnedFd> {
        drop(self.there);
        let master = socket::receive_descriptor(self.here.as_raw_fd());
        let master = master.map_err(|errno| Error::Supervise {
            action: "receive the container's terminal",
            source: errno.into(),
        })?;
        Ok(master.into_owned())
    }
}

/// As [`stay`], with a process that has this one's terminal: what the terminal
/// sends, it sends to both.
///
/// # Errors
/// [`Error::Supervise`].
pub fn stay_beside(running: &mut Running, signals: &Signals) -> Result<ExitStatus> {
    loop {
        match signal::wait_for_origin(signals.blocked) {
            Ok((libc::SIGCHLD, _)) => {
                if let Some(status) = running.try_wait()? {
                    return Ok(status);
                }
            }
            Ok((_, Origin::Kernel)) | Err(_) => {}
            Ok((signal, Origin::Process)) => running.kill(signal)?,
        }
    }
}

/// Passes `signals` on, and relays the
/// process's terminal, until it has ended.
///
/// # Errors
/// [`Error::Supervise`].
pub fn stay(
    running: &mut Running,
    terminal: Option<Terminal>,
    signals: &Signals,
) -> Result<ExitStatus> {
    let signals = signals.blocked;
    if let Some(terminal) = terminal {
        return relay::supervise(running, terminal.receive()?, signals);
    }
    let mut early = signal::wait_at_most(signals, SHORT).ok().flatten();
    if early.is_none() {
        memory::give_back_text();
    }
    loop {
        match early
            .take()
            .map_or_else(|| signal::wait_for(signals), Ok::<_, Errno>)
        {
            Ok(libc::SIGCHLD) => {
                if let Some(status) = running.try_wait()? {
                    return Ok(status);
                }
            }
            Ok(signal) => running.kill(signal)?,
            Err(_) => {} // interrupted by a signal that is not forwarded
        }
    }
}
