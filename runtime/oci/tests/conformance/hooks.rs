//! config.md: hooks of all six kinds.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::case::{Case, fresh_id};
use crate::eventually::eventually;
use crate::subject::Subject;
use crate::{Claim, anyone, busybox, host};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "hooks_are_called_at_their_time_and_in_order",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "prestart, createRuntime, createContainer during create, in this order; startContainer during start, before the \
               program; poststart before start returns; poststop before delete returns; those of a kind as listed",
        need: anyone,
        test: order,
    },
    Claim {
        name: "poststart_hooks_follow_the_program",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "poststart hooks are called after the program was executed",
        need: anyone,
        test: poststart,
    },
    Claim {
        name: "hooks_read_the_state_from_their_standard_input",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "each kind reads the state of its container, with the status of that moment",
        need: anyone,
        test: states,
    },
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
    Claim {
        name: "hooks_get_their_arguments_and_environment",
        section: "config.md, Hooks",
        level: "REQUIRED",
        gist: "`args` and `env` are those of execv and environ",
        need: anyone,
        test: arguments,
    },
    Claim {
        name: "a_hook_without_arguments_is_called_by_its_path",
        section: "config.md, Hooks",
        level: "OPTIONAL",
        gist: "`args`, `env` and `timeout` may be absent",
        need: anyone,
        test: bare,
    },
    Claim {
        name: "a_hook_need_not_read_its_input",
        section: "config.md, Hooks",
        level: "MAY",
        gist: "a hook that closes its standard input, or ends at once, has not failed",
        need: anyone,
        test: unread,
    },
    Claim {
        name: "a_hook_that_outlives_its_timeout_is_aborted",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "after `timeout` seconds a hook is aborted, and has failed",
        need: anyone,
        test: timeout,
    },
    Claim {
        name: "a_hook_of_start_or_delete_is_aborted_too",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "the same for startContainer and poststart, whose start fails, and for poststop, where delete goes on",
        need: anyone,
        test: later_timeouts,
    },
    Claim {
        name: "a_hook_whose_path_is_not_absolute_is_refused",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "a relative path, or none, is an error",
        need: anyone,
        test: relative,
    },
    Claim {
        name: "a_hook_whose_timeout_is_not_positive_is_refused",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "`timeout`, if set, is greater than zero",
        need: anyone,
        test: no_timeout,
    },
    Claim {
        name: "a_failing_prestart_hook_ends_create",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "a prestart hook that fails is an error; the container is destroyed and the poststop hooks are called",
        need: anyone,
        test: |subject| failing(subject, "prestart"),
    },
    Claim {
        name: "a_failing_create_runtime_hook_ends_create",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "the same for a createRuntime hook",
        need: anyone,
        test: |subject| failing(subject, "createRuntime"),
    },
    Claim {
        name: "a_failing_create_container_hook_ends_create",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "the same for a createContainer hook",
        need: anyone,
        test: |subject| failing(subject, "createContainer"),
    },
    Claim {
        name: "a_failing_start_container_hook_ends_start",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "a startContainer hook that fails is an error: the program does not run, the container is stopped",
        need: anyone,
        test: failing_start,
    },
    Claim {
        name: "a_failing_poststart_hook_stops_the_container",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "a poststart hook that fails is an error, and the container is stopped (since 1.3; until 1.2 a warning)",
        need: anyone,
        test: failing_poststart,
    },
    Claim {
        name: "poststop_hooks_follow_a_start_that_failed",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "after a startContainer or poststart hook that failed, the container is destroyed, at once or by delete, and \
               the poststop hooks are called once",
        need: anyone,
        test: poststop_after_failure,
    },
    Claim {
        name: "a_failing_poststop_hook_only_warns",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "delete goes on, the other poststop hooks are called, the container is gone",
        need: anyone,
        test: failing_poststop,
    },
    Claim {
        name: "a_failing_poststop_hook_is_warned_of",
        section: "runtime.md, Lifecycle",
        level: "MUST",
        gist: "a poststop hook that fails is logged as a warning",
        need: anyone,
        test: warned_of,
    },
    Claim {
        name: "poststop_hooks_come_after_the_container_is_deleted",
        section: "config.md, Hooks",
        level: "MUST",
        gist: "when a poststop hook runs, the container's process and control group are gone",
        need: anyone,
        test: poststop,
    },
];

