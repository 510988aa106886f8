//! config-linux.md: whose a group is, and what is refused of a group.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::case::{Case, Container, fresh_id};
use crate::subject::{Runtime, Subject};
use crate::{Claim, Need, config, host, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_group_that_is_frozen_is_refused",
        section: "config-linux.md, Control groups",
        level: "MUST",
        gist: "a runtime that looks whether a group is fit for a container refuses one that is not: here a frozen one, at create",
        need: looks,
        test: frozen,
    },
    Claim {
        name: "a_group_that_holds_a_process_is_refused_or_told_of",
        section: "config-linux.md, Control groups",
        level: "MUST",
        gist: "the same for a group with another's process in it",
        need: root,
        test: occupied,
    },
    Claim {
        name: "the_groups_of_version_one_stay_the_runtimes",
        section: "config-linux.md, Cgroup ownership",
        level: "SHOULD NOT",
        gist: "no owner of a group of version 1 is changed",
        need: first,
        test: owners_of_version_one,
    },
    Claim {
        name: "a_group_belongs_to_the_user_who_can_write_it",
        section: "config-linux.md, Cgroup ownership",
        level: "MUST NOT",
        gist: "with version 2, a cgroup namespace and a writable mount of type cgroup, the group and those of its files that \
               `/sys/kernel/cgroup/delegate` lists are the user's of the program, and no others are; a listed file that is not there is no failure",
        need: second,
        test: owners_of_version_two,
    },
    Claim {
        name: "a_group_that_nobody_can_write_stays_the_runtimes",
        section: "config-linux.md, Cgroup ownership",
        level: "SHOULD NOT",
        gist: "with a mount that is `ro`, without one, or without a cgroup namespace, no owner is changed",
        need: second,
        test: owners_stay,
    },
    Claim {
        name: "a_limit_that_version_two_has_not_is_refused",
        section: "config-linux.md, Unified",
        level: "MUST",
        gist: "a limit of version 1 that cannot be converted to version 2 is an error",
        need: second,
        test: not_converted,
    },
];

fn first(subject: Subject) -> Need {
    root(subject)?;
    match host::controller("pids") {
        Some(_) => Ok(()),
        None => Err("there is no version 1 here".to_owned()),
    }
}

fn second(subject: Subject) -> Need {
    root(subject)?;
    host::unified()
        .map(drop)
        .ok_or_else(|| "version 1 has the controllers here".to_owned())
}

fn looks(subject: Subject) -> Need {
    root(subject)?;
    match subject.runtime {
        Runtime::Crun => Err("it does not look, and waits for a frozen process".to_owned()),
        _ => Ok(()),
    }
}

/// A group that is there before the container: in the hierarchy of the freezer.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Self {
        let mount = host::controller("freezer").or(host::unified()).unwrap();
        let path = mount.join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn freeze(&self, yes: bool) {
        let (file, value) = match (host::unified(), yes) {
            (None, true) => ("freezer.state", "FROZEN"),
            (None, false) => ("freezer.state", "THAWED"),
            (Some(_), yes) => ("cgroup.freeze", if yes { "1" } else { "0" }),
        };
        fs::write(self.0.join(file), value).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.0.exists() {
            self.freeze(false);
            crate::eventually::eventually("its processes are gone", || {
                fs::remove_dir(&self.0).is_ok() || !self.0.exists()
            });
        }
    }
}

fn frozen(subject: Subject) {
    let name = fresh_id();
    let group = Group::new(&name);
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["linux"]["cgroupsPath"] = json!(format!("/{name}"));
    group.freeze(true);
    case.refused("a frozen group", &config);
}

fn occupied(subject: Subject) {
    let name = fresh_id();
    let group = Group::new(&name);
    let mut sleeper = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    fs::write(group.0.join("cgroup.procs"), sleeper.id().to_string()).unwrap();
    let case = Case::new(subject);
    let mut config = case.config("echo up");
    config["linux"]["cgroupsPath"] = json!(format!("/{name}"));
    let created = case.try_create(&config);
    let survived = match &created {
        Err(_) => true,
        Ok(container) => {
            container.start();
            container.wait();
            container.output().contains("not empty")
        }
    };
    drop(created);
    let alive = sleeper.try_wait().unwrap().is_none();
    let _ = (sleeper.kill(), sleeper.wait());
    assert!(survived, "taken without a word");
    assert!(alive, "the other's process was killed");
}

const USER: u32 = 7;
const HOST_USER: u32 = 100_007;

/// A program of another user, in a group whose control groups are mounted with `options`.
fn delegated(case: &Case, options: Option<&[&str]>) -> Value {
    let mut config = case.config("sleep 100");
    config::namespace(&mut config, json!({ "type": "cgroup" }));
    config::namespace(&mut config, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    config["linux"]["cgroupsPath"] = json!(format!("/{}", fresh_id()));
    config["process"]["user"] = json!({ "uid": USER, "gid": USER });
    if let Some(options) = options {
        config::mount(
            &mut config,
            json!({
                "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                "options": options
            }),
        );
    }
    config
}

/// The owners of the group of `container` and of the files in it.
fn owners(container: &Container<'_>, mount: &Path, controller: &str) -> Vec<(String, u32)> {
    let path = host::group_of(container.pid, controller).unwrap();
    let group = mount.join(path.trim_start_matches('/'));
    let mut found = vec![(".".to_owned(), fs::metadata(&group).unwrap().uid())];
    for entry in fs::read_dir(group).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        found.push((name, entry.metadata().unwrap().uid()));
    }
    found
}

fn owners_of_version_one(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&delegated(&case, Some(&["rw", "nosuid"])));
    let found = owners(&container, host::controller("pids").unwrap(), "pids");
    assert!(found.iter().all(|(_, owner)| *owner == 0), "{found:?}");
}

fn owners_of_version_two(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&delegated(&case, Some(&["rw", "nosuid"])));
    let list = fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap();
    let listed: Vec<&str> = list.lines().collect();
    let found = owners(&container, host::unified().unwrap(), "");
    assert!(found.iter().any(|(name, _)| name == "cgroup.procs"));
    for (name, owner) in found {
        let is_theirs = name == "." || listed.contains(&&*name);
        let expected = if is_theirs { HOST_USER } else { 0 };
        assert_eq!(owner, expected, "{name}");
    }
}

fn owners_stay(subject: Subject) {
    let case = Case::new(subject);
    let mut inherited = delegated(&case, Some(&["rw", "nosuid"]));
    config::without_namespace(&mut inherited, "cgroup");
    let configs = [
        delegated(&case, Some(&["ro", "nosuid"])),
        delegated(&case, None),
        inherited,
    ];
    for config in configs {
        let container = case.create(&config);
        let found = owners(&container, host::unified().unwrap(), "");
        assert!(found.iter().all(|(_, owner)| *owner == 0), "{found:?}");
    }
}

fn not_converted(subject: Subject) {
    let case = Case::new(subject);
    for resources in [
        json!({ "memory": { "swappiness": 17 } }),
        json!({ "memory": { "disableOOMKiller": true } }),
        json!({ "cpu": { "realtimePeriod": 1_000_000, "realtimeRuntime": 10_000 } }),
        json!({ "network": { "classID": 1_048_577 } }),
        json!({ "network": { "priorities": [{ "name": "lo", "priority": 5 }] } }),
    ] {
        let mut config = case.config("true");
        config["linux"]["resources"] = resources.clone();
        case.refused(resources, &config);
    }
}
