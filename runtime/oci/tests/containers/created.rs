//! The states of a container that several commands know, and its id: create,
//! start, kill, delete.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use isolab_oci::spec::Hooks;
use isolab_oci::{Begin, Bundle, Cgroup, Container, Error, Options, Status};

use crate::Claim;
use crate::eventually::eventually;
use crate::hooks::noting;
use crate::lab::Lab;
use crate::sleeper::strace;
use crate::support::{containers, process, silent};

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
        poststop: vec![noting(&stopped, "poststop")],
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

fn terminal() {
    let lab = Lab::new();
    let mut spec = lab
        .place
        .spec("test -t 0 && test -t 1 && echo yes >/dev/console; sleep 60");
    process(&mut spec).terminal = true;
    let (here, there) = UnixStream::pair().unwrap();
    let options = Options {
        cgroup: Cgroup::Owned,
        console: Some(Arc::new(there.into())),
        ..Options::default()
    };
    let (mut container, running) = lab.create_with(&spec, Begin::Later, &options).unwrap();
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
