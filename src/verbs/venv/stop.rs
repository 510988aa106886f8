//! Ctrl-C while something is changed: until files are put in place nothing is, and that is said.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::stderr;

/// How often somebody looks whether a signal came.
const TURN: Duration = Duration::from_millis(20);

/// Watches for a signal as long as it lives.
pub(super) struct Stop {
    interrupt: Interrupt,
    /// Whether files are being put in place. Held while the process ends, so that none is then.
    is_changing: Arc<Mutex<bool>>,
    is_done: Arc<AtomicBool>,
}

impl Stop {
    /// From now on a signal ends this process, which says `sentence`.
    pub(super) fn watch(sentence: String) -> Result<Self> {
        let stop = Self {
            interrupt: Interrupt::listen()?,
            is_changing: Arc::default(),
            is_done: Arc::default(),
        };
        let (interrupt, is_changing) = (stop.interrupt.clone(), Arc::clone(&stop.is_changing));
        let is_done = Arc::clone(&stop.is_done);
        let watching = move || {
            let mut is_told = false;
            while !is_done.load(Ordering::Relaxed) {
                if interrupt.raised() {
                    end_or_wait(&interrupt, &is_changing, &sentence, is_told);
                    is_told = true;
                }
                thread::sleep(TURN);
            }
        };
        // Where there is no thread to be had, a signal waits for the end.
        let _ = thread::Builder::new().spawn(watching);
        Ok(stop)
    }

    /// Whether files are put in place from now on: a signal waits for that. It takes no time worth
    /// saving, and a second signal ends the process all the same.
    pub(super) fn is_changing(&self, now: bool) {
        *self
            .is_changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// The exit status, where a signal came.
    pub(super) fn exit_status(&self) -> Option<u8> {
        self.interrupt.exit_status()
    }
}

/// Ends the process, but while files are put in place; that is told once.
fn end_or_wait(interrupt: &Interrupt, is_changing: &Mutex<bool>, sentence: &str, is_told: bool) {
    let is_changing = is_changing.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_changing {
        stderr::tell(format_args!("\ninterrupted; {sentence}"));
        process::exit(interrupt.exit_status().unwrap_or(1).into());
    }
    if !is_told {
        stderr::tell(
            "\ninterrupted, and first finished; once more ends it at once, and the next command undoes it",
        );
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Relaxed);
    }
}
