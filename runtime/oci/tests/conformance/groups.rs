//! config-linux.md: control groups, their limits.

use serde_json::{Value, json};

use crate::case::{Case, Container, fresh_id};
use crate::controllers::{
    block_device, burst, controllers, cpu, cpuset, device, devices, huge_pages, idle, memory,
    memory_v1, net_class, pids, read, real_time, second, weight,
};
use crate::subject::Subject;
use crate::{Claim, config, host, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "limits_of_memory_are_written",
        section: "config-linux.md, Memory",
        level: "OPTIONAL",
        gist: "`limit`, `reservation` and `swap` hold from create on",
        need: memory,
        test: memory_limits,
    },
    Claim {
        name: "the_oom_killer_and_swappiness_are_set",
        section: "config-linux.md, Memory",
        level: "OPTIONAL",
        gist: "`disableOOMKiller` and `swappiness`, which version 1 has",
        need: memory_v1,
        test: memory_properties,
    },
    Claim {
        name: "a_limit_of_memory_of_minus_one_is_none",
        section: "config-linux.md, Memory",
        level: "OPTIONAL",
        gist: "-1 is unlimited",
        need: memory,
        test: unlimited,
    },
    Claim {
        name: "shares_and_quota_of_the_processors_are_written",
        section: "config-linux.md, CPU",
        level: "OPTIONAL",
        gist: "`shares`, `quota` and `period`",
        need: cpu,
        test: cpu_limits,
    },
    Claim {
        name: "a_burst_of_the_processors_is_written",
        section: "config-linux.md, CPU",
        level: "OPTIONAL",
        gist: "`burst`, no larger than the quota",
        need: burst,
        test: cpu_burst,
    },
    Claim {
        name: "a_group_can_be_idle",
        section: "config-linux.md, CPU",
        level: "OPTIONAL",
        gist: "`idle` makes the group's scheduling SCHED_IDLE",
        need: idle,
        test: cpu_idle,
    },
    Claim {
        name: "real_time_of_the_processors_is_written",
        section: "config-linux.md, CPU",
        level: "OPTIONAL",
        gist: "`realtimePeriod` and `realtimeRuntime`",
        need: real_time,
        test: cpu_real_time,
    },
    Claim {
        name: "processors_and_memory_nodes_are_those_of_the_configuration",
        section: "config-linux.md, CPU",
        level: "OPTIONAL",
        gist: "`cpus` and `mems` are what the program may use",
        need: cpuset,
        test: cpus,
    },
    Claim {
        name: "a_limit_of_processes_is_written_and_holds",
        section: "config-linux.md, PIDs",
        level: "OPTIONAL",
        gist: "`pids.limit` is the number of tasks that the group may have",
        need: pids,
        test: pids_limit,
    },
    Claim {
        name: "rates_of_block_devices_are_written",
        section: "config-linux.md, Block IO",
        level: "OPTIONAL",
        gist: "the four throttles, each with the numbers of a device",
        need: block_device,
        test: throttle,
    },
    Claim {
        name: "a_weight_of_block_devices_is_written",
        section: "config-linux.md, Block IO",
        level: "OPTIONAL",
        gist: "`weight` of the group",
        need: weight,
        test: block_weight,
    },
    Claim {
        name: "limits_of_huge_pages_are_written",
        section: "config-linux.md, Huge page limits",
        level: "OPTIONAL",
        gist: "`hugepageLimits` by page size",
        need: huge_pages,
        test: huge_page_limits,
    },
    Claim {
        name: "a_class_of_network_packets_is_written",
        section: "config-linux.md, Network",
        level: "OPTIONAL",
        gist: "`classID`, which version 1 has",
        need: net_class,
        test: class_id,
    },
    Claim {
        name: "devices_are_allowed_and_denied_in_order",
        section: "config-linux.md, Allowed device list",
        level: "MUST",
        gist: "a later entry has the last word; without type and numbers an entry is about all devices",
        need: devices,
        test: device_rules,
    },
    Claim {
        name: "files_of_version_two_are_written",
        section: "config-linux.md, Unified",
        level: "MUST",
        gist: "each key of `unified` is a file of the group, its controller enabled, whether or not the runtime knows it",
        need: second,
        test: unified,
    },
    Claim {
        name: "a_controller_that_is_not_there_is_refused",
        section: "config-linux.md, Unified",
        level: "MUST",
        gist: "a key of `unified` whose controller is missing or cannot be enabled is an error",
        need: root,
        test: no_controller,
    },
    Claim {
        name: "the_groups_of_a_container_can_be_mounted",
        section: "config-linux.md, Control groups",
        level: "OPTIONAL",
        gist: "a mount of type `cgroup` shows the container its own groups",
        need: root,
        test: mounted,
    },
];

