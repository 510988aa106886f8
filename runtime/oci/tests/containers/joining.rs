//! Namespaces that several share: one more process in a container, and containers
//! that join those of another.

use std::fs;
use std::process::Command;

use isolab_oci::Status;
use isolab_oci::spec::NamespaceType;

use crate::Claim;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::sleeper::strace;
use crate::support::{Place, containers, linux, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "another_process_is_in_the_containers_namespaces_and_groups",
        containers,
        exec,
    ),
    (
        "a_kill_ends_all_of_a_container_that_shares_a_pid_namespace",
        root,
        shared_pids,
    ),
    (
        "namespaces_of_a_running_container_are_joined_by_path",
        root,
        joined,
    ),
    (
        "a_process_never_joins_whoever_got_the_id_of_a_container_that_ended",
        reuse,
        reused_id,
    ),
];

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

/// The next process id can be chosen in a pid namespace of one's own.
fn reuse() -> Result<(), String> {
    root()?;
    strace()?;
    let mut choice = Command::new("unshare");
    choice.args(["-pf", "--mount-proc", "sh", "-c"]);
    choice.arg("echo 100 >/proc/sys/kernel/ns_last_pid");
    match choice.status().is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("ns_last_pid cannot be written".to_owned()),
    }
}

/// The container's init ends just before its namespaces are opened by its id,
/// and a process of the host gets that: all its namespaces are the runtime's own.
fn reused_id() {
    const SCRIPT: &str = r#"
        "$0" --root "$2" create --bundle "$1" --pid-file "$2.pid" c </dev/null >/dev/null 2>&1
        pid=$(cat "$2.pid")
        strace -qqq -f -o /dev/null -P /proc/$pid/ns/pid -e trace=openat \
            -e inject=openat:delay_enter=2000000:when=1 \
            "$0" --root "$2" exec c sh -c 'echo joined' >"$2.said" 2>&1 &
        sleep 0.7
        kill -9 $pid
        while [ -e /proc/$pid ]; do sleep 0.01; done
        while [ ! -e /proc/$pid ]; do
            echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
            sleep 30 &
        done
        while ! grep -q . "$2.said"; do sleep 0.05; done
        cat "$2.said"
        "$0" --root "$2" delete --force c
    "#;
    let place = Place::new();
    place.write(&place.spec("sleep 60"));
    let output = Command::new("unshare")
        .args(["-pf", "--mount-proc", "sh", "-c", SCRIPT])
        .arg(env!("CARGO_BIN_EXE_isorun"))
        .arg(place.path())
        .arg(place.path().join("states"))
        .stderr(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("stopped"), "{said}");
    assert!(!said.contains("joined"), "{said}");
}
