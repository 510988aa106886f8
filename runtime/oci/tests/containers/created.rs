//! The life of a container that several commands know: create, start, exec,
//! kill, delete.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isolab_oci::spec::{Hook, Hooks, NamespaceType, Process};
use isolab_oci::{Begin, Bundle, Container, Error, Options, Running, Spec, StateRoot, Status};

use crate::Claim;
use crate::privileges::strace;
use crate::support::{Place, containers, linux, name, output, process, root, silent};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_created_container_runs_its_program_only_when_it_is_started",
        containers,
        created,
    ),
    (
        "each_verb_is_refused_in_the_states_in_which_it_makes_no_sense",
        containers,
        wrong_states,
    ),
    (
        "a_program_that_is_not_there_is_found_out_before_the_start",
        containers,
        missing_program,
    ),
    (
        "a_program_that_cannot_be_executed_is_told_by_the_start",
        containers,
        bad_program,
    ),
    (
        "another_process_is_in_the_containers_namespaces_and_groups",
        containers,
        exec,
    ),
    (
        "an_id_is_taken_until_its_container_is_deleted",
        containers,
        taken,
    ),
    (
        "a_deleted_containers_id_is_anothers_then",
        containers,
        taken_again,
    ),
    (
        "an_id_is_taken_while_its_container_is_finished",
        strace,
        taken_meanwhile,
    ),
    (
        "who_deletes_a_container_that_is_being_made_deletes_all_of_it",
        strace,
        deleted_meanwhile,
    ),
    (
        "without_a_process_a_container_is_created_and_cannot_be_started",
        containers,
        without_process,
    ),
    (
        "a_look_at_what_was_left_behind_does_not_keep_its_id",
        containers,
        looked_at,
    ),
    (
        "a_container_is_not_taken_for_stopped_for_want_of_descriptors",
        containers,
        few_descriptors,
    ),
    ("a_paused_container_stands_still", root, paused),
    (
        "a_forced_delete_kills_also_what_is_paused",
        root,
        delete_paused,
    ),
    ("hooks_run_in_order_and_are_told_the_state", root, hooks),
    (
        "hooks_of_the_start_run_also_where_it_follows_at_once",
        root,
        hooks_at_once,
    ),
    (
        "a_process_for_a_paused_container_is_refused_or_waits",
        root,
        exec_paused,
    ),
    ("a_group_that_is_frozen_is_not_joined", root, frozen_group),
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
        "a_kill_ends_all_of_a_container_that_shares_a_pid_namespace",
        root,
        shared_pids,
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
    (
        "namespaces_of_a_running_container_are_joined_by_path",
        root,
        joined,
    ),
    (
        "a_terminal_is_handed_out_by_descriptor",
        containers,
        terminal,
    ),
    (
        "what_waits_in_a_created_container_is_not_the_runtime",
        containers,
        small_init,
    ),
];

/// A state root and a bundle of their own.
struct Lab {
    place: Place,
    states: tempfile::TempDir,
    id: String,
}

impl Lab {
    fn new() -> Self {
        Self {
            place: Place::new(),
            states: tempfile::tempdir().unwrap(),
            id: name(),
        }
    }

    fn root(&self) -> StateRoot {
        StateRoot::new(self.states.path().join("states"))
    }

    fn create(&self, spec: &Spec) -> isolab_oci::Result<(Container, Running)> {
        self.create_with(
            spec,
            &Options {
                cgroup: isolab_oci::Cgroup::Owned,
                ..Options::default()
            },
        )
    }

    fn create_with(
        &self,
        spec: &Spec,
        options: &Options,
    ) -> isolab_oci::Result<(Container, Running)> {
        let bundle = Bundle::new(self.place.path(), spec.clone()).unwrap();
        Container::create(
            &self.root(),
            &self.id,
            &bundle,
            Begin::Later,
            silent(),
            options,
        )
    }

