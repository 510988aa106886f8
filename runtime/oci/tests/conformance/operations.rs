//! runtime.md: what each operation does, and what it refuses.

use std::fs;

use serde_json::json;

use crate::case::{Case, fresh_id};
use crate::eventually::eventually;
use crate::holder::Holder;
use crate::subject::Subject;
use crate::{Claim, anyone, config, host, lifecycle, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "whoever_creates_a_container_can_use_every_operation",
        section: "runtime.md, Scope of a container",
        level: "MUST",
        gist: "who creates a container can ask for its state, start it, send it signals and delete it",
        need: anyone,
        test: lifecycle::whole_life,
    },
    Claim {
        name: "every_operation_demands_the_id_of_a_container_that_exists",
        section: "runtime.md, Operations",
        level: "MUST",
        gist: "state, start, kill and delete without an id, or with one that nobody has, are errors",
        need: anyone,
        test: ids,
    },
    Claim {
        name: "create_demands_an_id_and_a_bundle",
        section: "runtime.md, Create",
        level: "MUST",
        gist: "create without an id, or without a bundle that can be read, is an error",
        need: anyone,
        test: needs_bundle,
    },
    Claim {
        name: "an_id_in_use_is_refused_and_its_container_unharmed",
        section: "runtime.md, Create",
        level: "MUST NOT",
        gist: "an id that is not unique is an error, and no new container is made",
        need: anyone,
        test: taken,
    },
    Claim {
        name: "an_invalid_id_is_refused",
        section: "runtime.md, Create",
        level: "MUST",
        gist: "an id that is not valid is an error: empty, with a separator, leading out of the state's directory",
        need: anyone,
        test: invalid_ids,
    },
    Claim {
        name: "a_container_that_cannot_be_made_as_configured_is_not_made",
        section: "runtime.md, Create",
        level: "MUST",
        gist: "where an item of `config.json` cannot be done, create is an error and makes no container",
        need: anyone,
        test: impossible,
    },
    Claim {
        name: "a_started_container_cannot_be_started_again",
        section: "runtime.md, Start",
        level: "MUST",
        gist: "start of a container that is not `created` is an error and changes nothing",
        need: anyone,
        test: twice,
    },
    Claim {
        name: "start_needs_a_process",
        section: "runtime.md, Start",
        level: "MUST",
        gist: "without `process` there is nothing to start: an error, at create or at start",
        need: anyone,
        test: no_process,
    },
    Claim {
        name: "kill_sends_the_signal_that_it_is_given",
        section: "runtime.md, Kill",
        level: "MUST",
        gist: "the process gets that signal, by its name or by its number",
        need: anyone,
        test: signals,
    },
    Claim {
        name: "a_created_container_can_be_killed",
        section: "runtime.md, Kill",
        level: "MUST",
        gist: "a container that is `created` gets signals too, and is `stopped` by one that ends it",
        need: anyone,
        test: kill_created,
    },
    Claim {
        name: "a_stopped_container_takes_no_signal",
        section: "runtime.md, Kill",
        level: "MUST",
        gist: "a signal for a container that is neither created nor running is an error and has no effect",
        need: anyone,
        test: kill_stopped,
    },
    Claim {
        name: "a_status_is_stopped_however_the_program_ended",
        section: "runtime.md, Kill",
        level: "MUST",
        gist: "`stopped` after an exit, a failure, a crash and a kill",
        need: anyone,
        test: stopped,
    },
    Claim {
        name: "a_running_container_cannot_be_deleted",
        section: "runtime.md, Delete",
        level: "MUST",
        gist: "delete of a running container is an error and has no effect on it",
        need: anyone,
        test: delete_running,
    },
    Claim {
        name: "a_created_container_cannot_be_deleted",
        section: "runtime.md, Delete",
        level: "MUST",
        gist: "delete of a container that is not stopped, thus of a created one, is an error and has no effect on it",
        need: anyone,
        test: delete_created,
    },
    Claim {
        name: "delete_removes_what_create_made",
        section: "runtime.md, Delete",
        level: "MUST",
        gist: "after delete there is no state, no control group and no process; the id can be used again",
        need: anyone,
        test: removes,
    },
    Claim {
        name: "delete_keeps_what_create_did_not_make",
        section: "runtime.md, Delete",
        level: "MUST NOT",
        gist: "the bundle, the root's files, bind sources and namespaces that were joined stay",
        need: root,
        test: keeps,
    },
];

fn ids(subject: Subject) {
    let case = Case::new(subject);
    let unknown = fresh_id();
    for arguments in [&["state"][..], &["start"], &["kill"], &["delete"]] {
        let output = case.runtime(arguments);
        assert!(!output.status.success(), "{arguments:?} without an id");
        let mut arguments = arguments.to_vec();
        arguments.push(&unknown);
        if arguments[0] == "kill" {
            arguments.push("TERM");
        }
        let output = case.runtime(&arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} fails in silence");
    }
}

fn needs_bundle(subject: Subject) {
    let case = Case::new(subject);
    case.write(&case.config("true"));
    let bundle = case.bundle().to_string_lossy().into_owned();
    let output = case.runtime(&["create", "--bundle", &bundle]);
    assert!(!output.status.success(), "create without an id");
    for path in [case.beside("missing"), case.rootfs()] {
        let id = fresh_id();
        let output = case.runtime(&["create", "--bundle", path.to_str().unwrap(), &id]);
        assert!(!output.status.success(), "create of {path:?}");
        assert!(!case.runtime(&["state", &id]).status.success());
    }
}

