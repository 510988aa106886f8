//! runtime.md: hooks that fail.

use serde_json::{Value, json};

use crate::case::{Case, Container};
use crate::eventually::eventually;
use crate::hooks::{hook, log, read, seen};
use crate::subject::Subject;
use crate::{Claim, anyone, host};

pub(crate) const CLAIMS: &[Claim] = &[
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
];

/// One hook, which does nothing else.
fn fails(kind: &str) -> Value {
    json!([hook(kind, "true; exit 3")])
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

/// A start that a hook of that kind makes fail.
fn stopped_by(case: &Case, kind: &str, script: &str) {
    let mut config = case.config(script);
    config["hooks"][kind] = fails(kind);
    let container = case.create(&config);
    container.try_start().expect_err("it was started");
    eventually("it ends", || host::has_ended(container.pid));
    // Stopped, or destroyed at once.
    let state = container.try_state();
    assert!(state.map_or(true, |state| state["status"] == "stopped"));
}

fn failing_start(subject: Subject) {
    let case = Case::new(subject);
    stopped_by(&case, "startContainer", "touch /ran; sleep 100");
    assert!(!case.rootfs().join("ran").exists(), "the program ran");
}

fn failing_poststart(subject: Subject) {
    stopped_by(&Case::new(subject), "poststart", "sleep 100");
}

fn poststop_after_failure(subject: Subject) {
    let case = Case::new(subject);
    for kind in ["startContainer", "poststart"] {
        log(&case);
        let mut config = case.config("sleep 100");
        config["hooks"][kind] = fails(kind);
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

/// A container whose program has ended, with these hooks of its delete.
fn ended<'a>(case: &'a Case, poststop: Value) -> Container<'a> {
    let mut config = case.config("true");
    config["hooks"]["poststop"] = poststop;
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    container
}

fn warned_of(subject: Subject) {
    let case = Case::new(subject);
    let container = ended(&case, fails("poststop"));
    let said = case.runtime(&["delete", &container.id]);
    assert!(said.status.success(), "{said:?}");
    assert!(!said.stderr.trim_ascii().is_empty(), "without a word");
}

fn failing_poststop(subject: Subject) {
    let case = Case::new(subject);
    log(&case);
    let log = seen(&case, "poststop", "log");
    let hooks = json!([
        hook("poststop", &format!("echo first >>{log}; exit 3")),
        hook("poststop", &format!("echo second >>{log}"))
    ]);
    let container = ended(&case, hooks);
    container.delete().unwrap();
    assert_eq!(read(&case, "log"), "first\nsecond\n");
    container.try_state().expect_err("it is still there");
}
