//! The signals that a demo answers itself.
//!
//! A terminal in a state of our own must be put back before anything ends or
//! stops this process, so no signal here acts by itself: each leaves a mark and
//! wakes the player, which never waits for anything else.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::{flag, low_level::pipe};

use crate::interrupt;

/// The signals that have come.
#[derive(Debug)]
pub struct Signals {
    ending: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    painting: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    /// Listens from now on. What is ignored stays so.
    ///
    /// # Errors
    /// If the kernel does not take the signal handlers.
    pub fn listen() -> Result<Self> {
        Self::register().context("cannot listen for signals")
    }

    fn register() -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let own = Self {
            ending: Arc::default(),
            stopping: Arc::default(),
            painting: Arc::default(),
            wake,
        };
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH] {
            if interrupt::is_ignored(signal) {
                continue;
            }
            match signal {
                SIGTSTP => flag::register(signal, Arc::clone(&own.stopping))?,
                SIGCONT | SIGWINCH => flag::register(signal, Arc::clone(&own.painting))?,
                _ => {
                    let number = signal.unsigned_abs() as usize;
                    flag::register_usize(signal, Arc::clone(&own.ending), number)?
                }
            };
            pipe::register(signal, woken.try_clone()?)?;
        }
        Ok(own)
    }

    /// The exit status that a signal to end asks for.
    #[must_use]
    pub fn ending(&self) -> Option<u8> {
        match self.ending.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        }
    }

    /// Whether Ctrl-Z was pressed since the last time.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stopping.swap(false, Ordering::Relaxed)
    }

    /// Whether the screen has to be painted anew: its size is another, or this
    /// process goes on after a stop.
    #[must_use]
    pub fn painting(&self) -> bool {
        self.painting.swap(false, Ordering::Relaxed)
    }

    /// Stops this process, as Ctrl-Z does; returns when it goes on.
    pub fn stop(&self) {
        let _ = kill(Pid::this(), Signal::SIGSTOP);
    }

    /// What becomes readable when a signal has come.
    #[must_use]
    pub fn source(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Forgets having been woken.
    pub fn awake(&self) {
        let mut waste = [0; 64];
        while (&self.wake).read(&mut waste).is_ok_and(|n| n > 0) {}
    }
}
