//! Control files are the kernel's, and a group may be anybody's: what stands in
//! them is counted without trust.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs, process};

use isolab_oci::cgroup::Groups;
use serde_json::json;

/// Every file that is read, one for both versions where they share a name.
const FILES: [&str; 26] = [
    "cpu.stat", "cpu.pressure", "cpuacct.usage", "cpuacct.usage_percpu", "cpuacct.usage_all",
    "cpuacct.stat", "cpuset.cpus", "cpuset.cpus.effective", "cpuset.mems", "memory.stat",
    "memory.current", "memory.max", "memory.peak", "memory.swap.current", "memory.pressure",
    "memory.usage_in_bytes", "memory.limit_in_bytes", "memory.memsw.usage_in_bytes",
    "memory.events", "pids.current", "pids.max", "io.stat", "io.pressure",
    "blkio.throttle.io_service_bytes_recursive", "blkio.bfq.io_serviced", "cgroup.procs",
];

static GROUP: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = env::temp_dir().join(format!("isolab-fuzz-{}", process::id()));
    fs::create_dir_all(&path).expect("a directory can be made");
    path
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for file in FILES {
        fs::write(GROUP.join(file), bytes).expect("a file can be written");
    }
    for version in ["v1", "v2"] {
        let controllers = match version {
            "v1" => json!(["cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb"]),
            _ => json!([]),
        };
        let member = json!({
            "version": version, "controllers": controllers,
            "mountPoint": &*GROUP, "directory": &*GROUP,
        });
        let groups: Groups = serde_json::from_value(json!({ "groups": [member] }))
            .expect("a group is read as it is written");
        let statistics = groups.statistics();
        serde_json::to_string(&statistics).expect("what was counted can be shown");
        let _ = (groups.oom_kills(), groups.processes());
    }
});
