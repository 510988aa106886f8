//! runtime.md: what a state says, and when a program runs.

use serde_json::json;

use crate::case::{Case, fresh_id};
use crate::eventually::eventually;
use crate::subject::Subject;
use crate::{Claim, anyone, config, host};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_state_has_every_property_that_is_required",
        section: "runtime.md, State",
        level: "REQUIRED",
        gist: "`ociVersion`, `id`, `status` and `bundle` always; `pid`, as the host sees it, of a created or running container",
        need: anyone,
        test: properties,
    },
    Claim {
        name: "a_status_follows_the_lifecycle",
        section: "runtime.md, State",
        level: "MUST",
        gist: "`created` after create, `running` after start, `stopped` when the process has ended; nothing else for these",
        need: anyone,
        test: whole_life,
    },
    Claim {
        name: "a_state_is_json_of_the_given_pattern",
        section: "runtime.md, State",
        level: "MUST",
        gist: "the state is a JSON object whose members have the given types, annotations a map from string to string",
        need: anyone,
        test: pattern,
    },
    Claim {
        name: "create_makes_the_environment_and_runs_nothing",
        section: "runtime.md, Lifecycle",
        level: "MUST NOT",
        gist: "namespaces, mounts and hostname exist after create, while the program has not run",
        need: anyone,
        test: nothing_runs,
    },
    Claim {
        name: "a_configuration_changed_after_create_has_no_effect",
        section: "runtime.md, Lifecycle",
        level: "MUST NOT",
        gist: "what start runs is what `config.json` said at create",
        need: anyone,
        test: changed,
    },
    Claim {
        name: "start_runs_the_program_of_the_configuration",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "start runs what `process` says, with its arguments",
        need: anyone,
        test: runs,
    },
    Claim {
        name: "a_failed_create_leaves_nothing",
        section: "runtime.md, Errors",
        level: "MUST",
        gist: "an error leaves the environment as it was: the id is free, no state, no group, no process",
        need: anyone,
        test: leaves_nothing,
    },
];

fn properties(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("sleep 100"));
    for status in ["created", "running"] {
        let state = container.state();
        assert_eq!(state["id"], container.id, "{state}");
        assert_eq!(state["status"], status, "{state}");
        assert_eq!(state["pid"], container.pid, "{state}");
        let version = state["ociVersion"].as_str().unwrap();
        assert!(version.starts_with("1."), "{state}");
        let bundle = std::path::Path::new(state["bundle"].as_str().unwrap());
        assert_eq!(
            bundle.canonicalize().unwrap(),
            case.bundle().canonicalize().unwrap()
        );
        assert!(bundle.is_absolute(), "{state}");
        if status == "created" {
            container.start();
        }
    }
    let comm = || std::fs::read_to_string(format!("/proc/{}/comm", container.pid)).unwrap();
    eventually("the pid is the program's", || comm() == "sleep\n");
    container.kill("KILL").unwrap();
    container.wait();
    let state = container.state();
    assert_eq!(state["id"], container.id);
    assert!(state["bundle"].is_string() && state["ociVersion"].is_string());
}

/// Every operation of the specification, and the status after each.
pub(crate) fn whole_life(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("sleep 100"));
    assert_eq!(container.status(), "created");
    container.start();
    assert_eq!(container.status(), "running");
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    container.try_state().expect_err("it is still there");
}

fn pattern(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["annotations"] = json!({ "com.example.key": "value", "com.example.empty": "" });
    let state = case.create(&config).state();
    for name in ["ociVersion", "id", "status", "bundle"] {
        assert!(state[name].is_string(), "{name} of {state}");
    }
    assert!(state["pid"].is_u64(), "{state}");
    assert_eq!(state["annotations"], config["annotations"]);
}

fn nothing_runs(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("touch /ran; sleep 100");
    config["hostname"] = json!("made-at-create");
    let container = case.create(&config);
    let pid = container.pid.to_string();
    for kind in ["pid", "mnt", "ipc", "uts", "net"] {
        let here = host::namespace("self", kind);
        assert_ne!(host::namespace(&pid, kind), here, "{kind}");
    }
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    assert!(mounts.contains(" /dev/shm "), "{mounts}");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!case.rootfs().join("ran").exists(), "the program ran");
    container.start();
    eventually("the program runs", || case.rootfs().join("ran").exists());
}

fn changed(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("echo first"));
    case.write(&case.config("echo second"));
    container.start();
    container.wait();
    assert_eq!(container.output(), "first\n");
}

fn runs(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("");
    config["process"]["args"] = json!(["sh", "-c", "echo \"$0|$1|$2\"", "a b", "", "c"]);
    assert_eq!(case.output(&config), "a b||c\n");
}

fn leaves_nothing(subject: Subject) {
    let case = Case::new(subject);
    let id = fresh_id();
    let mut broken = case.config("true");
    let missing = case.beside("missing").to_string_lossy().into_owned();
    config::mount(
        &mut broken,
        json!({ "destination": "/mnt", "type": "bind", "source": missing, "options": ["bind"] }),
    );
    case.write(&broken);
    let refused = case.try_create_as(&id, &[]);
    assert!(refused.is_err(), "a missing bind source was accepted");
    assert!(!case.runtime(&["state", &id]).status.success());
    let left = host::groups(&id);
    assert!(left.is_empty(), "{left:?}");
    case.write(&case.config("echo again"));
    let container = case.try_create_as(&id, &[]).unwrap();
    container.start();
    container.wait();
    assert_eq!(container.output(), "again\n");
}