/// A hook that runs a shell script, and then reads what nobody has read of its
/// input: crun fails where a hook does not (see [`unread`]).
fn hook(kind: &str, script: &str) -> Value {
    let (body, exit) = script.split_once("; exit ").unwrap_or((script, "0"));
    shell(kind, &format!("{body}; cat >/dev/null; exit {exit}"))
}

fn shell(kind: &str, script: &str) -> Value {
    let path = match kind {
        "startContainer" => "/bin/busybox",
        _ => busybox::find().unwrap().to_str().unwrap(),
    };
    json!({ "path": path, "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"] })
}

/// A file in the root, as hooks of that kind reach it.
fn seen(case: &Case, kind: &str, name: &str) -> String {
    match kind {
        "startContainer" => format!("/{name}"),
        _ => case.rootfs().join(name).to_string_lossy().into_owned(),
    }
}

fn read(case: &Case, name: &str) -> String {
    fs::read_to_string(case.rootfs().join(name)).unwrap_or_default()
}

/// Notes in the hooks' log that the test itself has come to a point.
fn note(case: &Case, text: &str) {
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(case.rootfs().join("log"))
        .unwrap();
    writeln!(log, "{text}").unwrap();
}

const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// A log that the container's owner may write.
fn log(case: &Case) {
    fs::write(case.rootfs().join("log"), "").unwrap();
    case.give(&case.rootfs().join("log"));
}

fn order(subject: Subject) {
    let case = Case::new(subject);
    log(&case);
    let mut config = case.config("echo program >>/log; sleep 100");
    for kind in KINDS {
        let log = seen(&case, kind, "log");
        let hooks = [1, 2].map(|number| hook(kind, &format!("echo {kind} {number} >>{log}")));
        config["hooks"][kind] = json!(hooks);
    }
    let container = case.create(&config);
    note(&case, "created");
    container.start();
    note(&case, "started");
    eventually("the program", || read(&case, "log").contains("program"));
    container.kill("KILL").unwrap();
    container.wait_stopped();
    note(&case, "ended");
    container.delete().unwrap();
    note(&case, "deleted");
    let text = read(&case, "log");
    // The program and the poststart hooks run at the same time.
    let lines: Vec<&str> = text.lines().filter(|&line| line != "program").collect();
    let expected = [
        "prestart 1",
        "prestart 2",
        "createRuntime 1",
        "createRuntime 2",
        "createContainer 1",
        "createContainer 2",
        "created",
        "startContainer 1",
        "startContainer 2",
        "poststart 1",
        "poststart 2",
        "started",
        "ended",
        "poststop 1",
        "poststop 2",
        "deleted",
    ];
    assert_eq!(lines, expected);
    let program = text.find("program").unwrap();
    assert!(text.find("startContainer 2").unwrap() < program, "{text}");
}

fn poststart(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("");
    config["process"]["args"] = json!(["sleep", "100"]);
    let file = seen(&case, "poststart", "comm");
    // The state is one line or many; the pid is a number after its name.
    let script = format!(
        "pid=$(tr -d ' \\n' | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); cat /proc/$pid/comm >{file}"
    );
    config["hooks"]["poststart"] = json!([hook("poststart", &script)]);
    let container = case.create(&config);
    assert_eq!(read(&case, "comm"), "", "called before start");
    container.start();
    assert_eq!(read(&case, "comm"), "sleep\n");
}

