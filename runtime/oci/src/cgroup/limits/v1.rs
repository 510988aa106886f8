//! The settings of version 1, in the order in which they are written.

use super::{Setting, block, cpusets, given, hugepages, pids, rdma, set};
use crate::error::{Error, Result};
use crate::spec::{Cpu, Memory, Network, Resources};

/// The settings that `resources` asks for.
pub(in crate::cgroup) fn settings(resources: &Resources) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    if let Some(memory) = &resources.memory {
        all.extend(memory_settings(memory));
    }
    if let Some(cpu) = &resources.cpu {
        all.extend(cpu_settings(cpu)?);
        all.extend(cpusets(cpu));
    }
    all.extend(resources.pids.as_ref().and_then(pids));
    all.extend(resources.block_io.iter().flat_map(block::v1));
    let pages = resources.hugepage_limits.iter().enumerate();
    all.extend(pages.flat_map(|(index, limit)| hugepages(index, limit, "limit_in_bytes")));
    all.extend(resources.network.iter().flat_map(network));
    all.extend(
        resources
            .rdma
            .iter()
            .filter_map(|(name, limits)| rdma(name, limits)),
    );
    Ok(all)
}

fn memory_settings(memory: &Memory) -> impl Iterator<Item = Setting> {
    let limit = given(memory.limit);
    // No limit at all of the memory means none of memory and swap together either.
    let implied = || (limit == Some(-1)).then_some(-1);
    let swap = given(memory.swap)
        .map(memsw)
        .or_else(|| implied().map(|v| memsw(v).if_there()));
    let limit = limit.map(|v| set("memory.limit", "memory", "memory.limit_in_bytes", v));
    let soft = given(memory.reservation).map(|v| {
        set(
            "memory.reservation",
            "memory",
            "memory.soft_limit_in_bytes",
            v,
        )
    });
    let swappiness = memory.swappiness.filter(|v| *v <= 100);
    let swappiness = swappiness.map(|v| set("memory.swappiness", "memory", "memory.swappiness", v));
    let oom = memory.disable_oom_killer.filter(|&v| v);
    let oom = oom.map(|_| set("memory.disableOOMKiller", "memory", "memory.oom_control", 1));
    let tcp = given(memory.kernel_tcp);
    let tcp = tcp.map(|v| {
        set(
            "memory.kernelTCP",
            "memory",
            "memory.kmem.tcp.limit_in_bytes",
            v,
        )
    });
    [limit, swap, soft, tcp, swappiness, oom]
        .into_iter()
        .flatten()
}

fn memsw(value: i64) -> Setting {
    set(
        "memory.swap",
        "memory",
        "memory.memsw.limit_in_bytes",
        value,
    )
}

fn cpu_settings(cpu: &Cpu) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    if let Some(shares) = given(cpu.shares) {
        // The kernel would silently take the nearest.
        let bound = match shares {
            0 | 1 => Some("minimum allowed cpu-shares is 2"),
            2..=262_144 => None,
            _ => Some("maximum allowed cpu-shares is 262144"),
        };
        if let Some(bound) = bound {
            return Err(Error::Invalid {
                field: "linux.resources.cpu.shares".to_owned(),
                reason: format!("{shares}: the {bound}"),
                remedy: "2 to 262144".to_owned(),
            });
        }
        all.push(set("cpu.shares", "cpu", "cpu.shares", shares));
    }
    all.extend(cpu.idle.map(|v| set("cpu.idle", "cpu", "cpu.idle", v)));
    all.extend(given(cpu.period).map(|v| set("cpu.period", "cpu", "cpu.cfs_period_us", v)));
    let quota = given(cpu.quota).map(|v| v.max(-1));
    all.extend(quota.map(|v| set("cpu.quota", "cpu", "cpu.cfs_quota_us", v)));
    all.extend(
        cpu.burst
            .map(|v| set("cpu.burst", "cpu", "cpu.cfs_burst_us", v)),
    );
    let period = given(cpu.realtime_period);
    all.extend(period.map(|v| set("cpu.realtimePeriod", "cpu", "cpu.rt_period_us", v)));
    let runtime = given(cpu.realtime_runtime);
    all.extend(runtime.map(|v| set("cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", v)));
    Ok(all)
}

