//! config-linux.md: namespaces with a path that take more than `setns(2)` alone.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::holder::Holder;
use crate::subject::Subject;
use crate::{Claim, Need, config, host, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_namespace_of_control_groups_with_a_path_is_joined",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "a namespace of control groups, too, is the one at `path`",
        need: root,
        test: groups,
    },
    Claim {
        name: "a_time_namespace_with_a_path_is_joined",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "a time namespace, too, is the one at `path`",
        need: can_make_time,
        test: time,
    },
    Claim {
        name: "a_mount_namespace_with_a_path_is_joined",
        section: "config-linux.md, Namespaces",
        level: "MUST",
        gist: "a mount namespace, too, is the one at `path`; the container's root is its own all the same",
        need: root,
        test: mounts,
    },
];

fn can_make_time(subject: Subject) -> Need {
    root(subject)?;
    let made = std::process::Command::new("unshare")
        .args(["--time", "true"])
        .stderr(std::process::Stdio::null())
        .status();
    match made.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("unshare(1) makes no time namespace here".to_owned()),
    }
}

fn joins(subject: Subject, kind: &str, options: &[&str], link: &str) {
    let case = Case::new(subject);
    let holder = Holder::new(options, link);
    let mut config = case.config("echo up; exec sleep 100");
    config::namespace(
        &mut config,
        json!({ "type": kind, "path": holder.path(link) }),
    );
    let container = case.create(&config);
    let pid = container.pid.to_string();
    assert_eq!(host::namespace(&pid, link), holder.namespace(link));
    container.start();
    container.wait_for("up\n");
    assert_eq!(
        host::namespace(&pid, link),
        holder.namespace(link),
        "started"
    );
}

fn groups(subject: Subject) {
    joins(subject, "cgroup", &["--cgroup"], "cgroup");
}

fn time(subject: Subject) {
    joins(
        subject,
        "time",
        &["--time", "--boottime", "100000", "--fork"],
        "time",
    );
}

fn mounts(subject: Subject) {
    let case = Case::new(subject);
    let holder = Holder::new(&["--mount", "--propagation", "private"], "mnt");
    fs::write(case.rootfs().join("the-root-of-the-container"), "").unwrap();
    let mut config = case.config("ls /; exec sleep 100");
    config::namespace(
        &mut config,
        json!({ "type": "mount", "path": holder.path("mnt") }),
    );
    let container = case.create(&config);
    let pid = container.pid.to_string();
    assert_eq!(host::namespace(&pid, "mnt"), holder.namespace("mnt"));
    container.start();
    container.wait_for("the-root-of-the-container\n");
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let rootfs = case.rootfs().to_string_lossy().into_owned();
    assert!(!table.contains(&rootfs), "its mounts are the host's");
}