    /// Has `isorun create` make it, with one of its calls delayed as strace's
    /// `slow` says.
    fn create_slowly(&self, slow: &str) -> std::process::Child {
        let mut create = Command::new("strace");
        create.args([
            "-qqq",
            "-o",
            "/dev/null",
            "-e",
            "trace=flock,rename,mknodat",
        ]);
        create.args(["-e", &format!("inject={slow}")]);
        create.arg(env!("CARGO_BIN_EXE_isorun")).arg("--root");
        create.arg(self.root().path()).args(["create", "--bundle"]);
        create.arg(self.place.path()).arg(&self.id);
        create.stdin(std::process::Stdio::null());
        create.stdout(std::process::Stdio::null());
        create.stderr(std::process::Stdio::null()).spawn().unwrap()
    }

    fn load(&self) -> Container {
        Container::load(&self.root(), &self.id).unwrap()
    }

    /// A container that runs `script`, and its process.
    fn started(&self, script: &str) -> (Container, Running) {
        let (mut container, running) = self.create(&self.place.spec(script)).unwrap();
        container.start().unwrap();
        (container, running)
    }

    /// What `script` says in the container.
    fn exec(&self, script: &str) -> String {
        let container = self.load();
        let spec = container.spec().unwrap();
        let process = Process {
            args: ["sh", "-c", script].map(str::to_owned).to_vec(),
            ..spec.process.unwrap()
        };
        let options = Options {
            die_with_parent: true,
            ..Options::default()
        };
        let (text, status) = output(|stdio| container.exec(&process, stdio, &options)).unwrap();
        assert!(status.success(), "{text}");
        text
    }

    fn is_gone(&self) -> bool {
        matches!(
            Container::load(&self.root(), &self.id),
            Err(Error::NotFound { .. })
        ) && fs::read_dir(self.root().path()).is_ok_and(|mut left| left.next().is_none())
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn created() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("echo ran >/tmp/ran; sleep 60");
    spec.root.as_mut().unwrap().readonly = false;
    let (_, mut running) = lab.create(&spec).unwrap();
    let ran = lab.place.root().join("tmp/ran");
    let container = lab.load();
    assert_eq!(container.status(), Status::Created);
    let state = container.state().unwrap();
    assert_eq!(
        (state.pid, state.id.as_str()),
        (running.pid(), lab.id.as_str())
    );
    assert_eq!(state.bundle, lab.place.path());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!ran.exists());

    lab.load().start().unwrap();
    eventually("the program runs", || ran.exists());
    assert_eq!(lab.load().status(), Status::Running);
    lab.load().kill(libc::SIGKILL, false).unwrap();
    assert_eq!(running.wait().unwrap().signal, Some(libc::SIGKILL));
    let container = lab.load();
    assert_eq!(container.status(), Status::Stopped);
    assert_eq!(container.state().unwrap().pid, 0);
    container.delete(false).unwrap();
    assert!(lab.is_gone());
}

fn wrong_states() {
    let lab = Lab::new();
    let (_, mut running) = lab.create(&lab.place.spec("sleep 60")).unwrap();
    let refused = |result: isolab_oci::Result<()>| {
        assert!(matches!(result, Err(Error::State { .. })), "{result:?}");
    };
    refused(lab.load().delete(false));
    refused(lab.load().resume());
    lab.load().start().unwrap();
    refused(lab.load().start());
    refused(lab.load().delete(false));
    running.kill(libc::SIGKILL).unwrap();
    running.wait().unwrap();
    refused(lab.load().start());
    refused(lab.load().pause());
    refused(lab.load().kill(libc::SIGTERM, false));
    lab.load().delete(false).unwrap();
}

fn missing_program() {
    let lab = Lab::new();
    for (program, code) in [
        ("nowhere", libc::ENOENT),
        ("/nowhere", libc::ENOENT),
        ("/etc", libc::EACCES),
    ] {
        let mut spec = lab.place.spec("");
        process(&mut spec).args = vec![program.to_owned()];
        match lab.create(&spec) {
            Err(Error::Exec { source, .. }) => assert_eq!(source.raw_os_error(), Some(code)),
            other => panic!("{program}: {other:?}"),
        }
        assert!(lab.is_gone(), "{program}");
    }
}

