//! Disk and memory, as the kernel accounts them.

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

pub use isolab_engine::disk::{allocated_bytes, exclusive_bytes};

/// Proportional set size of a process, in bytes.
///
/// Shared pages are divided among their sharers, so ten containers on one image
/// are not charged ten times for libc.
///
/// # Errors
/// If the process is gone or may not be looked at.
///
/// Source: `proc_pid_smaps(5)`, field `Pss`.
pub fn proportional_set_bytes(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    kibibytes(&text, "Pss:").with_context(|| format!("{path} says nothing of Pss"))
}

/// All of the machine's memory, in bytes.
///
/// # Errors
/// If `/proc/meminfo` cannot be read.
pub fn total_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    kibibytes(&text, "MemTotal:").context("/proc/meminfo says nothing of MemTotal")
}

/// What a process takes of memory, in bytes: what is its own alone, and its part of what it
/// shares with others. The two add up to its proportional set size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Pages that no other process has mapped: what its end would free.
    pub own: u64,
    /// Of pages that others have mapped, too: its part.
    pub shared: u64,
}

/// The memory of a process, what is its own told from what it shares.
///
/// # Errors
/// If the process is gone or may not be looked at.
///
/// Source: `proc_pid_smaps(5)`, fields `Pss`, `Private_Clean` and `Private_Dirty`.
pub fn shares(pid: i32) -> Result<Shares> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    shares_of(&text).with_context(|| format!("{path} says nothing of Pss"))
}

fn shares_of(text: &str) -> Option<Shares> {
    let own = kibibytes(text, "Private_Clean:")? + kibibytes(text, "Private_Dirty:")?;
    let all = kibibytes(text, "Pss:")?;
    // Each figure is rounded by itself.
    let shared = all.saturating_sub(own);
    Some(Shares { own, shared })
}

/// What could be given to new programs without swapping, in bytes: the kernel's
/// `MemAvailable`, and the free pages that each CPU keeps at hand.
///
/// The latter are free and in no count of free memory: what one program gave
/// back the next takes from there, and `MemAvailable` does not move. On a machine
/// with two CPUs they hid 40 MB of eight Python processes.
///
/// # Errors
/// If `/proc/meminfo` cannot be read.
///
/// Sources: `proc_meminfo(5)`, field `MemAvailable`; `proc_zoneinfo(5)`, the
/// pagesets' `count`.
pub fn available_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let counted = kibibytes(&text, "MemAvailable:");
    let counted = counted.context("/proc/meminfo says nothing of MemAvailable")?;
    let zones = fs::read_to_string("/proc/zoneinfo").unwrap_or_default();
    Ok(counted + pages_at_hand(&zones) * page_bytes())
}

/// What the kernel takes for itself and cannot give back, in bytes: stacks, page
/// tables, its objects (namespaces, control groups, sockets), and what it keeps
/// for each CPU.
///
/// Of a container this is the larger part, and no process is charged with it.
/// What other programs allocate moves it far less than it moves `MemAvailable`.
///
/// # Errors
/// If `/proc/meminfo` cannot be read.
///
/// Source: `proc_meminfo(5)`.
pub fn kernel_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let fields = ["KernelStack:", "PageTables:", "SUnreclaim:", "Percpu:"];
    let known = fields.iter().filter_map(|field| kibibytes(&text, field));
    Ok(known.sum())
}

/// The free pages on the lists of every CPU and zone.
fn pages_at_hand(zoneinfo: &str) -> u64 {
    let counts = zoneinfo
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("count:"));
    counts
        .filter_map(|count| count.trim().parse::<u64>().ok())
        .sum()
}

fn page_bytes() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

/// Every descendant of `pid` and itself.
#[must_use]
pub fn process_tree(pid: i32) -> Vec<i32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        next += 1;
        // A parent's children are listed per thread (proc_pid_task(5)).
        for task in fs::read_dir(format!("/proc/{parent}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            tree.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<i32>().ok()),
            );
        }
    }
    tree
}

/// The value of a `Name:   123 kB` line, in bytes.
fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field))?;
    let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_a_cpu_keeps_at_hand_are_counted() {
        let zoneinfo = "Node 0, zone Normal\n  pagesets\n    cpu: 0\n              count:    12\n\
                        \x20             high:     300\n    cpu: 1\n              count: 30\n";
        assert_eq!(pages_at_hand(zoneinfo), 42);
        assert_eq!(pages_at_hand(""), 0);
    }

    #[test]
    fn fields_are_read_in_bytes() {
        assert_eq!(
            kibibytes("Rss:  8 kB\nPss:     12 kB\n", "Pss:"),
            Some(12 * 1024)
        );
        assert_eq!(kibibytes("Pss: many kB\n", "Pss:"), None);
        assert_eq!(kibibytes("", "Pss:"), None);
    }

    #[test]
    fn what_is_shared_is_what_is_not_private() {
        let text = "Rss: 90 kB\nPss: 60 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty: 20 kB\n";
        let (own, shared) = (30 * 1024, 30 * 1024);
        assert_eq!(shares_of(text), Some(Shares { own, shared }));
        assert_eq!(shares_of("Pss: 60 kB\n"), None);
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(shares(pid).unwrap().own > 4096);
    }

    #[test]
    fn this_process_has_a_set_size_and_belongs_to_its_own_tree() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(proportional_set_bytes(own).unwrap() > 4096);
        assert!(kernel_bytes().unwrap() > 1 << 20);
        assert_eq!(process_tree(own)[0], own);
    }
}
