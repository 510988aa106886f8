//! Hooks: in which order they run, what they are told, and what one that fails
//! or hangs leaves.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use isolab_oci::spec::{Hook, Hooks, NamespaceType};
use isolab_oci::{Begin, Error};

use crate::Claim;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::support::{containers, linux, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    ("hooks_run_in_order_and_are_told_the_state", root, hooks),
    (
        "hooks_of_the_start_run_also_where_it_follows_at_once",
        root,
        hooks_at_once,
    ),
    (
        "a_hook_without_an_environment_has_the_runtimes_and_never_the_containers",
        root,
        hook_environment,
    ),
    (
        "a_hook_that_fails_ends_the_creation_and_leaves_nothing",
        containers,
        failing_hook,
    ),
    (
        "a_hook_that_fails_after_the_start_leaves_no_process",
        root,
        failing_poststart,
    ),
    (
        "a_hook_that_hangs_is_killed_in_time",
        containers,
        hanging_hook,
    ),
    (
        "a_hook_may_have_all_the_time_that_there_is",
        containers,
        patient_hook,
    ),
];

/// One of the host's shell.
pub(crate) fn shell(script: &str) -> Hook {
    Hook {
        path: "/bin/sh".into(),
        args: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec!["PATH=/usr/bin:/bin".to_owned()],
        timeout: None,
    }
}

/// One that notes in `file` when it ran, and where.
pub(crate) fn noting(file: &Path, word: &str) -> Hook {
    // The state arrives on standard input; what is noted is the point, the
    // status, and whether the namespaces are the container's.
    let script = format!(
        "read -r state; echo {word} $(echo $state | sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/') \
         $(hostname) >>{}",
        file.display()
    );
    Hook {
        timeout: Some(10),
        ..shell(&script)
    }
}

fn hooks() {
    let lab = Lab::new();
    let notes = lab.place.path().join("notes");
    let mut spec = lab.place.spec("sleep 60");
    spec.hostname = Some("inside".to_owned());
    spec.root.as_mut().unwrap().readonly = false;
    let inside = Path::new("/tmp/notes");
    spec.hooks = Some(Hooks {
        prestart: vec![noting(&notes, "prestart")],
        create_runtime: vec![noting(&notes, "createRuntime")],
        create_container: vec![noting(&notes, "createContainer")],
        start_container: vec![noting(inside, "startContainer")],
        poststart: vec![noting(&notes, "poststart")],
        poststop: vec![noting(&notes, "poststop")],
    });
    let (mut container, running) = lab.create(&spec).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let so_far = format!(
        "prestart creating {host}\ncreateRuntime creating {host}\ncreateContainer creating inside\n"
    );
    assert_eq!(fs::read_to_string(&notes).unwrap(), so_far);
    container.start().unwrap();
    assert_eq!(
        fs::read_to_string(lab.place.root().join("tmp/notes")).unwrap(),
        "startContainer created inside\n"
    );
    drop(running);
    lab.load().delete(false).unwrap();
    assert_eq!(
        fs::read_to_string(&notes).unwrap(),
        format!("{so_far}poststart running {host}\npoststop stopped {host}\n")
    );
}

fn hooks_at_once() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("cat /tmp/notes >/tmp/seen; sleep 60");
    spec.root.as_mut().unwrap().readonly = false;
    spec.hooks = Some(Hooks {
        start_container: vec![noting(Path::new("/tmp/notes"), "startContainer")],
        ..Hooks::default()
    });
    let (_, running) = lab.begin(&spec, Begin::Now).unwrap();
    let seen = lab.place.root().join("tmp/seen");
    eventually("the hook ran before the program", || {
        fs::read_to_string(&seen).is_ok_and(|text| text.contains("startContainer created"))
    });
    drop(running);
    lab.load().delete(true).unwrap();
    spec.hooks.as_mut().unwrap().start_container[0].args = vec!["false".to_owned()];
    spec.hooks.as_mut().unwrap().start_container[0].path = "/bin/false".into();
    match lab.begin(&spec, Begin::Now) {
        Err(Error::Hook { field, .. }) => assert_eq!(field, "hooks.startContainer[0]"),
        other => panic!("{other:?}"),
    }
    assert!(lab.is_gone());
}