fn bad_program() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    let foreign = lab.place.root().join("bin/foreign");
    fs::write(&foreign, "\x7fELF of another machine").unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = lab.place.spec("");
    process(&mut spec).args = vec!["/bin/foreign".to_owned()];
    let (mut container, mut running) = lab.create(&spec).unwrap();
    match container.start() {
        Err(Error::Exec {
            program, source, ..
        }) => {
            assert_eq!(program, "/bin/foreign");
            assert_eq!(source.raw_os_error(), Some(libc::ENOEXEC));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(running.wait().unwrap().code, Some(126));
    assert_eq!(lab.load().status(), Status::Stopped);
    lab.load().delete(false).unwrap();
}

fn exec() {
    let lab = Lab::new();
    let (container, running) = lab.started("sleep 60");
    let own = lab.exec("for n in /proc/self/ns/*; do readlink $n; done");
    let pid = running.pid();
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert!(own.contains(theirs.to_str().unwrap()), "{kind}: {own}");
    }
    let groups = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|l| !l.is_empty());
        lines.map(str::to_owned).collect()
    };
    let inside = lab.exec("cat /proc/self/cgroup");
    assert_eq!(groups(&inside), groups(&lab.exec("cat /proc/1/cgroup")));
    assert_eq!(lab.exec("echo $$; hostname").lines().count(), 2);
    assert!(container.processes().contains(&pid));
    drop(running);
    lab.load().delete(false).unwrap();
}

fn taken() {
    let lab = Lab::new();
    let (_, running) = lab.create(&lab.place.spec("true")).unwrap();
    let again = lab.create(&lab.place.spec("true"));
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
    assert_eq!(lab.load().status(), Status::Created);
    drop(running);
    let again = lab.create(&lab.place.spec("true"));
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
    lab.load().delete(false).unwrap();
    let (_, running) = lab.create(&lab.place.spec("true")).unwrap();
    drop(running);
    lab.load().delete(false).unwrap();
}

/// A command that looked the container up before somebody else deleted it, and
/// waited for that.
fn taken_again() {
    let lab = Lab::new();
    let (_, running) = lab.create(&lab.place.spec("true")).unwrap();
    let waited = lab.load();
    drop(running);
    lab.load().delete(false).unwrap();
    let (_, running) = lab.create(&lab.place.spec("true")).unwrap();
    let gone = waited.delete(true);
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert_eq!(lab.load().status(), Status::Created);
    drop(running);
    lab.load().delete(false).unwrap();
}

/// One command is slow to give the container its last name, another to look
/// whether somebody is at work on it.
fn taken_meanwhile() {
    let lab = Lab::new();
    lab.place.write(&lab.place.spec("true"));
    let mut first = lab.create_slowly("rename:delay_enter=1000000");
    let record = lab.root().path().join(&lab.id).join("init.new");
    eventually("nothing is made", || record.exists());
    let mut second = lab.create_slowly("flock:delay_enter=1500000:when=2");
    assert!(first.wait().unwrap().success());
    assert!(!second.wait().unwrap().success());
    assert_eq!(lab.load().status(), Status::Created);
    lab.load().delete(true).unwrap();
}

/// Nothing is written when it is first looked at, and all of it when its maker
/// lets go of it.
fn deleted_meanwhile() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 60");
    let stopped = lab.place.path().join("stopped");
    spec.hooks = Some(Hooks {
        poststop: vec![hook(&stopped, "poststop")],
        ..Hooks::default()
    });
    lab.place.write(&spec);
    let mut create = lab.create_slowly("mknodat:delay_enter=1000000:when=1");
    eventually("no id is reserved", || {
        let seen = Container::load(&lab.root(), &lab.id);
        seen.is_ok_and(|seen| seen.status() == Status::Creating)
    });
    lab.load().delete(true).unwrap();
    assert!(create.wait().unwrap().success());
    let told = fs::read_to_string(stopped).unwrap();
    assert!(told.starts_with("poststop stopped"), "{told}");
    assert!(lab.is_gone());
}

