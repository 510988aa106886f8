//! Namespaces that several share: one more process in a container, and containers
//! that join those of another.

use std::fs;

use isolab_oci::Status;
use isolab_oci::spec::NamespaceType;

use crate::Claim;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::support::{containers, linux, root};

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
