//! config-linux.md: namespaces, maps of ids, offsets of clocks.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::holder::Holder;
use crate::subject::{Runtime, Subject};
use crate::{Claim, Need, anyone, config, host, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_namespace_without_a_path_is_new",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "each of pid, network, mount, ipc, uts, user and cgroup in the list is a new one",
        need: anyone,
        test: new,
    },
    Claim {
        name: "a_time_namespace_is_new",
        section: "config-linux.md, Namespaces",
        level: "SHOULD",
        gist: "`time` in the list is a new namespace",
        need: anyone,
        test: new_time,
    },
    Claim {
        name: "a_namespace_that_is_not_listed_is_inherited",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "what is not in the list is the runtime's own: network, ipc, uts, cgroup, time, user",
        need: anyone,
        test: inherited,
    },
    Claim {
        name: "the_runtimes_process_ids_are_inherited",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "without `pid` in the list the container has the runtime's process ids",
        need: root,
        test: inherited_pid,
    },
    Claim {
        name: "a_namespace_with_a_path_is_joined",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "network, ipc, uts and pid are those of the file at `path`",
        need: root,
        test: joined,
    },
    Claim {
        name: "a_user_namespace_with_a_path_is_joined",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "a user namespace, too, is the one at `path`, and with it those that it owns",
        need: root,
        test: joined_user,
    },
    Claim {
        name: "the_runtimes_mounts_are_inherited",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "without `mount` in the list the container has the runtime's mounts, and its root all the same",
        need: inherits_mounts,
        test: inherited_mounts,
    },
    Claim {
        name: "a_path_of_another_type_is_refused",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "a path that is not a namespace of that type is an error: another type, a plain file, nothing",
        need: root,
        test: wrong_path,
    },
    Claim {
        name: "a_path_of_a_namespace_is_absolute",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "a relative path is an error",
        need: root,
        test: relative_path,
    },
    Claim {
        name: "a_namespace_that_is_listed_twice_is_refused",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "two entries of one type are an error",
        need: anyone,
        test: twice,
    },
    Claim {
        name: "a_namespace_of_no_known_type_is_refused",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "an entry has a type, and it is one of those that are defined",
        need: anyone,
        test: unknown,
    },
    Claim {
        name: "ids_are_mapped_as_configured",
        section: "config-linux.md, User namespace mappings",
        level: "REQUIRED",
        gist: "`/proc/PID/uid_map` and `gid_map` are the mappings given, entry for entry",
        need: root,
        test: maps,
    },
    Claim {
        name: "mapped_ids_do_not_change_the_owners_of_files",
        section: "config-linux.md, User namespace mappings",
        level: "SHOULD NOT",
        gist: "the runtime changes no owner in the root to realize a mapping",
        need: root,
        test: owners,
    },
    Claim {
        name: "an_ordinary_user_is_root_inside",
        section: "config-linux.md, User namespace mappings",
        level: "OPTIONAL",
        gist: "an ordinary user's container maps that user to 0",
        need: rootless,
        test: own_id,
    },
    Claim {
        name: "clocks_have_their_offsets",
        section: "config-linux.md, Offset for time namespace",
        level: "OPTIONAL",
        gist: "`timeOffsets` moves the boottime and monotonic clocks of a new time namespace",
        need: root,
        test: offsets,
    },
    Claim {
        name: "a_clock_that_has_no_offset_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "`timeOffsets` of a clock that is none is an error",
        need: root,
        test: no_clock,
    },
];

fn rootless(subject: Subject) -> Need {
    if subject.rootless {
        Ok(())
    } else {
        Err("is about an ordinary user".to_owned())
    }
}

/// The namespaces' names in a configuration and in `/proc/PID/ns`.
const LINKS: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn link(kind: &str) -> &'static str {
    LINKS.iter().find(|(name, _)| *name == kind).unwrap().1
}

fn new(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("sleep 100");
    config::namespace(&mut config, json!({ "type": "cgroup" }));
    config::namespace(&mut config, json!({ "type": "user" }));
    config::map_ids(&mut config, subject);
    let container = case.create(&config);
    let pid = container.pid.to_string();
    for kind in ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"] {
        let link = link(kind);
        assert_ne!(
            host::namespace(&pid, link),
            host::namespace("self", link),
            "{kind}"
        );
    }
}

