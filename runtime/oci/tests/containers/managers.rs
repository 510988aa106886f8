//! Who makes the control groups, and what is told where nobody can.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use isolab_oci::Spec;

use super::support::{Place, containers, linux, name, process, root};
use super::{Claim, Need};

/// The tests of this file.
pub(crate) const CLAIMS: &[Claim] = &[
    (
        "without_delegation_a_users_container_runs_and_each_lost_limit_is_told_of_once",
        root,
        lost_limits,
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

fn lost_limits() {
    const USER: u32 = 65_533;
    let place = Place::new();
    let mut spec = Spec::example_rootless(USER, USER);
    let process = process(&mut spec);
    process.terminal = false;
    process.args = ["echo", "ran"].map(str::to_owned).to_vec();
    let limits = r#"{"pids":{"limit":9},"memory":{"limit":33554432},"cpu":{"cpus":"0"},
        "devices":[{"allow":false,"access":"rwm"}]}"#;
    linux(&mut spec).resources = Some(serde_json::from_str(limits).unwrap());
    place.write(&spec);
    let runtime = place.path().join("runtime");
    fs::copy(env!("CARGO_BIN_EXE_isorun"), &runtime).unwrap();
    let script = "chown $0:$0 .; export XDG_RUNTIME_DIR=$PWD; \
        exec setpriv --reuid $0 --regid $0 --clear-groups \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, &USER.to_string()])
        .arg(runtime)
        .args(["run", "-b"])
        .arg(place.path())
        .arg(name())
        .current_dir(place.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
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
