//! The counters of version 1, a controller at a time.

use std::fs;
use std::path::Path;

use super::parse::{by_device, keyed, list, number, numbers};
use super::{BlkioEntry, Hugetlb, MemoryEntry, Statistics};
use crate::cgroup::groups::Member;

/// The kernel counts `cpuacct.stat` in hundredths of a second, whatever its clock.
const TICK: u64 = 1_000_000_000 / 100;

/// Adds what the controllers of one version 1 group count.
pub(super) fn read(group: &Member, all: &mut Statistics) {
    let directory = group.directory.as_path();
    for controller in &group.controllers {
        match controller.as_str() {
            "cpu" => throttling(directory, all),
            "cpuacct" => cpu(directory, all),
            "cpuset" => cpuset(directory, all),
            "memory" => memory(directory, all),
            "pids" => pids(directory, all),
            "blkio" => blkio(directory, all),
            "hugetlb" => hugetlb(directory, all),
            _ => {}
        }
    }
}

fn throttling(group: &Path, all: &mut Statistics) {
    let stat = keyed(group, "cpu.stat");
    let of = |key: &str| stat.get(key).copied().unwrap_or(0);
    all.cpu.throttling.periods = of("nr_periods");
    all.cpu.throttling.throttled_periods = of("nr_throttled");
    all.cpu.throttling.throttled_time = of("throttled_time");
}

fn cpu(group: &Path, all: &mut Statistics) {
    let usage = &mut all.cpu.usage;
    let stat = keyed(group, "cpuacct.stat");
    let of = |key: &str| stat.get(key).copied().unwrap_or(0) * TICK;
    (usage.user, usage.kernel) = (of("user"), of("system"));
    usage.total = number(group, "cpuacct.usage");
    usage.percpu = numbers(group, "cpuacct.usage_percpu");
    // A heading, then a line for each CPU: its number, user, system.
    let text = fs::read_to_string(group.join("cpuacct.usage_all")).unwrap_or_default();
    let lines = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split(' ').skip(1).map(str::parse::<u64>);
        Some((words.next()?.ok()?, words.next()?.ok()?))
    });
    (usage.percpu_user, usage.percpu_kernel) = lines.unzip();
}

fn cpuset(group: &Path, all: &mut Statistics) {
    let cpuset = &mut all.cpuset;
    cpuset.cpus = list(group, "cpuset.cpus");
    cpuset.mems = list(group, "cpuset.mems");
    let of = |file: &str| number(group, &format!("cpuset.{file}"));
    cpuset.cpu_exclusive = of("cpu_exclusive");
    cpuset.mem_hardwall = of("mem_hardwall");
    cpuset.mem_exclusive = of("mem_exclusive");
    cpuset.memory_migrate = of("memory_migrate");
    cpuset.memory_spread_page = of("memory_spread_page");
    cpuset.memory_spread_slab = of("memory_spread_slab");
    cpuset.memory_pressure = of("memory_pressure");
    cpuset.sched_load_balance = of("sched_load_balance");
    let level = fs::read_to_string(group.join("cpuset.sched_relax_domain_level"));
    cpuset.sched_relax_domain_level = level.map_or(0, |text| text.trim().parse().unwrap_or(0));
}

fn memory(group: &Path, all: &mut Statistics) {
    let entry = |kind: &str| MemoryEntry {
        limit: number(group, &format!("memory.{kind}limit_in_bytes")),
        usage: number(group, &format!("memory.{kind}usage_in_bytes")),
        max: number(group, &format!("memory.{kind}max_usage_in_bytes")),
        failcnt: number(group, &format!("memory.{kind}failcnt")),
    };
    let memory = &mut all.memory;
    memory.raw = keyed(group, "memory.stat");
    memory.cache = memory.raw.get("cache").copied().unwrap_or(0);
    memory.usage = entry("");
    memory.swap = entry("memsw.");
    memory.kernel = entry("kmem.");
    memory.kernel_tcp = entry("kmem.tcp.");
}

fn pids(group: &Path, all: &mut Statistics) {
    all.pids.current = number(group, "pids.current");
    let limit = number(group, "pids.max");
    all.pids.limit = if limit == u64::MAX { 0 } else { limit };
}

fn blkio(group: &Path, all: &mut Statistics) {
    // The scheduler's own files first; the throttle's exist whatever it is.
    let either = |file: &str| -> Vec<BlkioEntry> {
        let files = [
            format!("blkio.bfq.{file}_recursive"),
            format!("blkio.{file}_recursive"),
            format!("blkio.throttle.{file}_recursive"),
            format!("blkio.throttle.{file}"),
        ];
        let mut found = files.iter().map(|file| by_device(group, file));
        found
            .find(|entries| !entries.is_empty())
            .unwrap_or_default()
    };
    let blkio = &mut all.blkio;
    blkio.io_service_bytes_recursive = either("io_service_bytes");
    blkio.io_serviced_recursive = either("io_serviced");
    blkio.io_queue_recursive = either("io_queued");
    blkio.io_service_time_recursive = either("io_service_time");
    blkio.io_wait_time_recursive = either("io_wait_time");
    blkio.io_merged_recursive = either("io_merged");
    blkio.io_time_recursive = either("time");
    blkio.sectors_recursive = either("sectors");
}

fn hugetlb(group: &Path, all: &mut Statistics) {
    for size in super::v2::page_sizes(group, ".usage_in_bytes") {
        let of = |file: &str| number(group, &format!("hugetlb.{size}.{file}"));
        let entry = Hugetlb {
            usage: of("usage_in_bytes"),
            max: of("max_usage_in_bytes"),
            failcnt: of("failcnt"),
        };
        all.hugetlb.insert(size, entry);
    }
}
