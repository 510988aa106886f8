//! Ending everything that a step has started, also what its own parents left.
//!
//! A step that is killed can no longer end its children, and those may have left
//! its process group. The kernel hands orphans to the nearest ancestor that asked
//! for them; the demo asks, and so finds and ends them all.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// How long dying processes are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// From now on, orphaned descendants of this process become its children.
///
/// Source: `PR_SET_CHILD_SUBREAPER(2const)`.
pub(super) fn adopt() {
    // An old kernel's refusal costs thoroughness, and no demo.
    let _ = prctl::set_child_subreaper(true);
}

/// Kills the children of this process and what they leave, generation by
/// generation. To be called when no child is wanted any more; it does nothing
/// unless [`adopt`] was called.
pub(super) fn end() {
    if !prctl::get_child_subreaper().unwrap_or(false) {
        return;
    }
    let patience = Instant::now() + PATIENCE;
    loop {
        let children = children();
        if children.is_empty() || Instant::now() > patience {
            return;
        }
        for child in children {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, Some(WaitPidFlag::WNOHANG));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The children of this process, the dead among them as long as nobody has
/// waited for them.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // proc_pid_stat(5): the name in parentheses may hold anything.
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        parent == Some(own.as_str())
    })
    .map(Pid::from_raw)
    .collect()
}