fn taken(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("sleep 100"));
    let before = container.state();
    let other = Case::new(subject);
    other.write(&other.config("true"));
    let bundle = other.bundle().to_string_lossy().into_owned();
    let create = || case.runtime(&["create", "--bundle", &bundle, &container.id]);
    assert!(!create().status.success(), "while created");
    assert_eq!(container.state(), before);
    container.start();
    assert!(!create().status.success(), "while running");
    assert_eq!(container.status(), "running");
    container.kill("KILL").unwrap();
    container.wait_stopped();
    assert!(!create().status.success(), "while stopped");
    assert_eq!(container.status(), "stopped");
}

fn invalid_ids(subject: Subject) {
    let case = Case::new(subject);
    case.write(&case.config("true"));
    let bundle = case.bundle().to_string_lossy().into_owned();
    for id in ["", ".", "..", "../escaped", "a/b", "/absolute", "a b"] {
        let output = case.runtime(&["create", "--bundle", &bundle, id]);
        if output.status.success() {
            case.runtime(&["delete", "--force", id]);
            panic!("{id:?} was accepted");
        }
    }
    assert!(!case.beside("../escaped").exists());
}

fn impossible(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let mount = json!({ "destination": "/mnt", "type": "no-such-type", "source": "x" });
    config::mount(&mut config, mount);
    case.refused("no such file system", &config);
    let mut config = case.config("true");
    config["root"]["path"] = json!("no-such-root");
    case.refused("no such root", &config);
    let mut config = case.config("true");
    let missing = json!({ "type": "network", "path": "/proc/self/ns/no-such" });
    config::namespace(&mut config, missing);
    case.refused("no such namespace", &config);
}

fn twice(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("echo once >>/log; sleep 100"));
    container.start();
    eventually("it ran", || case.rootfs().join("log").exists());
    container.try_start().expect_err("started twice");
    assert_eq!(container.status(), "running");
    assert_eq!(container.state()["pid"], container.pid);
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container
        .try_start()
        .expect_err("a stopped one was started");
    assert_eq!(container.status(), "stopped");
    assert_eq!(
        fs::read_to_string(case.rootfs().join("log")).unwrap(),
        "once\n"
    );
}

fn no_process(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config::without(&mut config, "process");
    case.refused_by_start("no process", &config);
}

fn signals(subject: Subject) {
    let case = Case::new(subject);
    let script = "trap 'echo usr1' USR1; trap 'echo usr2' USR2; trap 'echo hup' HUP; \
                  trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let container = case.create(&case.config(script));
    container.start();
    container.wait_for("ready");
    for (signal, word) in [
        ("USR1", "usr1"),
        ("SIGUSR2", "usr2"),
        ("1", "hup"),
        ("TERM", "bye"),
    ] {
        assert!(!container.output().contains(word));
        container.kill(signal).unwrap();
        container.wait_for(word);
    }
    container.wait_stopped();
}

fn kill_created(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("touch /ran"));
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container
        .try_start()
        .expect_err("a stopped one was started");
    assert!(!case.rootfs().join("ran").exists());
    container.delete().unwrap();
}

fn kill_stopped(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("true"));
    container.start();
    container.wait_stopped();
    for signal in ["TERM", "KILL"] {
        container.kill(signal).expect_err("a signal was sent");
    }
    assert_eq!(container.status(), "stopped");
}

fn stopped(subject: Subject) {
    let case = Case::new(subject);
    for script in [
        "exit 0",
        "exit 3",
        "exec /bin/sh -c 'kill -SEGV $$; exit 1'",
    ] {
        let container = case.create(&case.config(script));
        container.start();
        container.wait_stopped();
        container.delete().unwrap();
    }
}

fn delete_running(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("sleep 100"));
    container.start();
    container.delete().expect_err("a running one was deleted");
    assert_eq!(container.status(), "running");
    assert!(!host::has_ended(container.pid));
}

fn delete_created(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("echo started"));
    container.delete().expect_err("a created one was deleted");
    assert_eq!(container.status(), "created");
    container.start();
    container.wait_for("started");
}

fn removes(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("sleep 100 & exec sleep 100");
    let path = format!("/{}", fresh_id());
    if !subject.rootless {
        config["linux"]["cgroupsPath"] = json!(path);
    }
    let container = case.create(&config);
    container.start();
    if !subject.rootless {
        assert!(!host::groups(&path).is_empty(), "no group was made");
    }
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    container.try_state().expect_err("the state is still there");
    let left = host::groups(&path);
    assert!(left.is_empty(), "{left:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let bundle = case.bundle().to_string_lossy().into_owned();
    assert!(!mounts.contains(&bundle), "a mount is left behind");
    case.write(&case.config("echo again"));
    let again = case.try_create_as(&container.id, &[]).unwrap();
    again.start();
    again.wait();
    assert_eq!(again.output(), "again\n");
}

fn keeps(subject: Subject) {
    let case = Case::new(subject);
    let holder = Holder::new(&["--net"], "net");
    let joined = holder.namespace("net");
    let source = case.directory("source");
    fs::write(source.join("file"), "kept").unwrap();
    let mut config = case.config("echo inside >/mnt/written");
    let source_name = source.to_string_lossy();
    config::mount(
        &mut config,
        json!({ "destination": "/mnt", "type": "none", "source": source_name, "options": ["bind"] }),
    );
    let network = json!({ "type": "network", "path": holder.path("net") });
    config::namespace(&mut config, network);
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    container.delete().unwrap();
    assert_eq!(fs::read_to_string(source.join("file")).unwrap(), "kept");
    assert_eq!(
        fs::read_to_string(source.join("written")).unwrap(),
        "inside\n"
    );
    assert!(case.beside("config.json").exists());
    assert!(case.rootfs().join("bin/sh").exists());
    assert_eq!(holder.namespace("net"), joined);
}