/// A container of `resources`, created and not started.
fn limited<'a>(case: &'a Case, resources: &Value) -> Container<'a> {
    let mut config = case.config("sleep 100");
    config["linux"]["resources"] = resources.clone();
    config["linux"]["cgroupsPath"] = json!(format!("/{}", fresh_id()));
    case.create(&config)
}

const MIB: i64 = 1 << 20;

fn memory_limits(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(
        &case,
        &json!({ "memory": { "limit": 64 * MIB, "reservation": 32 * MIB } }),
    );
    let found = read(&container, "memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(found, (64 * MIB).to_string());
    let found = read(
        &container,
        "memory",
        "memory.soft_limit_in_bytes",
        "memory.low",
    );
    assert_eq!(found, (32 * MIB).to_string());
    let swap = host::controller("memory")
        .is_none_or(|mount| mount.join("memory.memsw.limit_in_bytes").exists());
    if swap {
        let container = limited(
            &case,
            &json!({ "memory": { "limit": 64 * MIB, "swap": 96 * MIB } }),
        );
        let found = read(
            &container,
            "memory",
            "memory.memsw.limit_in_bytes",
            "memory.swap.max",
        );
        // Version 1 counts memory and swap, version 2 swap alone.
        let expected = if host::unified().is_some() { 32 } else { 96 };
        assert_eq!(found, (expected * MIB).to_string());
    }
}

fn memory_properties(subject: Subject) {
    let case = Case::new(subject);
    let resources =
        json!({ "memory": { "limit": 64 * MIB, "swappiness": 17, "disableOOMKiller": true } });
    let container = limited(&case, &resources);
    assert_eq!(read(&container, "memory", "memory.swappiness", ""), "17");
    let control = read(&container, "memory", "memory.oom_control", "");
    assert!(control.contains("oom_kill_disable 1"), "{control}");
}

fn unlimited(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(&case, &json!({ "memory": { "limit": -1 } }));
    let found = read(&container, "memory", "memory.limit_in_bytes", "memory.max");
    assert!(
        found == "max" || found.parse::<u64>().unwrap() > 1 << 60,
        "{found}"
    );
}

fn cpu_limits(subject: Subject) {
    let case = Case::new(subject);
    let resources = json!({ "cpu": { "shares": 512, "quota": 40_000, "period": 80_000 } });
    let container = limited(&case, &resources);
    let shares = read(&container, "cpu", "cpu.shares", "cpu.weight");
    let quota = read(&container, "cpu", "cpu.cfs_quota_us", "cpu.max");
    if host::unified().is_some() {
        // 2 to 262144 shares are 1 to 10000 weights, by one of two formulas.
        assert!(["20", "59"].contains(&&*shares), "{shares}");
        assert_eq!(quota, "40000 80000");
    } else {
        assert_eq!((&*shares, &*quota), ("512", "40000"));
        assert_eq!(read(&container, "cpu", "cpu.cfs_period_us", ""), "80000");
    }
}

fn cpu_burst(subject: Subject) {
    let case = Case::new(subject);
    let resources = json!({ "cpu": { "quota": 40_000, "period": 80_000, "burst": 20_000 } });
    let container = limited(&case, &resources);
    assert_eq!(
        read(&container, "cpu", "cpu.cfs_burst_us", "cpu.max.burst"),
        "20000"
    );
}

fn cpu_idle(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(&case, &json!({ "cpu": { "idle": 1 } }));
    assert_eq!(read(&container, "cpu", "cpu.idle", "cpu.idle"), "1");
}

fn cpu_real_time(subject: Subject) {
    let case = Case::new(subject);
    let resources = json!({ "cpu": { "realtimePeriod": 1_000_000, "realtimeRuntime": 0 } });
    let container = limited(&case, &resources);
    assert_eq!(read(&container, "cpu", "cpu.rt_period_us", ""), "1000000");
}

fn cpus(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("grep -E '^(Cpus|Mems)_allowed_list' /proc/self/status");
    config["linux"]["resources"] = json!({ "cpu": { "cpus": "0", "mems": "0" } });
    let text = case.output(&config);
    assert_eq!(text, "Cpus_allowed_list:\t0\nMems_allowed_list:\t0\n");
}

fn pids_limit(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(&case, &json!({ "pids": { "limit": 77 } }));
    assert_eq!(read(&container, "pids", "pids.max", "pids.max"), "77");
    let mut config = case.config("sleep 1 & sleep 1 & sleep 1 & sleep 1 & echo all");
    config["linux"]["resources"] = json!({ "pids": { "limit": 3 } });
    let text = case.output(&config);
    assert!(
        text.contains("can't fork") && !text.contains("all"),
        "{text}"
    );
}

fn throttle(subject: Subject) {
    let case = Case::new(subject);
    let (major, minor) = device().unwrap();
    let rate = |rate: u32| json!([{ "major": major, "minor": minor, "rate": rate }]);
    let container = limited(
        &case,
        &json!({ "blockIO": {
            "throttleReadBpsDevice": rate(1_000_000), "throttleWriteBpsDevice": rate(2_000_000),
            "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400)
        } }),
    );
    if host::unified().is_some() {
        let found = read(&container, "io", "", "io.max");
        assert_eq!(
            found,
            format!("{major}:{minor} rbps=1000000 wbps=2000000 riops=300 wiops=400")
        );
        return;
    }
    for (file, rate) in [
        ("blkio.throttle.read_bps_device", 1_000_000),
        ("blkio.throttle.write_bps_device", 2_000_000),
        ("blkio.throttle.read_iops_device", 300),
        ("blkio.throttle.write_iops_device", 400),
    ] {
        assert_eq!(
            read(&container, "blkio", file, ""),
            format!("{major}:{minor} {rate}"),
            "{file}"
        );
    }
}

fn block_weight(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(&case, &json!({ "blockIO": { "weight": 300 } }));
    let bfq =
        host::controller("blkio").is_some_and(|mount| mount.join("blkio.bfq.weight").exists());
    let first = if bfq {
        "blkio.bfq.weight"
    } else {
        "blkio.weight"
    };
    assert!(read(&container, "blkio", first, "io.bfq.weight").ends_with("300"));
}

fn huge_page_limits(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(
        &case,
        &json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4 * MIB }] }),
    );
    let found = read(
        &container,
        "hugetlb",
        "hugetlb.2MB.limit_in_bytes",
        "hugetlb.2MB.max",
    );
    assert_eq!(found, (4 * MIB).to_string());
}

