//! Limits of running containers: not only written, but kept by the kernel.

use std::fs;
use std::path::PathBuf;

use isolab_oci::cgroup::{Groups, MemoryEvent};
use isolab_oci::spec::{IdMapping, Resources};
use isolab_oci::{Cgroup, Options};

use crate::mounts::id_mapped::chown_tree;
use crate::support::{Place, linux, name, options, process, root};
use crate::{Claim, Need, example};

/// The tests of this file.
pub(crate) const CLAIMS: &[Claim] = &[
    (
        "the_kernel_keeps_the_limit_of_processes",
        pids,
        no_more_processes,
    ),
    (
        "a_container_whose_ids_are_mapped_to_others_is_limited_too",
        pids,
        mapped,
    ),
    (
        "the_kernel_kills_who_takes_more_memory_than_the_limit",
        memory,
        no_more_memory,
    ),
    (
        "a_container_runs_on_the_cpus_that_it_was_given",
        cpuset,
        on_its_cpu,
    ),
    (
        "an_update_changes_the_limits_of_a_running_container",
        memory,
        updated,
    ),
    (
        "raising_and_lowering_memory_and_swap_works_in_any_order",
        memory,
        in_any_order,
    ),
    (
        "a_limit_that_root_cannot_enforce_is_an_error_that_names_it",
        root,
        missing,
    ),
    (
        "only_the_default_devices_can_be_used_unless_a_rule_allows_more",
        root,
        no_disk,
    ),
    (
        "a_path_with_dots_makes_no_group_outside_of_its_hierarchy",
        root,
        dots,
    ),
    (
        "a_second_container_in_the_same_group_is_refused",
        root,
        taken,
    ),
    ("what_a_container_uses_is_counted", memory, counted),
    ("statistics_have_the_shape_of_runcs", runc, as_runc),
    (
        "running_out_of_memory_is_told_of_and_so_is_the_end",
        memory,
        told,
    ),
];

fn with_controller(controller: &str) -> Need {
    root()?;
    match file_of(&example().2, controller) {
        Some(_) => Ok(()),
        None => Err(format!("there is no {controller} controller")),
    }
}

fn pids() -> Need {
    with_controller("pids.max")
}

fn memory() -> Need {
    with_controller("memory.memsw.limit_in_bytes").or_else(|_| with_controller("memory.max"))
}

fn cpuset() -> Need {
    with_controller("cpuset.cpus")
}

/// A container that waits, and its groups.
fn example() -> (Place, isolab_oci::Running, Groups) {
    let place = Place::new();
    let running = place
        .try_start(&place.spec("sleep 99"), &options())
        .unwrap();
    let groups = running.cgroups().clone();
    (place, running, groups)
}

fn file_of(groups: &Groups, file: &str) -> Option<PathBuf> {
    let mut files = groups.directories().map(|d| d.join(file));
    files.find(|file| file.exists())
}

