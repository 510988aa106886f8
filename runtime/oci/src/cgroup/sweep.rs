//! Groups left behind by a runtime that was killed.
//!
//! A process that gets SIGKILL cannot clean up. Its containers die with it
//! (their init asked the kernel for that), but its control groups stay. Each
//! carries its owner in its name, so the next command can tell.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::directory::remove_tree;
use super::discover::discover;
use super::processes;
use crate::procfs::start_time;
use crate::sys;

const PREFIX: &str = "isolab-";

/// A name for a group of this process: `isolab-<pid>-<start time>-<number>`.
///
/// The start time tells this process from a later one with its pid.
#[must_use]
pub fn owned_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    let start = start_time(pid).ok().flatten().unwrap_or(0);
    format!(
        "{PREFIX}{pid}-{start}-{}",
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Removes the groups whose owner no longer runs; returns how many.
///
/// Looks in this process's own group of each hierarchy, where
/// [`owned_name`] groups are made, and at its top, where other runtimes make
/// them when given such a name. Cheap enough for the start of a command.
#[must_use]
pub fn sweep() -> usize {
    let hierarchies = discover().unwrap_or_default();
    let mut places: Vec<&Path> = hierarchies
        .iter()
        .flat_map(|h| [h.own.as_path(), h.mount_point.as_path()])
        .collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(sweep_directory).sum()
}

fn sweep_directory(own: &Path) -> usize {
    let Ok(entries) = fs::read_dir(own) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_abandoned))
        .filter(|entry| remove(&entry.path()))
        .count()
}

/// Removes a group with those below it, and ends what runs in them: a container
/// of another runtime, killed between its making and its start, waits for ever.
fn remove(group: &Path) -> bool {
    for pid in processes::below(group) {
        let _ = sys::process::kill(pid, libc::SIGKILL);
    }
    remove_tree(group, Instant::now() + Duration::from_millis(100))
}

/// Whether `name` is of ours and its owner is gone.
fn is_abandoned(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let mut numbers = rest.split('-').map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(start)), Some(Ok(_)), None) = (
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.next(),
    ) else {
        return false;
    };
    let life = u32::try_from(pid).map(start_time);
    matches!(life, Ok(Ok(now)) if now != Some(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_a_living_owner_is_not_abandoned() {
        assert!(!is_abandoned(&owned_name()));
    }

    #[test]
    fn a_group_of_a_dead_owner_is_abandoned_even_if_its_pid_lives_again() {
        let pid = std::process::id();
        assert!(is_abandoned(&format!("isolab-{pid}-1-0")));
        assert!(is_abandoned("isolab-4194305-77-0"));
    }

    #[test]
    fn a_group_of_somebody_else_is_left_alone() {
        for name in [
            "isolab-",
            "isolab-x-1-0",
            "isolab-1-1",
            "system.slice",
            "isolab-1-2-3-4",
        ] {
            assert!(!is_abandoned(name), "{name}");
        }
    }
}
