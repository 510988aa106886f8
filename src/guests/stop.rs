//! Ending a guest: its program is asked first, its keeper is killed last.
//!
//! The keeper takes SIGTERM for what ^C is at a terminal: the guest's program gets SIGINT, or, where
//! init is not ours, the power button is pressed. One that does not come to its end in the time that
//! was given is killed, and QEMU with it: it dies with its keeper.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::record::{Process, Seen, Status};

/// How often the guest is looked for.
const GLANCE: Duration = Duration::from_millis(10);
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
    let keeper = seen.record.keeper;
    send(keeper, Signal::SIGTERM)?;
    let asked = is_gone_within(keeper, grace);
    if !asked {
        send(keeper, Signal::SIGKILL)?;
        let gone = is_gone_within(keeper, LAST);
        let vmm = seen.record.vmm;
        let gone = gone && vmm.is_none_or(|vmm| is_gone_within(vmm, LAST));
        anyhow::ensure!(gone, "the guest `{}` does not die", seen.record.wanted.name);
    }
    seen.remove();
    Ok(if asked {
        Stopped::Asked
    } else {
        Stopped::Killed
    })
}

/// Sends a signal to the process that is meant, and to no other that has its number now.
fn send(process: Process, signal: Signal) -> Result<()> {
    if !process.lives() {
        return Ok(());
    }
    match kill(Pid::from_raw(process.pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).context("cannot signal the guest's keeper"),
    }
}

fn is_gone_within(process: Process, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while process.lives() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(GLANCE);
    }
    true
}