fn value(groups: &Groups, v1: &str, v2: &str) -> String {
    let file = file_of(groups, v1).or_else(|| file_of(groups, v2)).unwrap();
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn resources(text: &str) -> Resources {
    serde_json::from_str(text).unwrap()
}

/// What `script` writes with these limits, and its status as a shell shows it.
fn run(limits: &str, script: &str) -> (String, i32) {
    let place = Place::new();
    let mut spec = place.spec(script);
    linux(&mut spec).resources = Some(resources(limits));
    let (text, status) = place.run(&spec);
    (text, status.shell_code())
}

fn no_more_processes() {
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait";
    let (text, _) = run(r#"{"pids":{"limit":4}}"#, script);
    assert!(text.contains("can't fork"), "{text}");
    let (text, status) = run(r#"{"pids":{"limit":-1}}"#, "sleep 0 & sleep 0 & wait");
    assert_eq!((text.as_str(), status), ("", 0));
}

/// No id of the runtime's is among the container's: its root may not open a file
/// of the group.
fn mapped() {
    let place = Place::new();
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait";
    let mut spec = example::rootless(0, 0, &["sh", "-c", script]);
    let map = vec![IdMapping {
        container_id: 0,
        host_id: 300_000,
        size: 1000,
    }];
    linux(&mut spec).uid_mappings = map.clone();
    linux(&mut spec).gid_mappings = map;
    linux(&mut spec).resources = Some(resources(r#"{"pids":{"limit":4}}"#));
    chown_tree(&place);
    let (text, _) = place.run(&spec);
    assert!(text.contains("can't fork"), "{text}");
}

fn no_more_memory() {
    let limits = r#"{"memory":{"limit":16777216,"swap":16777216}}"#;
    // `tail` keeps what it reads: one line that does not end.
    let take = |bytes: u32| format!("head -c {bytes} /dev/zero | tail -c {bytes} | wc -c");
    let (text, status) = run(limits, &take(1 << 20));
    assert_eq!((text.as_str(), status), ("1048576\n", 0));
    let (text, _) = run(limits, &take(64 << 20));
    assert!(text.starts_with("0\n") || text.contains("Killed"), "{text}");
}

fn on_its_cpu() {
    let script = "grep Cpus_allowed_list /proc/self/status";
    let (text, _) = run(r#"{"cpu":{"cpus":"0"}}"#, script);
    assert_eq!(text, "Cpus_allowed_list:\t0\n");
}

fn updated() {
    let (_place, _running, groups) = example();
    let asked = r#"{"memory":{"limit":33554432},"cpu":{"shares":512,"quota":50000,"period":100000},
                    "pids":{"limit":20}}"#;
    assert_eq!(groups.update(&resources(asked)).unwrap(), [""; 0]);
    let memory = value(&groups, "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, "33554432");
    assert_eq!(value(&groups, "pids.max", "pids.max"), "20");
    if file_of(&groups, "cpu.shares").is_some() {
        assert_eq!(value(&groups, "cpu.shares", ""), "512");
        assert_eq!(value(&groups, "cpu.cfs_quota_us", ""), "50000");
    }
    // What is not named stays.
    groups
        .update(&resources(r#"{"pids":{"limit":30}}"#))
        .unwrap();
    assert_eq!(
        value(&groups, "memory.limit_in_bytes", "memory.max"),
        memory
    );
    assert_eq!(value(&groups, "pids.max", "pids.max"), "30");
    let by_name = resources(r#"{"unified":{"pids.max":"31"}}"#);
    let named = groups.update(&by_name);
    if file_of(&groups, "memory.limit_in_bytes").is_some() {
        let error = named.unwrap_err().to_string();
        assert!(error.contains("unified.pids.max"), "{error}");
    } else {
        named.unwrap();
        assert_eq!(value(&groups, "pids.max", "pids.max"), "31");
    }
    let wrong = resources(r#"{"cpu":{"cpus":"999"}}"#);
    let error = groups.update(&wrong).unwrap_err();
    assert!(error.to_string().contains("cpu.cpus to 999"), "{error}");
}

fn in_any_order() {
    let (_place, _running, groups) = example();
    for (limit, swap) in [(30, 40), (80, 90), (20, 25), (85, 85), (-1, -1), (20, -1)] {
        let bytes = |n: i64| if n < 0 { n } else { n << 20 };
        let asked = format!(
            r#"{{"memory":{{"limit":{},"swap":{}}}}}"#,
            bytes(limit),
            bytes(swap)
        );
        groups
            .update(&resources(&asked))
            .unwrap_or_else(|error| panic!("{limit} {swap}: {error:?}"));
        if limit > 0 {
            let now = value(&groups, "memory.limit_in_bytes", "memory.max");
            assert_eq!(now, bytes(limit).to_string());
        }
    }
}

fn missing() {
    let place = Place::new();
    let mut spec = place.spec("true");
    linux(&mut spec).resources = Some(resources(r#"{"rdma":{"no_such_device":{"hcaHandles":3}}}"#));
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("linux.resources.rdma.no_such_device"),
        "{error}"
    );
    assert!(error.hint().is_some());
}

fn no_disk() {
    let place = Place::new();
    // Making a node is allowed, using it is not. 7:0 is the first loop device,
    // 1:3 the null device, 1:1 the physical memory.
    let script = "mknod /tmp/mem c 1 1; mknod /tmp/null c 1 3; echo x > /tmp/null && echo null; \
                  head -c 1 /tmp/mem; echo $?";
    let mut spec = place.spec(script);
    spec.root.as_mut().unwrap().readonly = false;
    let capabilities = process(&mut spec).capabilities.as_mut().unwrap();
    for set in [
        &mut capabilities.bounding,
        &mut capabilities.effective,
        &mut capabilities.permitted,
    ] {
        set.push("CAP_MKNOD".to_owned());
    }
    for limits in ["{}", r#"{"devices":[{"allow":false,"access":"rwm"}]}"#] {
        linux(&mut spec).resources = Some(resources(limits));
        let (text, _) = place.run(&spec);
        assert!(text.starts_with("null\n"), "{text}");
        assert!(
            text.contains("Operation not permitted") && text.ends_with("1\n"),
            "{text}"
        );
        for node in ["mem", "null"] {
            fs::remove_file(place.root().join("tmp").join(node)).unwrap();
        }
    }
}

fn named() -> Options {
    Options {
        cgroup: Cgroup::Named,
        ..options()
    }
}

fn dots() {
    let place = Place::new();
    let mut spec = place.spec("sleep 99");
    let name = name();
    linux(&mut spec).cgroups_path = Some(format!("/../../../tmp/../{name}").into());
    let running = place.try_start(&spec, &named()).unwrap();
    let groups = running.cgroups();
    assert!(!groups.is_empty());
    let hierarchies = isolab_oci::cgroup::discover().unwrap();
    for directory in groups.directories() {
        let at_top = |h: &isolab_oci::cgroup::Hierarchy| h.mount_point.join(&name) == directory;
        assert!(hierarchies.iter().any(at_top), "{}", directory.display());
    }
}

fn taken() {
    let place = Place::new();
    let mut spec = place.spec("sleep 99");
    linux(&mut spec).cgroups_path = Some(name().into());
    let first = place.try_start(&spec, &named()).unwrap();
    let error = place.try_start(&spec, &named()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("is not empty: 1 process(es)"), "{source}");
    assert_eq!(
        first.cgroups().processes(),
        [first.pid()],
        "the first one lives on"
    );
}

fn counted() {
    let (_place, running, groups) = example();
    let statistics = serde_json::to_value(groups.statistics()).unwrap();
    assert!(
        statistics["cpu"]["usage"]["total"].as_u64().unwrap() > 0,
        "{statistics}"
    );
    assert_eq!(statistics["pids"]["current"], 1, "{statistics}");
    let memory = &statistics["memory"];
    assert!(
        memory["usage"]["usage"].as_u64().unwrap() > 4096,
        "{memory}"
    );
    assert!(memory["raw"].as_object().unwrap().len() > 10, "{memory}");
    assert!(
        !statistics["cpuset"]["cpus"].as_array().unwrap().is_empty(),
        "{statistics}"
    );
    assert_eq!(statistics["network_interfaces"], serde_json::Value::Null);
    drop(running);
}

fn told() {
    let place = Place::new();
    let take = 64 << 20;
    // Starts to take memory when it is told to.
    let script =
        format!("read x < /go; head -c {take} /dev/zero | tail -c {take} | wc -c; sleep 99");
    let mut spec = place.spec(&script);
    let limits = r#"{"memory":{"limit":16777216,"swap":16777216}}"#;
    linux(&mut spec).resources = Some(resources(limits));
    let go = place.root().join("go");
    let made = std::process::Command::new("mkfifo").arg(&go).status();
    assert!(made.unwrap().success());
    let running = place.try_start(&spec, &options()).unwrap();
    let groups = running.cgroups().clone();
    let mut events = groups.oom_events().unwrap();
    assert_eq!(events.wait(0).unwrap(), None);
    assert_eq!(groups.oom_kills(), 0);
    fs::write(&go, "x\n").unwrap();
    assert_eq!(events.wait(5000).unwrap(), Some(MemoryEvent::OutOfMemory));
    assert!(groups.oom_kills() <= 1);
    drop(running);
    let last = (0..50).find_map(|_| {
        events
            .wait(100)
            .unwrap()
            .filter(|e| *e == MemoryEvent::Gone)
    });
    assert_eq!(last, Some(MemoryEvent::Gone));
}

fn runc() -> Need {
    memory()?;
    let version = std::process::Command::new("runc").arg("--version").output();
    version.map(drop).map_err(|error| format!("runc: {error}"))
}

/// The paths of all values, without those whose names are the kernel's.
fn paths(value: &serde_json::Value, at: &str, all: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) if at != "/memory/raw" => {
            for (name, value) in fields {
                paths(value, &format!("{at}/{name}"), all);
            }
        }
        _ => all.push(at.to_owned()),
    }
}

fn as_runc() {
    let place = Place::new();
    let mut spec = place.spec("sleep 99");
    let limits = r#"{"memory":{"limit":33554432},"pids":{"limit":9},"cpu":{"quota":50000}}"#;
    linux(&mut spec).resources = Some(resources(limits));
    process(&mut spec).rlimits.clear();
    let running = place.try_start(&spec, &options()).unwrap();
    place.write(&spec);
    let name = name();
    let runc = |args: &[&str]| {
        let mut command = std::process::Command::new("runc");
        command
            .arg("--root")
            .arg(place.path().join("runc"))
            .args(args);
        command.stdin(std::process::Stdio::null());
        command
    };
    let bundle = place.path().to_str().unwrap();
    let started = runc(&["run", "-d", "-b", bundle, &name])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    assert!(started.unwrap().success());
    let output = runc(&["events", "--stats", &name]).output().unwrap();
    // Not before: what has used nothing yet is left out.
    let ours = serde_json::to_value(running.cgroups().statistics()).unwrap();
    let deleted = runc(&["delete", "-f", &name]).status().unwrap();
    assert!(deleted.success());
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let is_version_2 = file_of(running.cgroups(), "memory.limit_in_bytes").is_none();
    let shape = |value: &serde_json::Value| {
        let mut all = Vec::new();
        paths(value, "", &mut all);
        // Left out where it is 0, which depends on what ran; runc does not
        // look at version 2 where version 1 is beside it.
        let varies = |path: &String| {
            let starts = ["/memory/cache", "/cpu/throttling/", "/hugetlb/"];
            // On version 2 ours tells these too; runc from 1.2 on the first of them.
            let more = ["/memory/usage/max", "/cpuset/cpus", "/cpuset/mems"];
            starts.iter().any(|start| path.starts_with(start))
                || path.contains("/psi/")
                || is_version_2 && more.contains(&&**path)
        };
        all.retain(|path| !varies(path));
        all
    };
    assert_eq!(shape(&ours), shape(&theirs["data"]));
}