fn hook_environment() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 60");
    process(&mut spec).env.push("INSIDE=1".to_owned());
    let notes = |name: &str| lab.place.path().join(name);
    let note = |name: &str| {
        let script = format!("env >{}", notes(name).display());
        let args = ["sh", "-c", &script].map(str::to_owned).to_vec();
        vec![Hook {
            path: "/bin/sh".into(),
            args,
            ..Hook::default()
        }]
    };
    spec.hooks = Some(Hooks {
        create_runtime: note("runtime"),
        create_container: note("container"),
        ..Hooks::default()
    });
    let (_, running) = lab.create(&spec).unwrap();
    let own = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    for name in ["runtime", "container"] {
        let said = fs::read_to_string(notes(name)).unwrap();
        assert!(
            said.contains(&format!("CARGO_MANIFEST_DIR={own}\n")),
            "{name}: {said}"
        );
        assert!(!said.contains("INSIDE"), "{name}: {said}");
    }
    drop(running);
    lab.load().delete(false).unwrap();
}

fn failing_hook() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 60");
    let stopped = lab.place.path().join("stopped");
    spec.hooks = Some(Hooks {
        create_runtime: vec![shell("echo no luck >&2; exit 3")],
        poststop: vec![noting(&stopped, "poststop")],
        ..Hooks::default()
    });
    match lab.create(&spec) {
        Err(error @ Error::Hook { .. }) => {
            let text = error.to_string();
            assert!(text.contains("hooks.createRuntime[0]"), "{text}");
            assert!(text.contains("exit status 3: no luck"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        fs::read_to_string(&stopped)
            .unwrap()
            .starts_with("poststop stopped")
    );
    assert!(lab.is_gone());
}

/// Nobody else would end what has no pid namespace to end with.
fn failing_poststart() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 1000 & sleep 1000 & wait");
    linux(&mut spec)
        .namespaces
        .retain(|n| n.kind != NamespaceType::Pid);
    let ended = lab.place.path().join("groups");
    let script = format!(
        "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); sleep 0.2; \
         cat /proc/$pid/task/$pid/children >{}; exit 1",
        ended.display()
    );
    spec.hooks = Some(Hooks {
        poststart: vec![shell(&script)],
        ..Hooks::default()
    });
    let made = lab.begin(&spec, Begin::Now);
    assert!(matches!(made, Err(Error::Hook { .. })), "{made:?}");
    assert!(lab.is_gone());
    let children = fs::read_to_string(ended).unwrap();
    assert_eq!(children.split_whitespace().count(), 2, "{children}");
    for pid in children.split_whitespace() {
        let stat = format!("/proc/{pid}/stat");
        eventually("a process lives on", || {
            fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "))
        });
    }
}

fn hanging_hook() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 60");
    spec.hooks = Some(Hooks {
        prestart: vec![Hook {
            path: "/bin/sleep".into(),
            args: ["sleep", "60"].map(str::to_owned).to_vec(),
            timeout: Some(1),
            ..Hook::default()
        }],
        ..Hooks::default()
    });
    let begun = Instant::now();
    let error = lab.create(&spec).unwrap_err().to_string();
    assert!(error.contains("no end after 1 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(lab.is_gone());
}

/// A time that is beyond the end of the clock.
fn patient_hook() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("true");
    spec.hooks = Some(Hooks {
        prestart: vec![Hook {
            path: "/bin/true".into(),
            timeout: Some(i64::MAX),
            ..Hook::default()
        }],
        ..Hooks::default()
    });
    let (_, running) = lab.create(&spec).unwrap();
    drop(running);
    lab.load().delete(false).unwrap();
}
