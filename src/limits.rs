//! What the kernel hands out in a limited number, whatever memory there is:
//! process ids and namespaces.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::environment::cgroup::{self, Hierarchy};
use crate::environment::{mounts, read};

/// How many tasks (processes and threads) this user can still start.
///
/// The least of what the system, the user and each control group above this
/// process have left; `None` where none of them says.
///
/// Sources: `proc_sys_kernel(5)`, `pid_max` and `threads-max`; `getrlimit(2)`,
/// `RLIMIT_NPROC`, which does not bind root; the kernel's
/// `Documentation/admin-guide/cgroup-v2.rst`, `pids.max`.
#[must_use]
pub fn tasks_left() -> Option<u64> {
    let running = running(&read("/proc/loadavg"));
    let system = ["pid_max", "threads-max"]
        .into_iter()
        .filter_map(|name| number(&read(format!("/proc/sys/kernel/{name}"))))
        .map(|most| most.saturating_sub(running));
    let user = max_processes(&read("/proc/self/limits"))
        .filter(|_| !nix::unistd::geteuid().is_root())
        .map(|most| most.saturating_sub(own_tasks()));
    let mounts = mounts::parse(&read("/proc/self/mountinfo"));
    let groups = cgroup::hierarchies(&read("/proc/self/cgroup"), &mounts);
    let groups = groups.iter().filter_map(left_in_group);
    system.chain(user).chain(groups).min()
}

/// How many more containers could have their own namespaces of every kind, had
/// nobody else any.
///
/// Source: `namespaces(7)`, section `/proc/sys/user`.
#[must_use]
pub fn namespaces() -> Option<u64> {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let most = kinds.map(|kind| number(&read(format!("/proc/sys/user/max_{kind}_namespaces"))));
    most.into_iter().flatten().min()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// All tasks of the system: `0.20 0.18 0.12 1/80 11206`.
fn running(loadavg: &str) -> u64 {
    let field = loadavg
        .split(' ')
        .nth(3)
        .and_then(|field| field.split_once('/'));
    field.and_then(|(_, all)| number(all)).unwrap_or_default()
}

/// The soft limit on this user's tasks; `None` if there is none.
fn max_processes(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max processes"))?;
    number(line.split_ascii_whitespace().next()?)
}

/// The tasks of this user.
fn own_tasks() -> u64 {
    let user = nix::unistd::getuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = processes.filter(|entry| entry.metadata().is_ok_and(|m| m.uid() == user));
    let tasks = own.filter_map(|entry| fs::read_dir(entry.path().join("task")).ok());
    tasks.map(|tasks| tasks.count() as u64).sum()
}

/// What the control groups of a hierarchy, from this process's up, have left.
fn left_in_group(hierarchy: &Hierarchy) -> Option<u64> {
    let own = hierarchy.own.as_deref()?;
    let above = own
        .ancestors()
        .take_while(|dir| dir.starts_with(&hierarchy.mount_point));
    above.filter_map(left_in).min()
}

fn left_in(group: &Path) -> Option<u64> {
    // `max` is no number: no limit.
    let most = number(&read(group.join("pids.max")))?;
    Some(most.saturating_sub(number(&read(group.join("pids.current")))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(running("0.20 0.18 0.12 1/80 11206\n"), 80);
        assert_eq!(running(""), 0);
        let limits = "Limit        Soft Limit  Hard Limit  Units\n\
                      Max processes             95000                96000                processes\n";
        assert_eq!(max_processes(limits), Some(95_000));
        let none =
            "Max processes             unlimited            unlimited            processes\n";
        assert_eq!(max_processes(none), None);
    }

    #[test]
    fn a_control_groups_limit_counts_what_it_has_already() {
        let group = tempfile::tempdir().unwrap();
        fs::write(group.path().join("pids.max"), "max\n").unwrap();
        fs::write(group.path().join("pids.current"), "7\n").unwrap();
        assert_eq!(left_in(group.path()), None);
        fs::write(group.path().join("pids.max"), "10\n").unwrap();
        assert_eq!(left_in(group.path()), Some(3));
        fs::write(group.path().join("pids.max"), "5\n").unwrap();
        assert_eq!(left_in(group.path()), Some(0));
    }

    #[test]
    fn this_machine_has_tasks_left_and_this_user_has_some() {
        assert!(tasks_left().unwrap() > 0);
        assert!(own_tasks() > 0);
    }
}
