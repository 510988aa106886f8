//! Ending a guest: its program is asked first, its keeper is killed last.
//!
//! The keeper takes SIGTERM for what ^C is at a terminal: the guest's program gets SIGINT, or, where
//! init is not ours, the power button is pressed. One that does not come to its end in the time that
//! was given is killed, and QEMU with it: it dies with its keeper.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;

use super::directory::Seen;
use super::record::Status;

/// How long what was killed may take to be gone.
const LAST: Duration = Duration::from_secs(5);

/// How a guest came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It had ended before.
    Before,
    /// It ended when it was asked to.
    Asked,
    /// It was killed.
    Killed,
}

/// Ends the guest, at the latest after `grace`, and removes what is left of it.
///
/// # Errors
/// If it is another user's, or does not die.
pub fn stop(seen: &Seen, grace: Duration) -> Result<Stopped> {
    if !seen.is_kept || matches!(seen.record.status, Status::Ended { .. }) {
        seen.remove();
        return Ok(Stopped::Before);
    }
    let asked = end(seen, grace)?;
    seen.remove();
    Ok(if asked {
        Stopped::Asked
    } else {
        Stopped::Killed
    })
}

/// Ends its keeper; whether it was enough to ask.
fn end(seen: &Seen, grace: Duration) -> Result<bool> {
    let failed = "cannot signal the guest's keeper";
    let Some(keeper) = seen.record.keeper.pinned().context(failed)? else {
        // It has ended since it was looked at.
        return Ok(true);
    };
    keeper.signal(Signal::SIGTERM).context(failed)?;
    if keeper.is_gone_within(grace) {
        return Ok(true);
    }
    let vmm = seen.record.vmm.map(|vmm| vmm.pinned()).transpose();
    let vmm = vmm.context("cannot look at the guest's QEMU")?.flatten();
    keeper.signal(Signal::SIGKILL).context(failed)?;
    let is_gone = keeper.is_gone_within(LAST) && vmm.is_none_or(|vmm| vmm.is_gone_within(LAST));
    anyhow::ensure!(
        is_gone,
        "the guest `{}` does not die",
        seen.record.wanted.name
    );
    Ok(false)
}
