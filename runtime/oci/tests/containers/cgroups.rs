//! Control groups of running containers: who is in them, frozen, killed, removed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use isolab_oci::Running;
use isolab_oci::cgroup::Groups;

use crate::eventually::eventually;
use crate::support::{Place, containers, linux, name, options, root};
use crate::{Claim, Need};

/// The tests of this file.
pub(crate) const CLAIMS: &[Claim] = &[
    (
        "another_process_finds_a_containers_processes_through_what_was_kept",
        grouped,
        found,
    ),
    (
        "a_frozen_container_stands_still_and_goes_on_when_thawed",
        frozen_possible,
        frozen,
    ),
    (
        "killing_reaches_every_process_even_of_a_frozen_container_that_forks",
        frozen_possible,
        killed,
    ),
    (
        "removing_takes_the_groups_that_the_container_made_below_its_own",
        root,
        nested,
    ),
    (
        "where_control_groups_are_read_only_a_container_runs_and_root_is_told_what_is_lost",
        root,
        read_only,
    ),
    (
        "a_signal_reaches_all_processes_of_the_container",
        grouped,
        signalled,
    ),
];

/// A container gets at least one group of its own here.
fn grouped() -> Need {
    containers()?;
    let place = Place::new();
    let running = place.try_start(&place.spec("true"), &options());
    match running.unwrap().cgroups().is_empty() {
        true => Err("this user may make no control group".to_owned()),
        false => Ok(()),
    }
}

fn frozen_possible() -> Need {
    grouped()?;
    let place = Place::new();
    let running = place.try_start(&place.spec("sleep 9"), &options()).unwrap();
    running
        .cgroups()
        .freeze()
        .map_err(|error| format!("{error}"))
}

/// As in a container that shows the host's groups to be looked at.
fn read_only() {
    let place = Place::new();
    let mut spec = place.spec("echo ran");
    let limits = r#"{"pids":{"limit":9},"devices":[{"allow":false,"access":"rwm"}]}"#;
    linux(&mut spec).resources = Some(serde_json::from_str(limits).unwrap());
    place.write(&spec);
    let script = "grep -E ' - cgroup2? ' /proc/self/mountinfo | while read -r _ _ _ _ at rest; do \
        mount -o remount,bind,ro \"$at\" || exit; done; exec \"$@\"";
    let state = place.path().join("state");
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_isorun"))
        .arg("--root")
        .arg(&state)
        .args(["run", "-b"])
        .args([place.path().as_os_str(), name().as_ref()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"ran\n", "{said}");
    assert!(output.status.success(), "{said}");
    let warnings: Vec<_> = said.lines().collect();
    assert_eq!(warnings.len(), 2, "{said}");
    for (warning, lost) in warnings
        .iter()
        .zip(["pids.limit = 9", "linux.resources.devices"])
    {
        assert!(
            warning.contains(lost) && warning.contains("not enforced"),
            "{said}"
        );
    }
    assert_eq!(fs::read_dir(state).unwrap().count(), 0, "it is deleted");
}

/// What another command would have read from the container's state.
fn kept(running: &Running) -> Groups {
    let text = serde_json::to_string(running.cgroups()).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn found() {
    let place = Place::new();
    let script = "sleep 99 & sleep 99 & wait";
    let mut running = place.try_start(&place.spec(script), &options()).unwrap();
    let groups = kept(&running);
    assert!(groups.exists());
    eventually("three run", || groups.processes().len() == 3);
    assert!(groups.processes().contains(&running.pid()));
    groups.kill().unwrap();
    running.wait().unwrap();
    assert!(groups.wait_until_empty(Duration::from_secs(5)));
    groups.remove().unwrap();
    assert!(!groups.exists());
}

/// CPU time that the process has used, in ticks.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn frozen() {
    let place = Place::new();
    let script = "while :; do :; done";
    let running = place.try_start(&place.spec(script), &options()).unwrap();
    let groups = kept(&running);
    assert!(!groups.is_frozen());
    groups.freeze().unwrap();
    assert!(groups.is_frozen());
    let before = ticks(running.pid());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(running.pid()), before, "it ran while frozen");
    groups.thaw().unwrap();
    assert!(!groups.is_frozen());
    eventually("it goes on", || ticks(running.pid()) > before);
}

fn killed() {
    let place = Place::new();
    // Two loops that fork all the time; their init waits for ever.
    let script = "fork() { while :; do true & wait $!; done; }; fork & fork & sleep 99";
    for freeze in [false, true] {
        let mut running = place.try_start(&place.spec(script), &options()).unwrap();
        let groups = kept(&running);
        eventually("they fork", || groups.processes().len() > 3);
        if freeze {
            groups.freeze().unwrap();
        }
        groups.kill().unwrap();
        assert_eq!(running.wait().unwrap().signal, Some(libc::SIGKILL));
        assert!(
            groups.wait_until_empty(Duration::from_secs(5)),
            "frozen: {freeze}"
        );
    }
}

fn nested() {
    let place = Place::new();
    let mut running = place
        .try_start(&place.spec("sleep 99"), &options())
        .unwrap();
    let groups = kept(&running);
    let mut moved = 0;
    for directory in groups.directories() {
        fs::create_dir_all(directory.join("a/b")).unwrap();
        let procs = directory.join("a/b/cgroup.procs");
        moved += usize::from(fs::write(procs, running.pid().to_string()).is_ok());
    }
    assert!(moved > 0);
    assert_eq!(groups.processes(), [running.pid()]);
    groups.kill().unwrap();
    running.wait().unwrap();
    assert!(!groups.exists(), "{groups:?}");
}

fn signalled() {
    let place = Place::new();
    let script = "trap 'echo got it' USR1; echo ready; sleep 99 & wait; kill %1";
    let mut running = place.try_start(&place.spec(script), &options()).unwrap();
    let groups = kept(&running);
    eventually("two run", || groups.processes().len() == 2);
    // The shell handles it and ends; its child dies of it.
    let count = groups.signal_all(libc::SIGUSR1).unwrap();
    assert_eq!(count, 2);
    running.wait().unwrap();
    assert!(groups.signal_all(0).unwrap() == 0);
    assert!(
        groups.signal_all(999).is_ok(),
        "nobody is left to be signalled"
    );
}
