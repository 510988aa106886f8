//! A started guest as a subject. Guests differ only in how one is known to be ready.

use std::time::{Duration, Instant};

use anyhow::Result;
use vm_model::guest::{Guest, RunningGuest};

use super::Running;
use crate::interrupt::Interrupt;

/// How a guest shows that it is ready.
pub(super) trait Sign {
    /// Waits for it, and says when it came.
    ///
    /// # Errors
    /// If the guest ends first, the deadline passes, or the user interrupts.
    fn wait(
        &self,
        guest: &mut RunningGuest,
        deadline: Duration,
        interrupt: &Interrupt,
    ) -> Result<Instant>;
}

/// A guest that was started.
pub(super) struct Booted<S> {
    // Ended before what its sign has goes.
    running: RunningGuest,
    ram_bytes: u64,
    sign: S,
}

impl<S: Sign> Booted<S> {
    /// Starts `guest`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(guest: &Guest, sign: S) -> Result<Self> {
        Ok(Self {
            running: guest.start()?,
            ram_bytes: guest.ram_bytes(),
            sign,
        })
    }
}

impl<S: Sign> Running for Booted<S> {
    fn wait_ready(&mut self, deadline: Duration, interrupt: &Interrupt) -> Result<Instant> {
        self.sign.wait(&mut self.running, deadline, interrupt)
    }

    fn processes(&self) -> Vec<i32> {
        i32::try_from(self.running.pid()).into_iter().collect()
    }

    fn guest_ram_bytes(&self) -> Option<u64> {
        Some(self.ram_bytes)
    }

    fn release(&mut self) -> Result<()> {
        self.running.release()?;
        Ok(())
    }

    fn wait_gone(&mut self, deadline: Duration, interrupt: &Interrupt) -> Result<()> {
        self.running.wait_unless(deadline, &|| interrupt.raised())?;
        Ok(())
    }
}