fn states(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("sleep 100");
    config["annotations"] = json!({ "com.example.key": "value" });
    for kind in KINDS {
        let file = seen(&case, kind, &format!("state-{kind}"));
        config["hooks"][kind] = json!([hook(kind, &format!("cat >{file}"))]);
    }
    let container = case.create(&config);
    container.start();
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    for (kind, statuses) in [
        ("prestart", &["creating"][..]),
        ("createRuntime", &["creating"]),
        ("createContainer", &["creating"]),
        ("startContainer", &["created"]),
        ("poststart", &["running"]),
        ("poststop", &["stopped"]),
    ] {
        let text = read(&case, &format!("state-{kind}"));
        let state: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{kind}: {e}: {text}"));
        assert_eq!(state["id"], container.id, "{kind}");
        assert_eq!(state["annotations"], config["annotations"], "{kind}");
        let bundle = fs::canonicalize(state["bundle"].as_str().unwrap()).unwrap();
        assert_eq!(bundle, case.bundle().canonicalize().unwrap(), "{kind}");
        let status = state["status"].as_str().unwrap();
        assert!(statuses.contains(&status), "{kind}: {status}");
        // A process in the container's pid namespace knows itself by another number.
        let outside = matches!(kind, "prestart" | "createRuntime" | "poststart");
        assert!(!outside || state["pid"] == container.pid, "{kind}: {state}");
    }
}

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
    let script = format!(
        "pid=$(tr -d ' \\n' | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); \
         ls {marker} >{file}; cat /proc/$pid/mountinfo >>{file}"
    );
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

fn arguments(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let path = busybox::find().unwrap().to_str().unwrap();
    let file = seen(&case, "createRuntime", "said");
    let script = format!("{path} env >{file}; printf '%s|' \"$0\" \"$@\" >>{file}");
    config["hooks"]["createRuntime"] = json!([{
        "path": path, "args": ["sh", "-c", script, "zero", "a b", ""],
        "env": ["ONE=1", "TWO=two words"]
    }]);
    let _container = case.create(&config);
    let text = read(&case, "said");
    // What the shell itself sets is no part of it.
    let own = ["PATH=", "PWD=", "SHLVL=", "OLDPWD=", "_="];
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !own.iter().any(|name| line.starts_with(name)))
        .collect();
    assert_eq!(lines, ["ONE=1", "TWO=two words", "zero|a b||"]);
}

fn bare(subject: Subject) {
    use std::os::unix::fs::PermissionsExt as _;
    let case = Case::new(subject);
    let file = seen(&case, "createRuntime", "said");
    let program = case.file("hook", &format!("#!/bin/sh\necho \"$# called\" >{file}\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = case.config("true");
    config["hooks"]["createRuntime"] = json!([{ "path": program.to_string_lossy() }]);
    let _container = case.create(&config);
    assert_eq!(read(&case, "said"), "0 called\n");
}

fn unread(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    // More than a pipe holds, so that writing it must wait for a reader.
    config["annotations"] = json!({ "com.example.long": "x".repeat(100_000) });
    for kind in KINDS {
        config["hooks"][kind] = json!([shell(kind, "exec <&-; exit 0")]);
    }
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    container.delete().unwrap();
}

fn timeout(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let mut slow = shell("createRuntime", "exec sleep 15");
    slow["timeout"] = json!(1);
    config["hooks"]["createRuntime"] = json!([slow]);
    let begin = Instant::now();
    case.refused("a slow hook", &config);
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "it was waited for"
    );
    let mut quick = shell("createRuntime", "exec cat");
    quick["timeout"] = json!(5);
    config["hooks"]["createRuntime"] = json!([quick]);
    case.create(&config);
}

fn later_timeouts(subject: Subject) {
    let case = Case::new(subject);
    let slow = |kind: &str| {
        let mut slow = shell(kind, "exec sleep 15");
        slow["timeout"] = json!(1);
        json!([slow])
    };
    let begin = Instant::now();
    for kind in ["startContainer", "poststart"] {
        let mut config = case.config("sleep 100");
        config["hooks"][kind] = slow(kind);
        let container = case.create(&config);
        container.try_start().expect_err(kind);
        eventually("it ends", || host::has_ended(container.pid));
    }
    let mut config = case.config("true");
    config["hooks"]["poststop"] = slow("poststop");
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    container.delete().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(12), "waited for");
}

fn relative(subject: Subject) {
    let case = Case::new(subject);
    for broken in [json!({ "path": "bin/true" }), json!({ "args": ["true"] })] {
        let mut config = case.config("true");
        config["hooks"]["createRuntime"] = json!([broken]);
        case.refused(broken, &config);
    }
}