/// `config.md`, "Process": it is required when start is called.
fn without_process() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("");
    spec.process = None;
    let (mut container, running) = lab.create(&spec).unwrap();
    let error = container.start().unwrap_err();
    assert!(error.to_string().contains("process"), "{error}");
    assert_eq!(lab.load().status(), Status::Created);
    drop(running);
    lab.load().delete(false).unwrap();
    // At once there is no later.
    let bundle = Bundle::new(lab.place.path(), spec).unwrap();
    let ran = Container::run(&bundle, &lab.id, silent(), &Options::default());
    assert!(matches!(ran, Err(Error::Invalid { .. })));
}

/// Who lists containers must not keep anybody from making one.
fn looked_at() {
    let lab = Lab::new();
    lab.place.write(&lab.place.spec("sleep 60"));
    fs::create_dir_all(lab.root().path().join(&lab.id)).unwrap();
    let seen = lab.load();
    assert_eq!(seen.status(), Status::Stopped);
    let (_, running) = lab.started("sleep 60");
    drop(running);
    lab.load().delete(true).unwrap();
    drop(seen);
}

fn few_descriptors() {
    let lab = Lab::new();
    let (_, running) = lab.started("sleep 1000");
    for count in 3..12 {
        let script = format!("ulimit -n {count}; exec \"$@\"");
        let mut delete = Command::new("sh");
        delete.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_isorun"), "--root"]);
        delete.arg(lab.root().path()).args(["delete", &lab.id]);
        let output = delete.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let is_told = said.contains("too many open files") || said.contains("it is running");
        assert!(is_told && !output.status.success(), "{count}: {said}");
    }
    assert_eq!(lab.load().status(), Status::Running);
    drop(running);
    lab.load().delete(false).unwrap();
}

