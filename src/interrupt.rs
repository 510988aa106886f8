//! Ctrl-C: keep what was measured, clean up, and say so.
//!
//! The first signal only raises a flag that the experiments look at between
//! samples. The second ends the process at once, for whoever cannot wait; what
//! is then left behind the next command sweeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit status of a command that a SIGINT ended, as shells report it.
pub const EXIT_STATUS: u8 = 130;

/// Whether the user asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    /// If the kernel does not take the signal handlers.
    pub fn listen() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: at the first signal the flag is not yet raised, so
            // only the second one finds the condition true.
            flag::register_conditional_shutdown(signal, EXIT_STATUS.into(), Arc::clone(&raised))
                .and_then(|_| flag::register(signal, Arc::clone(&raised)))
                .context("cannot listen for signals")?;
        }
        Ok(Self(raised))
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
