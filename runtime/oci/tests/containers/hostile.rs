//! Bundles that were made to do harm, or by mistake: each is an error that says
//! what is wrong, in time, and nothing is left of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use isolab_oci::spec::{Action, Hook, Hooks, Rule, Seccomp};
use isolab_oci::sys::process::kill;
use isolab_oci::{Begin, Bundle, Container, Error, Running, Spec};

use crate::Claim;
use crate::eventually::eventually;
use crate::hooks::shell;
use crate::lab::Lab;
use crate::sleeper::{run_under, strace};
use crate::support::{Place, containers, linux, name, options, process, root, silent, traces};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_hook_that_forks_is_not_waited_for",
        containers,
        forking_hook,
    ),
    (
        "a_start_that_cannot_wait_for_its_hooks_is_none",
        strace,
        unwaited_hook,
    ),
    (
        "a_hook_that_hangs_takes_its_children_along",
        containers,
        hanging_hook,
    ),
    (
        "a_filter_that_forbids_every_execution_is_told_and_leaves_nothing",
        containers,
        forbidden,
    ),
    (
        "a_filter_may_forbid_what_the_runtime_did_before_it",
        containers,
        filtered_last,
    ),
    (
        "arguments_that_no_program_can_have_are_refused_and_leave_nothing",
        containers,
        arguments,
    ),
    (
        "a_config_that_changes_while_it_is_read_is_one_of_those_that_it_was",
        containers,
        changing,
    ),
    (
        "a_container_is_what_its_config_was_when_it_was_made",
        containers,
        changed,
    ),
    ("a_fifo_as_a_namespace_is_refused_at_once", containers, fifo),
];

/// Makes it, in a control group of its own; it ends with this test.
fn create(lab: &Lab, spec: &Spec, begin: Begin) -> isolab_oci::Result<(Container, Running)> {
    lab.create_with(spec, begin, &options())
}

/// Makes it and starts it; the error, and that nothing is left.
fn fails(lab: &Lab, spec: &Spec) -> Error {
    let mut first = None;
    for begin in [Begin::Now, Begin::Later] {
        let error = match create(lab, spec, begin) {
            Err(error) => error,
            Ok((mut container, running)) => {
                assert_eq!(begin, Begin::Later, "it started");
                let error = container.start().expect_err("it started");
                drop(running);
                container.delete(true).unwrap();
                error
            }
        };
        let left = fs::read_dir(lab.root().path()).map_or(0, Iterator::count);
        let (mounts, groups) = traces();
        assert_eq!((left, groups), (0, Vec::new()), "{error}");
        assert!(!mounts.contains(lab.place.path().to_str().unwrap()));
        first.get_or_insert(error);
    }
    first.unwrap()
}

fn prestart(script: &str, timeout: Option<i64>) -> Hooks {
    let hook = Hook {
        timeout,
        ..shell(script)
    };
    Hooks {
        prestart: vec![hook],
        ..Hooks::default()
    }
}

/// The processes whose command line has `word`.
fn processes(word: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|argument| argument == word.as_bytes())
    })
    .collect()
}

fn seconds(unique: u32) -> String {
    format!("{unique}.{}", std::process::id())
}

fn forking_hook() {
    let lab = Lab::new();
    let long = seconds(7001);
    let mut spec = lab.place.spec("true");
    spec.hooks = Some(prestart(&format!("sleep {long} & exit 0"), None));
    let begun = Instant::now();
    let (container, mut running) = create(&lab, &spec, Begin::Now).unwrap();
    assert!(running.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10));
    container.delete(true).unwrap();
    // A daemon that a hook started is the author's.
    let mut left = Vec::new();
    eventually("the hook's child is there", || {
        left = processes(&long);
        left.len() == 1
    });
    kill(left[0], libc::SIGKILL).unwrap();
}

/// The kernel's answer to the first wait is an error.
fn unwaited_hook() {
    let place = Place::new();
    let file = place.path().join("hooked");
    let mut spec = place.spec("echo program");
    spec.hooks = Some(prestart(&format!("echo >{}", file.display()), None));
    let fails = "strace -o /dev/null -e trace=ppoll -e inject=ppoll:error=ENOMEM:when=1";
    let starter: Vec<&str> = fails.split(' ').collect();
    let said = run_under(&starter, &spec, &place);
    assert!(said.contains("cannot wait for"), "{said}");
    assert!(!said.contains("program"), "{said}");
    // Without the error it is run.
    assert_eq!(run_under(&["env"], &spec, &place), "program\n");
    assert!(file.exists());
}

