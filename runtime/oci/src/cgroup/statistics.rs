//! What a container has used: the fields and names of runc's `events --stats`,
//! which engines parse.
//!
//! Source: runc's `types/events.go`, checked against what runc 1.1.5 prints.

mod parse;
mod v1;
mod v2;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Groups;

/// The `data` of an event of type `stats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// Time on the CPUs.
    pub cpu: Cpu,
    /// CPUs and memory nodes.
    pub cpuset: Cpuset,
    /// Memory.
    pub memory: Memory,
    /// Processes.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// Huge pages by size.
    pub hugetlb: BTreeMap<String, Hugetlb>,
    /// Always empty: Intel's resource director is not used.
    pub intel_rdt: BTreeMap<String, String>,
    /// Always `null`: interfaces belong to the engine.
    pub network_interfaces: Option<Vec<String>>,
}

/// Time on the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// How long it ran.
    pub usage: CpuUsage,
    /// How long it had to wait for its quota.
    pub throttling: Throttling,
    /// How long it had to wait for a CPU; version 2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Nanoseconds on the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpuUsage {
    /// All together.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
    /// On each CPU; version 1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// In the kernel on each CPU; version 1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// In its programs on each CPU; version 1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In its programs.
    pub user: u64,
}

/// Waiting for a new period's quota.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods that have passed.
    #[serde(skip_serializing_if = "is_zero")]
    pub periods: u64,
    /// Those in which it had to wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_periods: u64,
    /// For how many nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_time: u64,
}

/// CPUs, memory nodes, and version 1's switches about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // cpuset(7) explains these switches
pub struct Cpuset {
    /// CPUs that it may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    /// Memory nodes that it may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Of files, kept in case they are read again.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache: u64,
    /// All of its memory.
    pub usage: MemoryEntry,
    /// Memory and swap together, on both versions.
    pub swap: MemoryEntry,
    /// The kernel's memory for it; version 1 only.
    pub kernel: MemoryEntry,
    /// Buffers of TCP; version 1 only.
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// The kernel's `memory.stat`, as it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// How long it had to wait for memory; version 2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One kind of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryEntry {
    /// The most that it may have.
    pub limit: u64,
    /// What it has.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most that it had.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often it ran into the limit.
    pub failcnt: u64,
}

/// Processes and threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    /// How many there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// The most there may be; absent without a limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// Block devices, each list by device and operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blkio {
    /// Bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Operations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Operations that wait; version 1 with its own schedulers only, as what follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_queue_recursive: Vec<BlkioEntry>,
    /// Nanoseconds from being sent to the device to the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    /// Nanoseconds in a queue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    /// Operations that were merged into others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    /// Milliseconds that it had the device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    /// Sectors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    /// How long it had to wait for a device; version 2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// A number for a device and an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BlkioEntry {
    /// Its major number.
    #[serde(skip_serializing_if = "is_zero")]
    pub major: u64,
    /// Its minor number.
    #[serde(skip_serializing_if = "is_zero")]
    pub minor: u64,
    /// `Read`, `Write` and others of the kernel's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The number.
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hugetlb {
    /// In use.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most that was in use; version 1 only.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often it ran into the limit.
    pub failcnt: u64,
}

/// Waiting for something: shares of the time, in percent (`accounting/psi.rst`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// At least one process waited.
    pub some: Stall,
    /// All of them waited.
    pub full: Stall,
}

/// Over the last 10, 60 and 300 seconds, and microseconds in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // named by their length
pub struct Stall {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Groups {
    /// What the container has used. What no controller here counts is zero.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics::default();
        if let Some(unified) = self.unified() {
            v2::read(&unified.directory, &mut all);
        }
        for group in &self.groups {
            v1::read(group, &mut all);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_counts_looks_as_runc_writes_it() {
        let entry = serde_json::json!({"limit": 0, "failcnt": 0});
        assert_eq!(
            serde_json::to_value(Statistics::default()).unwrap(),
            serde_json::json!({
                "cpu": {"usage": {"kernel": 0, "user": 0}, "throttling": {}},
                "cpuset": {
                    "cpu_exclusive": 0, "mem_hardwall": 0, "mem_exclusive": 0, "memory_migrate": 0,
                    "memory_spread_page": 0, "memory_spread_slab": 0, "memory_pressure": 0,
                    "sched_load_balance": 0, "sched_relax_domain_level": 0
                },
                "memory": {"usage": entry, "swap": entry, "kernel": entry, "kernelTCP": entry},
                "pids": {}, "blkio": {}, "hugetlb": {}, "intel_rdt": {}, "network_interfaces": null
            })
        );
    }
}