fn paused() {
    let lab = Lab::new();
    let (container, running) = lab.started("while :; do echo x >>/dev/shm/ticks; sleep 0.01; done");
    let ticks = || {
        lab.exec("wc -c </dev/shm/ticks")
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    eventually("it ticks", || lab.exec("ls /dev/shm").contains("ticks"));
    container.pause().unwrap();
    assert_eq!(lab.load().status(), Status::Paused);
    let shm = format!("/proc/{}/root/dev/shm/ticks", running.pid());
    let before = fs::metadata(&shm).unwrap().len();
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(fs::metadata(&shm).unwrap().len(), before);
    lab.load().resume().unwrap();
    let before = ticks();
    eventually("it ticks again", || ticks() > before);
    drop(running);
    lab.load().delete(false).unwrap();
}

fn delete_paused() {
    let lab = Lab::new();
    let (container, running) = lab.started("sleep 60");
    container.pause().unwrap();
    // Somebody has to reap it, as whoever started a container does.
    let waiter = std::thread::spawn(move || {
        let mut running = running;
        running.wait().unwrap()
    });
    lab.load().delete(true).unwrap();
    assert_eq!(waiter.join().unwrap().signal, Some(libc::SIGKILL));
    assert!(lab.is_gone());
}

fn hook(file: &Path, word: &str) -> Hook {
    // The state arrives on standard input; what is noted is the point, the
    // status, and whether the namespaces are the container's.
    let script = format!(
        "read -r state; echo {word} $(echo $state | sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/') \
         $(hostname) >>{}",
        file.display()
    );
    Hook {
        path: "/bin/sh".into(),
        args: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        env: vec!["PATH=/usr/bin:/bin".to_owned()],
        timeout: Some(10),
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
        prestart: vec![hook(&notes, "prestart")],
        create_runtime: vec![hook(&notes, "createRuntime")],
        create_container: vec![hook(&notes, "createContainer")],
        start_container: vec![hook(inside, "startContainer")],
        poststart: vec![hook(&notes, "poststart")],
        poststop: vec![hook(&notes, "poststop")],
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
    let begin = |spec: &Spec| {
        let bundle = Bundle::new(lab.place.path(), spec.clone()).unwrap();
        let options = Options::default();
        Container::create(
            &lab.root(),
            &lab.id,
            &bundle,
            Begin::Now,
            silent(),
            &options,
        )
    };
    let mut spec = lab.place.spec("cat /tmp/notes >/tmp/seen; sleep 60");
    spec.root.as_mut().unwrap().readonly = false;
    spec.hooks = Some(Hooks {
        start_container: vec![hook(Path::new("/tmp/notes"), "startContainer")],
        ..Hooks::default()
    });
    let (_, running) = begin(&spec).unwrap();
    let seen = lab.place.root().join("tmp/seen");
    eventually("the hook ran before the program", || {
        fs::read_to_string(&seen).is_ok_and(|text| text.contains("startContainer created"))
    });
    drop(running);
    lab.load().delete(true).unwrap();
    spec.hooks.as_mut().unwrap().start_container[0].args = vec!["false".to_owned()];
    spec.hooks.as_mut().unwrap().start_container[0].path = "/bin/false".into();
    match begin(&spec) {
        Err(Error::Hook { field, .. }) => assert_eq!(field, "hooks.startContainer[0]"),
        other => panic!("{other:?}"),
    }
    assert!(lab.is_gone());
}

fn exec_paused() {
    let lab = Lab::new();
    let (container, running) = lab.started("sleep 60");
    container.pause().unwrap();
    let process = container.spec().unwrap().process.unwrap();
    let process = Process {
        args: vec!["true".to_owned()],
        ..process
    };
    match container.exec(&process, silent(), &Options::default()) {
        Err(Error::State { status, .. }) => assert_eq!(status, "paused"),
        other => panic!("{other:?}"),
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            lab.load().resume().unwrap();
        });
        let options = Options {
            ignore_paused: true,
            ..Options::default()
        };
        let begun = Instant::now();
        let mut ran = container.exec(&process, silent(), &options).unwrap();
        assert!(ran.wait().unwrap().success());
        assert!(begun.elapsed() >= Duration::from_millis(200));
    });
    drop(running);
    lab.load().delete(true).unwrap();
}

fn frozen_group() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 60");
    spec.linux.as_mut().unwrap().cgroups_path = Some(format!("/{}", lab.id).into());
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let (below, file, word) = match unified {
        true => ("/sys/fs/cgroup", "cgroup.freeze", "1"),
        false => ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN"),
    };
    let group = Path::new(below).join(&lab.id);
    fs::create_dir(&group).unwrap();
    fs::write(group.join(file), word).unwrap();
    let options = Options {
        cgroup: isolab_oci::Cgroup::Named,
        ..Options::default()
    };
    let made = lab.create_with(&spec, &options);
    fs::remove_dir(&group).unwrap();
    match made {
        Err(error @ Error::Setup { .. }) => {
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("unexpectedly frozen"), "{cause}");
        }
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
        create_runtime: vec![Hook {
            path: "/bin/sh".into(),
            args: ["sh", "-c", "echo no luck >&2; exit 3"]
                .map(str::to_owned)
                .to_vec(),
            ..Hook::default()
        }],
        poststop: vec![hook(&stopped, "poststop")],
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
    let script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); sleep 0.2; \
        cat /proc/$pid/task/$pid/children >$0; exit 1";
    spec.hooks = Some(Hooks {
        poststart: vec![Hook {
            path: "/bin/sh".into(),
            args: ["sh", "-c", script, ended.to_str().unwrap()]
                .map(str::to_owned)
                .to_vec(),
            ..Hook::default()
        }],
        ..Hooks::default()
    });
    let bundle = Bundle::new(lab.place.path(), spec).unwrap();
    let options = Options {
        cgroup: isolab_oci::Cgroup::Owned,
        ..Options::default()
    };
    let made = Container::create(
        &lab.root(),
        &lab.id,
        &bundle,
        Begin::Now,
        silent(),
        &options,
    );
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