fn class_id(subject: Subject) {
    let case = Case::new(subject);
    let container = limited(&case, &json!({ "network": { "classID": 1_048_577 } }));
    assert_eq!(
        read(&container, "net_cls", "net_cls.classid", ""),
        "1048577"
    );
}

fn device_rules(subject: Subject) {
    let case = Case::new(subject);
    // No driver has them: what is allowed fails otherwise.
    let script = "for n in 7 8; do mknod /dev/d$n c 42 $n; cat /dev/d$n 2>&1; done; echo x >/dev/null && echo null";
    let all = json!({ "allow": false, "access": "rwm" });
    let some = json!({ "allow": true, "type": "c", "major": 42, "access": "rwm" });
    let one = json!({ "allow": false, "type": "c", "major": 42, "minor": 7, "access": "rwm" });
    let (denied, allowed) = ("Operation not permitted", "No such device or address");
    let mut cases = vec![
        (json!([all]), denied, denied),
        (json!([all, some]), allowed, allowed),
        (json!([some, all]), denied, denied),
        (json!([one, all, some]), allowed, allowed),
    ];
    if host::unified().is_some() {
        // Version 1 cannot take one number out of a range.
        cases.push((json!([all, some, one]), denied, allowed));
    }
    for (rules, seven, eight) in cases {
        let mut config = case.config(script);
        config["linux"]["resources"] = json!({ "devices": rules });
        let text = case.output(&config);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{rules}: {text}");
        assert!(
            lines[0].ends_with(seven) && lines[1].ends_with(eight),
            "{rules}: {text}"
        );
        assert_eq!(lines[2], "null", "{rules}"); // a default device
    }
}

fn unified(subject: Subject) {
    let case = Case::new(subject);
    let resources = json!({ "unified": {
        "memory.high": (48 * MIB).to_string(), "pids.max": "55", "memory.oom.group": "1"
    } });
    let container = limited(&case, &resources);
    assert_eq!(
        read(&container, "", "", "memory.high"),
        (48 * MIB).to_string()
    );
    assert_eq!(read(&container, "", "", "pids.max"), "55");
    assert_eq!(read(&container, "", "", "memory.oom.group"), "1");
}

fn no_controller(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["linux"]["resources"] = json!({ "unified": { "no-such-controller.max": "1" } });
    case.refused("no-such-controller", &config);
}

fn mounted(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("ls /sys/fs/cgroup; cat /proc/self/mountinfo");
    config::namespace(&mut config, json!({ "type": "cgroup" }));
    config::mount(
        &mut config,
        json!({
            "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]
        }),
    );
    let text = case.output(&config);
    if host::unified().is_some() {
        assert!(text.contains("cgroup.procs"), "{text}");
        return;
    }
    let table = crate::mount_table::table(&text);
    for controller in controllers() {
        let name = host::controller(controller)
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy();
        let found = crate::mount_table::top(&table, &format!("/sys/fs/cgroup/{name}"));
        assert_eq!(found.kind, "cgroup", "{controller}");
        assert!(found.has("ro"), "{found:?}");
    }
}
