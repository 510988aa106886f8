//! Ctrl-C: keep what was measured, clean up, and say so.
//!
//! The first signal only leaves its number for the experiments to find between
//! samples. The second ends the process at once, for whoever cannot wait; what
//! is then left behind the next command sweeps.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

/// Whether nobody in this process listens for signals.
static UNHEARD: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Lets a signal that nobody listens for end this process, with the code that shells
/// report.
///
/// The first process of a pid namespace needs it: the kernel drops what would end it
/// by default.
///
/// # Errors
/// If the kernel does not take the signal handlers.
pub fn end_unheard() -> Result<()> {
    for signal in heeded() {
        end_where(signal, &UNHEARD)?;
    }
    // For this one nobody listens ever.
    end_where(SIGQUIT, &Arc::new(AtomicBool::new(true)))
}

/// Ends this process at the signal where `condition` holds then.
fn end_where(signal: i32, condition: &Arc<AtomicBool>) -> Result<()> {
    let status = i32::from(status_of(signal.unsigned_abs() as usize));
    let registered = flag::register_conditional_shutdown(signal, status, Arc::clone(condition));
    registered.map(drop).context("cannot listen for signals")
}

/// Whether, and how, the user asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// The number of the last signal that came; 0 for none.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on. A signal that is
    /// ignored stays so: `nohup isolab compare` outlives its terminal.
    ///
    /// # Errors
    /// If the kernel does not take the signal handlers.
    pub fn listen() -> Result<Self> {
        let once = Arc::new(AtomicBool::new(false));
        for signal in heeded() {
            // In this order: at the first signal `once` is not yet raised, so
            // only a second one finds the condition true.
            end_where(signal, &once)?;
            flag::register(signal, Arc::clone(&once)).context("cannot listen for signals")?;
        }
        Self::listen_only()
    }

    /// The same for who must not end at a second one, since whoever is out of
    /// patience kills it.
    ///
    /// # Errors
    /// If the kernel does not take the signal handlers.
    pub fn listen_only() -> Result<Self> {
        let own = Self::default();
        for signal in heeded() {
            let number = signal.unsigned_abs() as usize;
            flag::register_usize(signal, Arc::clone(&own.signal), number)
                .context("cannot listen for signals")?;
        }
        UNHEARD.store(false, Ordering::Relaxed);
        Ok(own)
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// The exit status of a command that a signal ended, as shells report it.
    #[must_use]
    pub fn exit_status(&self) -> Option<u8> {
        let signal = self.signal.load(Ordering::Relaxed);
        (signal != 0).then(|| status_of(signal))
    }
}

/// 128 and the number of the signal.
fn status_of(signal: usize) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Whether this process was told to ignore the signal of this number.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    is_in(signal, own_ignored())
}

/// Those of the signals that mean an end which this process was not told to ignore.
fn heeded() -> impl Iterator<Item = i32> {
    let ignored = own_ignored();
    let mean_an_end = [SIGINT, SIGTERM, SIGHUP].into_iter();
    mean_an_end.filter(move |&signal| !is_in(signal, ignored))
}

fn is_in(signal: i32, mask: u64) -> bool {
    mask & 1 << (signal - 1) != 0
}

fn own_ignored() -> u64 {
    ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

/// The mask of ignored signals, bit 0 for signal 1.
///
/// Source: `proc_pid_status(5)`, field `SigIgn`.
fn ignored(status: &str) -> u64 {
    let field = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    field
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let nohup = "Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored(nohup), 1 << (SIGHUP - 1));
        assert_eq!(ignored(""), 0);
    }

    #[test]
    fn exit_statuses_are_those_of_shells() {
        assert_eq!(status_of(2), 130);
        assert_eq!(status_of(15), 143);
        assert_eq!(Interrupt::default().exit_status(), None);
    }
}
