//! config.md: the namespaces in which hooks run.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::hooks::{PID, hook, read, seen};
use crate::subject::Subject;
use crate::{Claim, anyone, busybox, host};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "runtime_hooks_run_in_the_runtimes_namespaces",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "prestart, createRuntime, poststart and poststop: path and process are in the namespaces of the runtime",
        need: anyone,
        test: runtime_namespaces,
    },
    Claim {
        name: "create_container_hooks_run_in_the_containers_namespaces",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "the path of a createContainer hook is the runtime's, its namespaces are the container's",
        need: anyone,
        test: create_container_namespaces,
    },
    Claim {
        name: "start_container_hooks_run_in_the_containers_root",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "path and process of a startContainer hook are in the container",
        need: anyone,
        test: start_container_namespaces,
    },
    Claim {
        name: "hooks_of_create_run_before_the_root_is_changed",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "createRuntime and createContainer hooks come after the namespaces and mounts, but before `pivot_root`",
        need: anyone,
        test: before_pivot,
    },
];

/// What a hook sees of its namespaces.
const LOOK: &str =
    "for n in pid net ipc uts user mnt; do echo $n $(readlink /proc/self/ns/$n); done";

fn namespaces(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (kind, namespace) = line.split_once(' ')?;
        Some((kind.to_owned(), namespace.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

fn runtime_namespaces(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("sleep 100");
    let kinds = ["prestart", "createRuntime", "poststart", "poststop"];
    for kind in kinds {
        let file = seen(&case, kind, &format!("ns-{kind}"));
        config["hooks"][kind] = json!([hook(kind, &format!("({LOOK}) >{file}"))]);
    }
    let container = case.create(&config);
    let containers = host::namespace(&container.pid.to_string(), "mnt");
    container.start();
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    for kind in kinds {
        let found = namespaces(&read(&case, &format!("ns-{kind}")));
        assert_eq!(found.len(), 6, "{kind}: {found:?}");
        for (name, namespace) in found {
            // A runtime may be in a mount namespace of its own, as crun is here.
            // And the number of one that is gone may be given again.
            if name == "mnt" {
                assert!(kind == "poststop" || namespace != containers, "{kind}");
            } else {
                assert_eq!(namespace, host::namespace("self", &name), "{kind}");
            }
        }
    }
}

/// The namespaces that a hook saw, against those of the container's process.
fn same_as_container(case: &Case, config: &mut Value, kind: &str) {
    let file = seen(case, kind, "ns");
    // A hook need not be a member of the pid namespace: its /proc may be another's.
    config["hooks"][kind] = json!([hook(kind, &format!("({LOOK}) >{file}"))]);
    let container = case.create(config);
    container.start();
    container.wait_for("up");
    let found = namespaces(&read(case, "ns"));
    for name in ["net", "ipc", "uts", "mnt", "user"] {
        let of_container = host::namespace(&container.pid.to_string(), name);
        let of_hook = found.iter().find(|(found, _)| found == name);
        assert_eq!(of_hook.unwrap().1, of_container, "{name}");
    }
}

fn create_container_namespaces(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("echo up; sleep 100");
    same_as_container(&case, &mut config, "createContainer");
}

fn start_container_namespaces(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("echo up; sleep 100");
    // Found in the root only.
    fs::copy(busybox::find().unwrap(), case.rootfs().join("only-here")).unwrap();
    same_as_container(&case, &mut config, "startContainer");
    let mut config = case.config("true");
    config["hooks"]["startContainer"] =
        json!([{ "path": "/only-here", "args": ["sh", "-c", "ls / >/root-of-hook"] }]);
    case.output(&config);
    assert!(read(&case, "root-of-hook").contains("only-here"));
}

fn before_pivot(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let marker = case.file("marker", "");
    let marker = marker.to_string_lossy();
    // Mounts are still where the host has them.
    let file = seen(&case, "createRuntime", "runtime");
    let script = format!("{PID}; ls {marker} >{file}; cat /proc/$pid/mountinfo >>{file}");
    config["hooks"]["createRuntime"] = json!([hook("createRuntime", &script)]);
    let file = seen(&case, "createContainer", "container");
    let script = format!("ls {marker} >{file}; cat /proc/self/mountinfo >>{file}");
    config["hooks"]["createContainer"] = json!([hook("createContainer", &script)]);
    let _container = case.create(&config);
    let shm = format!(
        "{}/dev/shm ",
        case.rootfs().canonicalize().unwrap().display()
    );
    for name in ["runtime", "container"] {
        let text = read(&case, name);
        assert!(text.contains(&*marker), "{name}: {text}");
        assert!(
            text.contains(&shm),
            "{name}: the mounts are not there: {text}"
        );
    }
}