fn new_time(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("readlink /proc/self/ns/time");
    config::namespace(&mut config, json!({ "type": "time" }));
    let inside = case.output(&config);
    assert_ne!(inside.trim(), host::namespace("self", "time"));
}

fn inherited(subject: Subject) {
    let case = Case::new(subject);
    let mut kinds = vec!["network", "ipc", "uts", "cgroup", "time"];
    if !subject.rootless {
        kinds.push("user");
    }
    let mut config = case.config("sleep 100");
    for kind in &kinds {
        config::without_namespace(&mut config, kind);
    }
    // sysfs and mqueue are only for the owner of the namespaces that they show.
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/sys");
    let container = case.create(&config);
    let pid = container.pid.to_string();
    for kind in kinds {
        let link = link(kind);
        assert_eq!(
            host::namespace(&pid, link),
            host::namespace("self", link),
            "{kind}"
        );
    }
}

fn inherited_pid(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("echo $$; exec sleep 100");
    config::without_namespace(&mut config, "pid");
    let container = case.create(&config);
    let pid = container.pid.to_string();
    assert_eq!(host::namespace(&pid, "pid"), host::namespace("self", "pid"));
    container.start();
    container.wait_for("\n");
    assert_eq!(container.output().trim(), pid);
}

/// crun is already in a namespace of its own where version 1 is beside version 2,
/// and runc changes how the host's mounts spread, which others here rely on.
fn inherits_mounts(subject: Subject) -> Need {
    root(subject)?;
    match subject.runtime {
        Runtime::Isorun => Ok(()),
        _ => Err("it makes the host's mounts slaves".to_owned()),
    }
}

fn inherited_mounts(subject: Subject) {
    let case = Case::new(subject);
    let mounted = || {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.contains(&*case.rootfs().to_string_lossy())
    };
    let mut config = case.config("ls /; exec sleep 100");
    for kind in ["mount", "pid", "network", "ipc", "uts"] {
        config::without_namespace(&mut config, kind);
    }
    fs::write(case.rootfs().join("the-root-of-the-container"), "").unwrap();
    let container = case.create(&config);
    let pid = container.pid.to_string();
    for kind in ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user"] {
        assert_eq!(
            host::namespace(&pid, kind),
            host::namespace("self", kind),
            "{kind}"
        );
    }
    assert!(mounted());
    container.start();
    container.wait_for("the-root-of-the-container");
    let said = case.runtime(&["exec", &container.id, "ls", "/"]);
    let inside = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(inside.contains("the-root-of-the-container"), "{said:?}");
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    assert!(!mounted(), "its mounts are left");
    config["process"]["args"] = json!(["/no/such/program"]);
    case.refused_by_start("no such program", &config);
    assert!(
        !mounted(),
        "the mounts of a container that was not made are left"
    );
}

fn joined(subject: Subject) {
    let case = Case::new(subject);
    for (kind, options) in [
        ("network", &["--net"][..]),
        ("ipc", &["--ipc"]),
        ("uts", &["--uts"]),
        ("pid", &["--pid", "--fork"]),
    ] {
        let holder = Holder::new(options, link(kind));
        let mut config = case.config("sleep 100");
        let entry = json!({ "type": kind, "path": holder.path(link(kind)) });
        config::namespace(&mut config, entry);
        let container = case.create(&config);
        let pid = container.pid.to_string();
        let (theirs, ours) = (
            holder.namespace(link(kind)),
            host::namespace(&pid, link(kind)),
        );
        assert_eq!(ours, theirs, "{kind}");
        container.start();
        assert_eq!(host::namespace(&pid, link(kind)), theirs, "{kind}, started");
        drop(container);
    }
}

