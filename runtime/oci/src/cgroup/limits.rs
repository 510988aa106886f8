//! From `linux.resources` to files and what is written to them.
//!
//! Source: the kernel's `admin-guide/cgroup-v1` and `cgroup-v2.rst`.

use crate::spec::{Cpu, Memory, Resources};

/// One value for one control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The controller that has the file.
    pub(super) controller: &'static str,
    /// The file.
    pub(super) file: String,
    /// What to write.
    pub(super) value: String,
}

fn set(controller: &'static str, file: &str, value: impl std::fmt::Display) -> Setting {
    Setting {
        controller,
        file: file.to_owned(),
        value: format!("{value}"),
    }
}

/// The settings for version 1.
pub(super) fn v1(resources: &Resources) -> Vec<Setting> {
    let mut all = Vec::new();
    if let Some(memory) = &resources.memory {
        all.extend(memory_v1(memory));
    }
    if let Some(cpu) = &resources.cpu {
        // The period before the quota: the kernel checks one against the other.
        all.extend(cpu.shares.map(|v| set("cpu", "cpu.shares", v)));
        all.extend(cpu.period.map(|v| set("cpu", "cpu.cfs_period_us", v)));
        all.extend(cpu.quota.map(|v| set("cpu", "cpu.cfs_quota_us", v.max(-1))));
        all.extend(cpu.burst.map(|v| set("cpu", "cpu.cfs_burst_us", v)));
        all.extend(
            cpu.realtime_period
                .map(|v| set("cpu", "cpu.rt_period_us", v)),
        );
        all.extend(
            cpu.realtime_runtime
                .map(|v| set("cpu", "cpu.rt_runtime_us", v)),
        );
        all.extend(cpu.idle.map(|v| set("cpu", "cpu.idle", v)));
        all.extend(cpusets(cpu));
    }
    if let Some(pids) = &resources.pids {
        all.push(set("pids", "pids.max", unlimited_as_max(pids.limit, 1)));
    }
    all
}

fn memory_v1(memory: &Memory) -> impl Iterator<Item = Setting> {
    // The limit before memory and swap together, which may not be lower.
    let limit = memory
        .limit
        .map(|v| set("memory", "memory.limit_in_bytes", v));
    let swap = memory
        .swap
        .map(|v| set("memory", "memory.memsw.limit_in_bytes", v));
    let soft = memory
        .reservation
        .map(|v| set("memory", "memory.soft_limit_in_bytes", v));
    let swappiness = memory
        .swappiness
        .map(|v| set("memory", "memory.swappiness", v));
    let oom = memory.disable_oom_killer.filter(|&v| v);
    let oom = oom.map(|_| set("memory", "memory.oom_control", 1));
    [limit, swap, soft, swappiness, oom].into_iter().flatten()
}

fn cpusets(cpu: &Cpu) -> impl Iterator<Item = Setting> {
    let cpus = cpu.cpus.as_ref().map(|v| set("cpuset", "cpuset.cpus", v));
    let mems = cpu.mems.as_ref().map(|v| set("cpuset", "cpuset.mems", v));
    cpus.into_iter().chain(mems)
}

/// The settings for version 2.
pub(super) fn v2(resources: &Resources) -> Vec<Setting> {
    let mut all = Vec::new();
    if let Some(memory) = &resources.memory {
        all.extend(
            memory
                .limit
                .map(|v| set("memory", "memory.max", unlimited_as_max(v, 0))),
        );
        all.extend(
            memory
                .reservation
                .map(|v| set("memory", "memory.low", unlimited_as_max(v, 0))),
        );
        // Version 2 counts swap by itself.
        all.extend(memory.swap.map(|swap| {
            let only_swap = if swap < 0 {
                swap
            } else {
                swap - memory.limit.unwrap_or(0).max(0)
            };
            set("memory", "memory.swap.max", unlimited_as_max(only_swap, 0))
        }));
    }
    if let Some(cpu) = &resources.cpu {
        all.extend(
            cpu.shares
                .filter(|&s| s != 0)
                .map(|s| set("cpu", "cpu.weight", weight(s))),
        );
        if cpu.quota.is_some() || cpu.period.is_some() {
            let quota = unlimited_as_max(cpu.quota.unwrap_or(-1), 1);
            let period = cpu.period.unwrap_or(100_000);
            all.push(set("cpu", "cpu.max", format!("{quota} {period}")));
        }
        all.extend(cpu.burst.map(|v| set("cpu", "cpu.max.burst", v)));
        all.extend(cpu.idle.map(|v| set("cpu", "cpu.idle", v)));
        all.extend(cpusets(cpu));
    }
    if let Some(pids) = &resources.pids {
        all.push(set("pids", "pids.max", unlimited_as_max(pids.limit, 1)));
    }
    all.extend(resources.unified.iter().map(|(file, value)| {
        let controller = [
            "memory", "cpu", "cpuset", "pids", "io", "hugetlb", "rdma", "misc",
        ];
        let prefix = file.split('.').next().unwrap_or_default();
        let controller = controller.into_iter().find(|c| *c == prefix).unwrap_or("");
        set(controller, file, value)
    }));
    all
}

/// Below `least` a number means "no limit", which the kernel calls `max`.
fn unlimited_as_max(value: i64, least: i64) -> String {
    if value < least {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

/// Shares (2 to 262144) as a weight (1 to 10000), as the specification's
/// conversion has it.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Pids;

    fn check(settings: &[Setting], expected: &[(&str, &str)]) {
        let settings: Vec<_> = settings
            .iter()
            .map(|s| (s.file.as_str(), s.value.as_str()))
            .collect();
        assert_eq!(settings, expected);
    }

    fn limited() -> Resources {
        Resources {
            memory: Some(Memory {
                limit: Some(1000),
                swap: Some(1500),
                ..Memory::default()
            }),
            cpu: Some(Cpu {
                shares: Some(1024),
                quota: Some(-1),
                ..Cpu::default()
            }),
            pids: Some(Pids { limit: 7 }),
            ..Resources::default()
        }
    }

    #[test]
    fn version_1_writes_memory_before_memory_and_swap() {
        check(
            &v1(&limited()),
            &[
                ("memory.limit_in_bytes", "1000"),
                ("memory.memsw.limit_in_bytes", "1500"),
                ("cpu.shares", "1024"),
                ("cpu.cfs_quota_us", "-1"),
                ("pids.max", "7"),
            ],
        );
    }

    #[test]
    fn version_2_counts_swap_apart_and_says_max() {
        check(
            &v2(&limited()),
            &[
                ("memory.max", "1000"),
                ("memory.swap.max", "500"),
                ("cpu.weight", "39"),
                ("cpu.max", "max 100000"),
                ("pids.max", "7"),
            ],
        );
    }
}