fn no_timeout(subject: Subject) {
    let case = Case::new(subject);
    for timeout in [0, -1] {
        let mut config = case.config("true");
        let mut broken = hook("createRuntime", "true");
        broken["timeout"] = json!(timeout);
        config["hooks"]["createRuntime"] = json!([broken]);
        case.refused(timeout, &config);
    }
}

fn failing(subject: Subject, kind: &str) {
    let case = Case::new(subject);
    log(&case);
    let mut config = case.config("touch /ran");
    let log = seen(&case, kind, "log");
    config["hooks"][kind] = json!([
        hook(kind, &format!("echo first >>{log}; exit 3")),
        hook(kind, &format!("echo second >>{log}"))
    ]);
    let log = seen(&case, "poststop", "log");
    config["hooks"]["poststop"] = json!([hook("poststop", &format!("echo poststop >>{log}"))]);
    case.refused(kind, &config);
    assert!(!case.rootfs().join("ran").exists());
    assert_eq!(read(&case, "log"), "first\npoststop\n");
}

fn failing_start(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("touch /ran; sleep 100");
    config["hooks"]["startContainer"] = json!([hook("startContainer", "true; exit 3")]);
    let container = case.create(&config);
    container.try_start().expect_err("it was started");
    eventually("it ends", || host::has_ended(container.pid));
    assert!(!case.rootfs().join("ran").exists(), "the program ran");
    // Stopped, or destroyed at once.
    assert!(
        container
            .try_state()
            .map_or(true, |state| state["status"] == "stopped")
    );
}

fn failing_poststart(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("sleep 100");
    config["hooks"]["poststart"] = json!([hook("poststart", "true; exit 3")]);
    let container = case.create(&config);
    container.try_start().expect_err("it was started");
    eventually("it ends", || host::has_ended(container.pid));
    assert!(
        container
            .try_state()
            .map_or(true, |state| state["status"] == "stopped")
    );
}

fn poststop_after_failure(subject: Subject) {
    let case = Case::new(subject);
    for kind in ["startContainer", "poststart"] {
        log(&case);
        let mut config = case.config("sleep 100");
        config["hooks"][kind] = json!([hook(kind, "true; exit 3")]);
        let log = seen(&case, "poststop", "log");
        config["hooks"]["poststop"] = json!([hook("poststop", &format!("echo poststop >>{log}"))]);
        let container = case.create(&config);
        container.try_start().expect_err(kind);
        eventually("it ends", || host::has_ended(container.pid));
        if container.try_state().is_ok() {
            container.delete().unwrap();
        }
        assert_eq!(read(&case, "log"), "poststop\n", "{kind}");
    }
}

fn warned_of(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["hooks"]["poststop"] = json!([hook("poststop", "true; exit 3")]);
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    let said = case.runtime(&["delete", &container.id]);
    assert!(said.status.success(), "{said:?}");
    assert!(!said.stderr.trim_ascii().is_empty(), "without a word");
}

fn failing_poststop(subject: Subject) {
    let case = Case::new(subject);
    log(&case);
    let mut config = case.config("true");
    let log = seen(&case, "poststop", "log");
    config["hooks"]["poststop"] = json!([
        hook("poststop", &format!("echo first >>{log}; exit 3")),
        hook("poststop", &format!("echo second >>{log}"))
    ]);
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    container.delete().unwrap();
    assert_eq!(read(&case, "log"), "first\nsecond\n");
    container.try_state().expect_err("it is still there");
}

fn poststop(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("exec sleep 100");
    let group = fresh_id();
    if !subject.rootless {
        config["linux"]["cgroupsPath"] = json!(format!("/{group}"));
    }
    let file = seen(&case, "poststop", "found");
    // One level below the mount point, where the hierarchies are.
    let script = format!(
        "ls -d /sys/fs/cgroup/*/{group} /sys/fs/cgroup/{group} 2>/dev/null >{file}; \
                          echo looked >>{file}"
    );
    config["hooks"]["poststop"] = json!([hook("poststop", &script)]);
    let container = case.create(&config);
    container.start();
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    assert_eq!(read(&case, "found"), "looked\n");
}
