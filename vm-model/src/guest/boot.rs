//! Booting again after a hang, and saying so.

use std::time::Duration;

use super::{Guest, RunningGuest};
use crate::error::{Error, Result};

/// A guest that is ready, and what it took.
#[derive(Debug)]
pub struct Booted {
    /// The guest, ready.
    pub guest: RunningGuest,
    /// From the spawn of the try that succeeded to its ready byte.
    pub startup: Duration,
    /// The tries before it, each with its error: to be reported with the sample.
    pub failures: Vec<Error>,
}

pub(super) fn with_retries(guest: &Guest, watchdog: Duration, tries: u32) -> Result<Booted> {
    let mut failures = Vec::new();
    loop {
        let mut running = guest.start()?;
        match running.wait_ready(watchdog) {
            Ok(startup) => {
                return Ok(Booted {
                    guest: running,
                    startup,
                    failures,
                });
            }
            Err(error @ Error::Watchdog { .. }) => failures.push(error),
            Err(error) => return Err(error),
        }
        if failures.len() >= tries.max(1) as usize {
            let tries = failures.len();
            return Err(match failures.pop() {
                Some(last) if tries > 1 => Error::Tries {
                    tries,
                    last: Box::new(last),
                },
                Some(only) => only,
                None => unreachable!("a failure was pushed above"),
            });
        }
    }
}