fn joined_user(subject: Subject) {
    let case = Case::new(subject);
    let options = ["--user", "--map-root-user", "--net"];
    let holder = Holder::new(&options, "user");
    crate::eventually::eventually("its maps", || {
        let map = fs::read_to_string(format!("/proc/{}/uid_map", holder.pid));
        map.is_ok_and(|map| !map.is_empty())
    });
    let mut config = case.config("id -u; sleep 100");
    for kind in ["user", "network"] {
        let entry = json!({ "type": kind, "path": holder.path(link(kind)) });
        config::namespace(&mut config, entry);
    }
    let container = case.create(&config);
    let pid = container.pid.to_string();
    for kind in ["user", "net"] {
        assert_eq!(
            host::namespace(&pid, kind),
            holder.namespace(kind),
            "{kind}"
        );
    }
    container.start();
    container.wait_for("0\n");
}

fn wrong_path(subject: Subject) {
    let case = Case::new(subject);
    let plain = case.file("plain", "").to_string_lossy().into_owned();
    let holder = Holder::new(&["--uts"], "uts");
    for path in [&holder.path("uts"), &plain, "/proc/self/ns/missing"] {
        let mut config = case.config("true");
        config::namespace(&mut config, json!({ "type": "network", "path": path }));
        case.refused(path, &config);
    }
}

fn relative_path(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    // From the working directory of the runtime, it would be there.
    config::namespace(
        &mut config,
        json!({ "type": "network", "path": "proc/1/ns/net" }),
    );
    case.refused("a relative path", &config);
}

fn twice(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({ "type": "ipc" }));
    case.refused("ipc twice", &config);
}

fn unknown(subject: Subject) {
    let case = Case::new(subject);
    for entry in [json!({ "type": "space" }), json!({ "type": "" }), json!({})] {
        let mut config = case.config("true");
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.push(entry.clone());
        case.refused(entry, &config);
    }
}

fn maps(subject: Subject) {
    let case = Case::new(subject);
    let mut config =
        case.config("cat /proc/self/uid_map; echo; cat /proc/self/gid_map; id -u; sleep 100");
    config::namespace(&mut config, json!({ "type": "user" }));
    config["linux"]["uidMappings"] = json!([
        { "containerID": 0, "hostID": 100_000, "size": 1000 },
        { "containerID": 5000, "hostID": 200_000, "size": 7 }
    ]);
    config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": 300_000, "size": 500 }]);
    let container = case.create(&config);
    container.start();
    container.wait_for("\n0\n");
    let text = container.output();
    let numbers = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let lines: Vec<Vec<String>> = text.lines().map(numbers).collect();
    assert_eq!(lines[0], ["0", "100000", "1000"]);
    assert_eq!(lines[1], ["5000", "200000", "7"]);
    assert_eq!(lines[3], ["0", "300000", "500"]);
    let uid = host::status_field(container.pid, "Uid").unwrap();
    assert!(uid.starts_with("100000\t"), "{uid}");
}

fn owners(subject: Subject) {
    use std::os::unix::fs::MetadataExt as _;
    let case = Case::new(subject);
    let mut config = case.config("true");
    config::namespace(&mut config, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    let _ = case.create(&config);
    for name in ["", "bin", "bin/busybox", "etc"] {
        let found = fs::metadata(case.rootfs().join(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (0, 0), "{name}");
    }
}

fn own_id(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("id -u; id -g; sleep 100"));
    container.start();
    container.wait_for("0\n0\n");
    let (uid, _) = subject.ids();
    let found = host::status_field(container.pid, "Uid").unwrap();
    assert!(found.starts_with(&format!("{uid}\t")), "{found}");
}

fn offsets(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("cat /proc/self/timens_offsets; cat /proc/uptime");
    config::namespace(&mut config, json!({ "type": "time" }));
    config["linux"]["timeOffsets"] = json!({
        "monotonic": { "secs": 1000, "nanosecs": 5 }, "boottime": { "secs": 1_000_000 }
    });
    let text = case.output(&config);
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("monotonic"), "1000 5");
    assert_eq!(line("boottime"), "1000000 0");
    let uptime: f64 = text
        .lines()
        .last()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(uptime >= 1_000_000.0, "{text}");
}

fn no_clock(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config::namespace(&mut config, json!({ "type": "time" }));
    config["linux"]["timeOffsets"] = json!({ "monotonic": { "secs": 1 } });
    drop(case.create(&config));
    config["linux"]["timeOffsets"] = json!({ "sundial": { "secs": 1 } });
    case.refused("a sundial", &config);
}
