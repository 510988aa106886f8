//! What guests take of memory: one, four, and four of a saved one.
//!
//! Proportional set size of QEMU's process, the guest's memory in it; what is emulated holds
//! translated code, too, which is no cost of virtualization.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::footprint::{self, Shares};
use isolab::observation::Unit;
use isolab::report::quantity::human;
use serde::Serialize;
use vm_model::guest::{Guest, RunningGuest};
use vm_model::saved::{self, Patience, Restored, Snapshot};

/// How many there are at once.
const SEVERAL: usize = 4;
/// How long one may take to be ready.
const PATIENCE: Patience = Patience {
    watchdog: Duration::from_secs(60),
    tries: 3,
};
/// How long they are left alone before they are weighed.
const REST: Duration = Duration::from_millis(500);

/// What guests of a kind were seen to take.
#[derive(Debug, Serialize)]
pub(crate) struct Weighed {
    what: String,
    /// Bytes of each that no other process has mapped.
    own: Vec<u64>,
    /// Each one's part of what it shares, in bytes.
    shared: Vec<u64>,
}

impl Weighed {
    fn of(what: String, shares: &[Shares]) -> Self {
        Self {
            what,
            own: shares.iter().map(|it| it.own).collect(),
            shared: shares.iter().map(|it| it.shared).collect(),
        }
    }
}

/// Weighs guests made of `guest`, whose workload holds.
pub(crate) fn of(guest: &Guest, scratch: &Path) -> Result<Vec<Weighed>> {
    let mut weighed = Vec::new();
    for count in [1, SEVERAL] {
        let guests: Vec<_> = (0..count)
            .map(|number| boot(guest, &scratch.join(format!("console-{number}"))))
            .collect::<Result<_>>()?;
        let shares = shares(guests.iter().map(RunningGuest::pid))?;
        weighed.push(Weighed::of(format!("{count} booted"), &shares));
    }
    let snapshot = saved::take(guest, &scratch.join("weighed"), PATIENCE, &|| false)?.snapshot;
    for count in [1, SEVERAL] {
        let guests = restored(&snapshot, count)?;
        let shares = shares(guests.iter().map(Restored::pid))?;
        weighed.push(Weighed::of(format!("{count} restored"), &shares));
    }
    Ok(weighed)
}

fn boot(guest: &Guest, console: &Path) -> Result<RunningGuest> {
    let guest = guest.clone().console(console);
    Ok(guest.boot_with_retries(PATIENCE.watchdog, 3)?.guest)
}

/// Guests of a saved one, running and holding.
fn restored(snapshot: &Snapshot, count: usize) -> Result<Vec<Restored>> {
    let ready = snapshot.ready()?;
    let mut guests = (0..count)
        .map(|_| ready.start(&[]))
        .collect::<Result<Vec<_>, _>>()?;
    for guest in &mut guests {
        guest.wait_running_unless(PATIENCE.watchdog, &|| false)?;
    }
    Ok(guests)
}

fn shares(pids: impl Iterator<Item = u32>) -> Result<Vec<Shares>> {
    std::thread::sleep(REST);
    pids.map(|pid| footprint::shares(i32::try_from(pid).context("a process id is positive")?))
        .collect()
}

/// As text of 80 columns.
pub(crate) fn render(weighed: &[Weighed]) -> String {
    let mut out = String::from("memory of guests (PSS of QEMU, what is emulated included)\n");
    out += &format!("  {:<26}{:<16}{:<16}all\n", "", "own, each", "shared, each");
    let bytes = |bytes: u64| human(bytes as f64, Unit::Bytes);
    for one in weighed {
        let mean = |list: &[u64]| list.iter().sum::<u64>() / list.len().max(1) as u64;
        let all = one.own.iter().chain(&one.shared).sum();
        out += &format!(
            "  {:<26}{:<16}{:<16}{}\n",
            one.what,
            bytes(mean(&one.own)),
            bytes(mean(&one.shared)),
            bytes(all)
        );
    }
    out + "\n"
}
