//! config.md: hooks of all six kinds, when they run and with what.

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
pub(crate) fn hook(kind: &str, script: &str) -> Value {
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

/// Reads the state into a shell's `$pid`: it is one line or many, and the pid is a
/// number after its name.
pub(crate) const PID: &str = "pid=$(tr -d ' \\n' | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')";

/// A file in the root, as hooks of that kind reach it.
pub(crate) fn seen(case: &Case, kind: &str, name: &str) -> String {
    match kind {
        "startContainer" => format!("/{name}"),
        _ => case.rootfs().join(name).to_string_lossy().into_owned(),
    }
}

pub(crate) fn read(case: &Case, name: &str) -> String {
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
pub(crate) fn log(case: &Case) {
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
    let script = format!("{PID}; cat /proc/$pid/comm >{file}");
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
