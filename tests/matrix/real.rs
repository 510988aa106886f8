//! What each place is known to share and to keep apart, seen from inside it.

use std::sync::OnceLock;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::lab::{Lab, cell, missing, row};
use crate::trial;

/// One run with every place, for all trials that only read.
pub(crate) fn matrix() -> &'static Value {
    static MATRIX: OnceLock<Value> = OnceLock::new();
    MATRIX.get_or_init(|| {
        let lab = Lab::new();
        let matrix = lab.matrix("process,venv,container,runc,crun,podman,docker,bwrap,vm");
        assert!(lab.left_behind().is_empty(), "{:?}", lab.left_behind());
        matrix
    })
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("a_bare_process_reaches_all_that_is_the_hosts", bare),
        trial("the_canaries_are_gone_when_the_matrix_is_there", gone),
    ];
    for (place, check) in [
        ("venv", venv as fn()),
        ("container", container),
        ("runc", runtime::<0>),
        ("crun", runtime::<1>),
        ("podman", runtime::<2>),
        ("docker", runtime::<3>),
        ("bwrap", bwrap),
        ("vm", guest),
    ] {
        let name = format!("{place}_shares_and_keeps_apart_what_it_says");
        let ignored = missing(matrix(), place);
        if let Some(why) = &ignored {
            eprintln!("{name}: skipped: {why}");
        }
        trials.push(trial(&name, check).with_ignored_flag(ignored.is_some()));
    }
    trials
}

#[track_caller]
fn all_are(place: &str, axes: &str, expected: &[&str]) {
    for axis in axes.split_whitespace() {
        let found = cell(matrix(), place, axis);
        let row = row(matrix(), place, axis);
        assert!(expected.contains(&found.as_str()), "{place}: {row:#}");
    }
}

fn bare() {
    all_are("process", "processes files network ports", &["host"]);
    all_are(
        "process",
        "users mounts hostname cgroup kernel time",
        &["host", "look"],
    );
}

fn venv() {
    all_are("venv", "packages", &["own"]);
    all_are("venv", "interpreter stdlib libraries", &["host", "look"]);
    all_are("venv", "processes files network ports", &["host"]);
    all_are(
        "venv",
        "users mounts hostname cgroup kernel time",
        &["host", "look"],
    );
}

fn container() {
    let apart = "processes users mounts files network ports hostname ipc cgroup";
    all_are("container", apart, &["own"]);
    all_are("container", "kernel time", &["look"]);
    all_are("container", "devices", &["nothing", "denied"]);
    all_are(
        "container",
        "interpreter stdlib libraries",
        &["own", "not-tried"],
    );
}

fn runtime<const N: usize>() {
    let place = ["runc", "crun", "podman", "docker"][N];
    all_are(place, "processes mounts files hostname ipc", &["own"]);
    all_are(place, "kernel time", &["look"]);
}

fn bwrap() {
    all_are("bwrap", "processes mounts files", &["own"]);
    all_are("bwrap", "network ports", &["host"]);
    all_are("bwrap", "kernel", &["look", "host"]);
}

fn guest() {
    let all = "processes users mounts files network ports hostname ipc cgroup time kernel";
    all_are("vm", all, &["own"]);
    all_are("vm", "interpreter stdlib libraries", &["own", "not-tried"]);
}

/// The canary's process, named by the outcome of an attempt that saw it.
fn gone() {
    let row = row(matrix(), "process", "processes");
    let outcomes = row["outcomes"].as_array().unwrap();
    let seen = outcomes.iter().find(|o| o["attempt"] == "see-process");
    let said = seen.unwrap()["said"]["yes"].as_str().unwrap();
    let pid = said.rsplit(' ').next().unwrap();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&line).contains("__canary"));
}
