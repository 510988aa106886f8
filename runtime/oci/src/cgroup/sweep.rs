//! Groups left behind by a runtime that was killed.
//!
//! A process that gets SIGKILL cannot clean up. Its containers die with it
//! (their init asked the kernel for that), but its control groups stay. Each
//! carries its owner in its name, so the next command can tell.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::directory::remove_tree;
use super::discover::{Hierarchy, Version, discover};
use super::{delegate, processes};
use crate::procfs::start_time;
use crate::sys;

const PREFIX: &str = "isolab-";

/// A name for a group of this process:
/// `isolab-<pid namespace>-<pid>-<start time>-<number>`.
///
/// The start time tells this process from a later one with its pid, and the
/// namespace, which goes by the inode of `/proc/self/ns/pid`, from one that
/// has the pid elsewhere.
#[must_use]
pub fn owned_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    // No namespace has the inode 0: nobody takes this process for dead then.
    let (namespace, start) = match (pid_namespace(), start_time(pid)) {
        (Some(namespace), Ok(Some(start))) => (namespace, start),
        _ => (0, 0),
    };
    format!(
        "{PREFIX}{namespace}-{pid}-{start}-{}",
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The pid namespace of this process, where `/proc` is of it too.
fn pid_namespace() -> Option<u64> {
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str()?.parse() != Ok(std::process::id()) {
        return None;
    }
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

/// Removes the groups whose owner no longer runs; returns how many.
///
/// Looks where [`owned_name`] groups are made, in this process's own group of
/// each hierarchy or beside it, and at the top of each, where other runtimes
/// make them when given such a name. Those of another pid namespace are left:
/// whether their owners run cannot be told from here. Cheap enough for the
/// start of a command.
#[must_use]
pub fn sweep() -> usize {
    let Some(namespace) = pid_namespace() else {
        return 0;
    };
    let hierarchies = discover().unwrap_or_default();
    let places = places(&hierarchies);
    let sweep = |place| sweep_directory(place, namespace);
    places.into_iter().map(sweep).sum()
}

fn places(hierarchies: &[Hierarchy]) -> BTreeSet<&Path> {
    let is_unified = hierarchies.iter().all(|h| h.version == Version::V2);
    let of = |h| [delegate::start(h, is_unified), &h.own, &h.mount_point];
    hierarchies.iter().flat_map(of).collect()
}

fn sweep_directory(place: &Path, namespace: u64) -> usize {
    let Ok(entries) = fs::read_dir(place) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            name.to_str()
                .is_some_and(|name| is_abandoned(name, namespace))
        })
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

/// Whether `name` is of a process of ours in this pid `namespace`, and that is
/// gone. One that cannot be looked at may run.
fn is_abandoned(name: &str, namespace: u64) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let numbers: Option<Vec<u64>> = rest.split('-').map(|n| n.parse().ok()).collect();
    let Some([there, pid, start, _]) = numbers.as_deref() else {
        return false;
    };
    let life = u32::try_from(*pid).map(start_time);
    *there == namespace && matches!(life, Ok(Ok(now)) if now != Some(*start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: bool) {
        let namespace = pid_namespace().unwrap();
        assert_eq!(is_abandoned(name, namespace), expected, "{name}");
    }

    #[test]
    fn a_group_of_a_living_owner_is_not_abandoned() {
        check(&owned_name(), false);
    }

    #[test]
    fn a_group_of_a_dead_owner_is_abandoned_even_if_its_pid_lives_again() {
        let (namespace, pid) = (pid_namespace().unwrap(), std::process::id());
        check(&format!("isolab-{namespace}-{pid}-1-0"), true);
        check(&format!("isolab-{namespace}-4194305-77-0"), true);
    }

    #[test]
    fn an_owner_in_another_pid_namespace_is_never_taken_for_dead() {
        let namespace = pid_namespace().unwrap();
        check(&format!("isolab-{}-4194305-77-0", namespace + 1), false);
        check("isolab-0-4194305-77-0", false);
        check("isolab-4194305-77-0", false); // of a version that did not tell
    }

    #[test]
    fn a_group_of_somebody_else_is_left_alone() {
        for name in [
            "isolab-",
            "isolab-x-1-0",
            "isolab-1-1",
            "system.slice",
            "isolab-1-2-3-4-5",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn on_a_unified_host_it_looks_beside_the_own_group_where_new_ones_are_made() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a/own");
        fs::create_dir_all(&own).unwrap();
        let hierarchy = |version| Hierarchy {
            version,
            controllers: Vec::new(),
            mount_point: root.path().to_owned(),
            own: own.clone(),
        };
        let unified = [hierarchy(Version::V2)];
        let expected = [root.path(), own.parent().unwrap(), &own];
        assert_eq!(places(&unified), expected.into());
        let beside = [hierarchy(Version::V1), hierarchy(Version::V2)];
        assert_eq!(places(&beside), [root.path(), &own].into());
    }
}