/// A file of its own for the class; one line at a time for the priorities.
fn network(network: &Network) -> Vec<Setting> {
    let class = given(network.class_id);
    let class = class.map(|v| set("network.classID", "net_cls", "net_cls.classid", v));
    let priorities = network.priorities.iter().enumerate();
    let priorities = priorities.map(|(index, interface)| {
        let line = format!("{} {}", interface.name, interface.priority);
        set("", "net_prio", "net_prio.ifpriomap", line)
            .named(format!("network.priorities[{index}]"))
    });
    class.into_iter().chain(priorities).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{check, resources};
    use super::*;

    #[test]
    fn every_limit_has_its_file() {
        let asked = resources(
            r#"{"memory":{"limit":1000,"swap":1500,"reservation":9,"swappiness":0,
                  "disableOOMKiller":true,"kernel":5,"kernelTCP":5},
                "cpu":{"shares":1024,"quota":-7,"period":5000,"burst":1,"idle":1,
                  "realtimePeriod":3,"realtimeRuntime":2,"cpus":"0","mems":"0-1"},
                "pids":{"limit":7},
                "hugepageLimits":[{"pageSize":"2MB","limit":4}],
                "network":{"classID":16,"priorities":[{"name":"lo","priority":3}]},
                "rdma":{"mlx":{"hcaHandles":3,"hcaObjects":4}}}"#,
        );
        check(
            &settings(&asked).unwrap(),
            &[
                ("memory.limit_in_bytes", "1000"),
                ("memory.memsw.limit_in_bytes", "1500"),
                ("memory.soft_limit_in_bytes", "9"),
                ("memory.kmem.tcp.limit_in_bytes", "5"),
                ("memory.swappiness", "0"),
                ("memory.oom_control", "1"),
                ("cpu.shares", "1024"),
                ("cpu.idle", "1"),
                ("cpu.cfs_period_us", "5000"),
                ("cpu.cfs_quota_us", "-1"),
                ("cpu.cfs_burst_us", "1"),
                ("cpu.rt_period_us", "3"),
                ("cpu.rt_runtime_us", "2"),
                ("cpuset.cpus", "0"),
                ("cpuset.mems", "0-1"),
                ("pids.max", "7"),
                ("hugetlb.2MB.limit_in_bytes", "4"),
                ("hugetlb.2MB.rsvd.limit_in_bytes", "4"),
                ("net_cls.classid", "16"),
                ("net_prio.ifpriomap", "lo 3"),
                ("rdma.max", "mlx hca_handle=3 hca_object=4"),
            ],
        );
    }

    #[test]
    fn memory_without_limit_takes_the_limit_of_swap_with_it() {
        let asked = resources(r#"{"memory":{"limit":-1}}"#);
        let files = [
            ("memory.limit_in_bytes", "-1"),
            ("memory.memsw.limit_in_bytes", "-1"),
        ];
        check(&settings(&asked).unwrap(), &files);
    }

    #[test]
    fn a_zero_leaves_the_limit_as_it_is() {
        let asked = resources(
            r#"{"memory":{"limit":0,"swap":0,"reservation":0},"pids":{"limit":0},
                "cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}"#,
        );
        check(&settings(&asked).unwrap(), &[]);
    }

    #[test]
    fn shares_that_the_kernel_would_change_are_refused() {
        for shares in [1, 262_145] {
            let asked = resources(&format!(r#"{{"cpu":{{"shares":{shares}}}}}"#));
            assert!(settings(&asked).is_err(), "{shares}");
        }
    }
}