fn hanging_hook() {
    let lab = Lab::new();
    let long = seconds(7002);
    let mut spec = lab.place.spec("true");
    let script = format!("trap '' TERM; sleep {long} & sleep {long}; sleep {long}");
    spec.hooks = Some(prestart(&script, Some(1)));
    let begun = Instant::now();
    let error = fails(&lab, &spec).to_string();
    assert!(error.contains("no end after 1 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    eventually("its children are gone", || processes(&long).is_empty());
}

/// A filter with one rule: `action` for `calls`.
fn filter(calls: &[&str], action: Action) -> Seccomp {
    Seccomp {
        default_action: Action::Allow,
        syscalls: vec![Rule {
            names: calls.iter().map(|&name| name.to_owned()).collect(),
            action,
            errno_ret: None,
            args: Vec::new(),
        }],
        ..Seccomp::default()
    }
}

fn forbidden() {
    let lab = Lab::new();
    let actions = [
        Action::Errno,
        Action::Kill,
        Action::KillProcess,
        Action::Trap,
    ];
    for no_new_privileges in [true, false] {
        for action in actions {
            let mut spec = lab.place.spec("true");
            process(&mut spec).no_new_privileges = no_new_privileges;
            linux(&mut spec).seccomp = Some(filter(&["execve"], action));
            let error = fails(&lab, &spec);
            assert!(error.to_string().contains("execve"), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
    }
    // What our own init needs before it: an error, whichever it is, and no wait.
    for (calls, action) in [
        (&["execveat", "execve"][..], Action::KillProcess),
        (&["fcntl", "ioctl"], Action::Errno),
    ] {
        let mut spec = lab.place.spec("true");
        process(&mut spec).no_new_privileges = false;
        linux(&mut spec).seccomp = Some(filter(calls, action));
        let error = fails(&lab, &spec);
        assert!(!error.to_string().is_empty());
    }
    // Nobody could be told that it waits.
    let mut spec = lab.place.spec("true");
    process(&mut spec).no_new_privileges = false;
    linux(&mut spec).seccomp = Some(filter(&["write"], Action::Errno));
    create(&lab, &spec, Begin::Later).expect_err("it waits");
}

/// Whoever the process is, and whether it may gain privileges or not: the filter
/// is for the program, and comes when the runtime has done its part.
fn filtered_last() {
    let lab = Lab::new();
    let before = [
        "setgroups",
        "setresgid",
        "setresuid",
        "capset",
        "prctl",
        "chdir",
        "getcwd",
        "umask",
        "faccessat2",
        "rt_sigprocmask",
        "rt_sigaction",
        "close_range",
        "dup3",
        "ppoll",
        "futex",
        "openat",
        "mmap",
        "close",
    ];
    for (no_new_privileges, uid) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let uid = if root().is_ok() { uid } else { 0 };
        let mut spec = lab.place.spec("");
        process(&mut spec).no_new_privileges = no_new_privileges;
        process(&mut spec).user.uid = uid;
        // Statically linked: it needs none of them to begin.
        process(&mut spec).args = ["sh", "-c", "exit 7"].map(str::to_owned).to_vec();
        linux(&mut spec).seccomp = Some(filter(&before, Action::Errno));
        let bundle = Bundle::new(lab.place.path(), spec.clone()).unwrap();
        let ran = Container::run(&bundle, &name(), silent(), &options());
        let status = ran.unwrap().wait().unwrap();
        assert_eq!(status.code, Some(7), "{no_new_privileges} {uid}");
        let (mut container, mut running) = create(&lab, &spec, Begin::Later).unwrap();
        container.start().unwrap();
        assert_eq!(
            running.wait().unwrap().code,
            Some(7),
            "{no_new_privileges} {uid}"
        );
        container.delete(false).unwrap();
    }
}

fn arguments() {
    let lab = Lab::new();
    let text = lab.place.root().join("bin/text");
    fs::write(&text, "no program").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o644)).unwrap();
    let looping = lab.place.root().join("bin/looping");
    std::os::unix::fs::symlink("looping", looping).unwrap();
    let long = "x".repeat(200_000);
    let huge = "/x".repeat(3000);
    for args in [
        &[][..],
        &[""],
        &["nowhere"],
        &["/bin/nowhere"],
        &["/bin"],
        &["/bin/text"],
        &["/bin/looping"],
        &["/bin/text/below"],
        &["a\0b"],
        &["sh", "a\0b"],
        &["sh", &long],
        &[&huge],
        &["../../../../bin/nowhere"],
    ] {
        let mut spec = lab.place.spec("");
        process(&mut spec).args = args.iter().map(|&word| word.to_owned()).collect();
        let error = fails(&lab, &spec);
        let shown: String = format!("{args:?}").chars().take(60).collect();
        assert!(
            matches!(error, Error::Exec { .. } | Error::Invalid { .. }),
            "{shown}: {error:?}"
        );
        assert!(error.to_string().len() < 8192, "{shown}");
    }
}

fn changing() {
    let place = Place::new();
    let path = place.path().join("config.json");
    let texts = ["one", "two"].map(|word| {
        let mut spec = place.spec("true");
        spec.hostname = Some(word.to_owned());
        // Long, so that it is not read at once.
        spec.annotations
            .insert("filler".to_owned(), word.repeat(50_000));
        serde_json::to_vec(&spec).unwrap()
    });
    fs::write(&path, &texts[0]).unwrap();
    let done = AtomicBool::new(false);
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = place.path().join("config.new");
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let text = &texts[turn % 2];
                fs::write(&other, text).unwrap();
                fs::rename(&other, &path).unwrap();
                // And cut short, perhaps below the reader.
                if turn % 3 == 0 {
                    let file = fs::File::options().write(true).open(&path).unwrap();
                    file.set_len(text.len() as u64 / 2).unwrap();
                }
            }
        });
        let begun = Instant::now();
        while (read < 50 || refused < 5) && begun.elapsed() < Duration::from_secs(20) {
            match Bundle::load(place.path()) {
                Ok(bundle) => {
                    let spec = bundle.spec();
                    let word = spec.hostname.clone().unwrap();
                    // Not the beginning of one and the end of the other.
                    assert_eq!(spec.annotations["filler"], word.repeat(50_000));
                    read += 1;
                }
                Err(error) => {
                    assert!(error.hint().is_some(), "{error:?}");
                    refused += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(read >= 50 && refused >= 5, "{read} {refused}");
}

fn changed() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("[ $(hostname) = first ] && sleep 100");
    spec.hostname = Some("first".to_owned());
    let (mut container, running) = create(&lab, &spec, Begin::Later).unwrap();
    // The bundle is another's by now: its config, and its root.
    fs::write(lab.place.path().join("config.json"), "{}").unwrap();
    let moved = lab.place.path().join("moved");
    fs::rename(lab.place.root(), &moved).unwrap();
    fs::create_dir(lab.place.root()).unwrap();
    container.start().unwrap();
    let mut joining = process(&mut spec).clone();
    joining.args = ["sh", "-c", "[ $(hostname) = first ]"]
        .map(str::to_owned)
        .to_vec();
    let stdio = isolab_oci::Stdio::inherit();
    let mut joined = container.exec(&joining, stdio, &options()).unwrap();
    assert!(joined.wait().unwrap().success());
    drop(running);
    container.delete(true).unwrap();
    assert!(Path::new(&moved).join("bin").is_dir());
}

fn fifo() {
    use isolab_oci::spec::{Namespace, NamespaceType};
    let lab = Lab::new();
    let path = lab.place.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut spec = lab.place.spec("true");
    let namespaces = &mut linux(&mut spec).namespaces;
    namespaces.retain(|namespace| namespace.kind != NamespaceType::Ipc);
    namespaces.push(Namespace {
        kind: NamespaceType::Ipc,
        path: Some(path),
    });
    let error = fails(&lab, &spec).to_string();
    assert!(error.contains("is no namespace"), "{error}");
}