fn shared_pids() {
    let other = Lab::new();
    let (pids, others) = other.started("sleep 1000");
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 1000 & wait");
    for namespace in &mut linux(&mut spec).namespaces {
        if namespace.kind == NamespaceType::Pid {
            namespace.path = Some(format!("/proc/{}/ns/pid", others.pid()).into());
        }
    }
    let (mut container, mut running) = lab.create(&spec).unwrap();
    container.start().unwrap();
    eventually("it forks", || container.processes().len() == 2);
    container.kill(libc::SIGKILL, false).unwrap();
    running.wait().unwrap();
    eventually("a process lives on", || {
        container.groups().processes().is_empty()
    });
    lab.load().delete(false).unwrap();
    assert_eq!(pids.status(), Status::Running);
    drop(others);
    other.load().delete(false).unwrap();
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

fn joined() {
    let first = Lab::new();
    let (_, init) = first.started("sleep 60");
    let pid = init.pid();
    let second = Lab::new();
    let script = "for n in /proc/self/ns/*; do readlink $n; done >/tmp/own; ps >/tmp/ps; sleep 60";
    let mut spec = second.place.spec(script);
    spec.root.as_mut().unwrap().readonly = false;
    let kinds = [
        ("pid", "pid"),
        ("net", "network"),
        ("ipc", "ipc"),
        ("uts", "uts"),
    ];
    for namespace in &mut linux(&mut spec).namespaces {
        if let Some((file, _)) = kinds
            .iter()
            .find(|(_, kind)| *kind == namespace.kind.name())
        {
            namespace.path = Some(format!("/proc/{pid}/ns/{file}").into());
        }
    }
    spec.hostname = None;
    let (mut container, running) = second.create(&spec).unwrap();
    container.start().unwrap();
    let own = second.place.root().join("tmp/own");
    let seen = second.place.root().join("tmp/ps");
    eventually("it has written", || {
        fs::read_to_string(&seen).is_ok_and(|t| t.contains("ps"))
    });
    let own = fs::read_to_string(own).unwrap();
    for (kind, _) in kinds {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert!(own.contains(theirs.to_str().unwrap()), "{kind}: {own}");
    }
    // It sees the other's init.
    assert!(fs::read_to_string(seen).unwrap().contains("sleep 60"));
    drop(running);
    second.load().delete(true).unwrap();
    drop(init);
    first.load().delete(false).unwrap();
}

fn terminal() {
    let lab = Lab::new();
    let mut spec = lab
        .place
        .spec("test -t 0 && test -t 1 && echo yes >/dev/console; sleep 60");
    process(&mut spec).terminal = true;
    let (here, there) = UnixStream::pair().unwrap();
    let options = Options {
        cgroup: isolab_oci::Cgroup::Owned,
        console: Some(Arc::new(there.into())),
        ..Options::default()
    };
    let (mut container, running) = lab.create_with(&spec, &options).unwrap();
    use std::os::fd::AsRawFd as _;
    let master = isolab_oci::sys::socket::receive_descriptor(here.as_raw_fd()).unwrap();
    container.start().unwrap();
    let mut master = fs::File::from(master.into_owned());
    let mut text = [0; 5];
    master.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"yes\r\n");
    drop(running);
    lab.load().delete(false).unwrap();
}

fn small_init() {
    let lab = Lab::new();
    let (_, running) = lab.create(&lab.place.spec("true")).unwrap();
    let exe = format!("/proc/{}/exe", running.pid());
    let exe = fs::metadata(exe).unwrap();
    assert!(exe.len() < 4096, "{} bytes", exe.len());
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let resident = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let kilobytes: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 200, "{resident}");
    drop(running);
    lab.load().delete(false).unwrap();
}
