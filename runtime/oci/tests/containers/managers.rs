//! Who makes the control groups, and what is told where nobody can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use isolab_oci::Spec;
use isolab_oci::spec::{Hook, Hooks, NamespaceType};

use crate::support::{Place, containers, linux, name, root};
use crate::{Claim, Need, example};

/// The tests of this file.
pub(crate) const CLAIMS: &[Claim] = &[
    (
        "without_delegation_a_users_container_runs_and_each_lost_limit_is_told_of_once",
        root,
        lost_limits,
    ),
    (
        "without_delegation_a_users_container_is_killed_all_the_same",
        root,
        killed,
    ),
    (
        "a_record_that_another_user_wrote_is_not_believed",
        root,
        foreign_record,
    ),
    (
        "without_systemd_its_manager_is_refused_with_the_remedy",
        no_systemd,
        refused,
    ),
    (
        "a_path_that_is_no_unit_is_refused_before_systemd_is_asked",
        containers,
        no_unit,
    ),
];

/// With the words of the command line, and the place as its state.
fn isorun(place: &Place, words: &[&str]) -> Output {
    let state = place.path().join("state");
    Command::new(env!("CARGO_BIN_EXE_isorun"))
        .arg("--root")
        .arg(state)
        .args(words)
        .arg("run")
        .arg("-b")
        .arg(place.path())
        .arg(name())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A user to whom no control group is delegated.
const USER: u32 = 65_533;

/// `isorun` as that user, to whom the place belongs.
fn as_user(place: &Place, words: &[&str]) -> Command {
    let runtime = place.path().join("runtime");
    if !runtime.exists() {
        fs::copy(env!("CARGO_BIN_EXE_isorun"), &runtime).unwrap();
    }
    let script = "chown $0:$0 .; export XDG_RUNTIME_DIR=$PWD; \
        exec setpriv --reuid $0 --regid $0 --clear-groups \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, &USER.to_string()]);
    command.arg(runtime).args(words);
    command.current_dir(place.path()).stdin(Stdio::null());
    command
}

/// A container of that user's.
fn users(words: &[&str]) -> Spec {
    example::rootless(USER, USER, words)
}

fn killed() {
    let place = Place::new();
    let pid = place.path().join("pid");
    let file = pid.to_str().unwrap();
    for (has_own_pids, words) in [
        (true, &["kill", "--all", "x", "KILL"] as &[&str]),
        (true, &["kill", "--all", "x", "USR1"]),
        (false, &["kill", "x", "KILL"]),
        (false, &["delete", "--force", "x"]),
    ] {
        let mut spec = users(&[
            "sh",
            "-c",
            "trap 'exit 0' USR1; while :; do sleep 0.1; done",
        ]);
        if !has_own_pids {
            let namespaces = &mut linux(&mut spec).namespaces;
            namespaces.retain(|n| n.kind != NamespaceType::Pid);
        }
        place.write(&spec);
        let mut run = as_user(&place, &["run", "-d", "--pid-file", file, "-b", ".", "x"]);
        run.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(run.status().unwrap().success());
        let stat = format!("/proc/{}/stat", fs::read_to_string(&pid).unwrap());
        let output = as_user(&place, words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        let lives = || fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
        let deadline = Instant::now() + Duration::from_secs(5);
        while lives() {
            assert!(Instant::now() < deadline, "{words:?}: it lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut delete = as_user(&place, &["delete", "--force", "x"]);
        assert!(delete.status().unwrap().success());
    }
}

/// In `/tmp` anybody can make the directory in which a user's states are looked
/// for where there is no `XDG_RUNTIME_DIR`.
fn foreign_record() {
    let place = Place::new();
    let record = place.path().join("states/x");
    fs::create_dir_all(&record).unwrap();
    let done = place.path().join("done");
    let mut spec = users(&["true"]);
    let hook = Hook {
        path: "/bin/sh".into(),
        args: ["sh", "-c", "echo >$0", done.to_str().unwrap()]
            .map(str::to_owned)
            .to_vec(),
        ..Hook::default()
    };
    spec.hooks = Some(Hooks {
        poststop: vec![hook],
        ..Hooks::default()
    });
    let facts = r#"{"bundle":"/","rootfs":"/","created":[1,2],"owner":7,"cgroups":{"groups":[]},
        "hooks":true}"#;
    fs::write(
        record.join("config.json"),
        serde_json::to_vec(&spec).unwrap(),
    )
    .unwrap();
    fs::write(record.join("state.json"), facts).unwrap();
    fs::write(record.join("init"), "4194305 1\n").unwrap();
    let delete = |owner| {
        for path in [record.parent().unwrap(), &record] {
            std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
        }
        fs::set_permissions(&record, fs::Permissions::from_mode(0o777)).unwrap();
        as_user(&place, &["--root", "states", "delete", "x"])
            .output()
            .unwrap()
    };
    let output = delete(USER - 1);
    assert!(
        said(&output).contains("it belongs to user"),
        "{}",
        said(&output)
    );
    assert!(!done.exists());
    // His own he believes.
    delete(USER);
    assert!(done.exists());
}

fn lost_limits() {
    let place = Place::new();
    let mut spec = users(&["echo", "ran"]);
    let limits = r#"{"pids":{"limit":9},"memory":{"limit":33554432},"cpu":{"cpus":"0"},
        "devices":[{"allow":false,"access":"rwm"}]}"#;
    linux(&mut spec).resources = Some(serde_json::from_str(limits).unwrap());
    place.write(&spec);
    let mut run = as_user(&place, &["run", "-b", ".", &name()]);
    let output = run.output().unwrap();
    let said = said(&output);
    assert_eq!(output.stdout, b"ran\n", "{said}");
    for limit in ["pids.limit = 9", "memory.limit = 33554432", "cpu.cpus = 0"] {
        let told = said.lines().filter(|line| line.contains(limit));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{limit}: {said}");
        assert!(told[0].contains("is not enforced"), "{said}");
    }
    assert_eq!(said.lines().count(), 3, "{said}");
}

fn no_systemd() -> Need {
    containers()?;
    let runtime = std::env::var("XDG_RUNTIME_DIR").unwrap_or_default();
    let directories = ["/run", &runtime];
    let sockets = ["dbus/system_bus_socket", "bus", "systemd/private"];
    let is_there = |directory: &&str| {
        let there = |socket: &&str| Path::new(directory).join(socket).exists();
        sockets.iter().any(there)
    };
    match directories.iter().find(|directory| is_there(directory)) {
        Some(directory) => Err(format!("systemd has a socket in {directory}")),
        None => Ok(()),
    }
}

fn refused() {
    let place = Place::new();
    let spec = place.spec("echo ran");
    for words in [
        &["--systemd-cgroup"] as &[&str],
        &["--cgroup-manager", "systemd"],
    ] {
        place.write(&spec);
        let output = isorun(&place, words);
        let said = said(&output);
        assert_eq!(output.stdout, b"", "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("systemd"), "{said}");
        assert!(said.contains("bus cannot be reached"), "{said}");
        assert!(said.contains("--cgroup-manager"), "the remedy: {said}");
        let left = fs::read_dir(place.path().join("state")).unwrap().count();
        assert_eq!(left, 0, "{said}");
    }
}

fn no_unit() {
    let place = Place::new();
    let mut spec = place.spec("echo ran");
    for path in ["/a/b", "a:b", "nothing:p:n", "a--b.slice:p:n"] {
        linux(&mut spec).cgroups_path = Some(path.into());
        place.write(&spec);
        let output = isorun(&place, &["--systemd-cgroup"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("linux.cgroupsPath"), "{said}");
    }
}
