//! Nothing is left when claims have run, and after Ctrl-C what was settled is
//! kept.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::command::Home;

#[test]
fn what_was_settled_is_kept_and_nothing_is_left() {
    let home = Home::new();
    // The first is settled at once; the second starts a thousand programs.
    let mut command = home.isolab(&["claims", "run", "predates-docker", "hello-world"]);
    command.args(["--runs", "1000", "--json", "-o", "kept.json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let scratch = home.path().join("cache/isolab/scratch");
    let begun = Instant::now();
    let runs = |name: &str| {
        let entries = fs::read_dir(&scratch).into_iter().flatten().flatten();
        entries.into_iter().any(|e| e.path().join(name).is_dir())
    };
    while !runs("hello-world") {
        assert!(begun.elapsed() < Duration::from_secs(30));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let told = kill(pid, Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kept = fs::read(home.path().join("kept.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), record);
    assert_eq!(record["claims"][0]["ruling"]["verdict"], "sourced");
    if record["interrupted"] == false {
        // Where no container runs, the second claim is answered at once too.
        assert_eq!(record["claims"][1]["ruling"]["verdict"], "not-tested-here");
        eprintln!("not interrupted, as no container runs here");
        return;
    }
    told.unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(record["unreached"][0], "hello-world");
    let left: Vec<_> = fs::read_dir(&scratch).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// An engine's storage lies outside our own directory, and its monitor outlives
/// its command: neither is there when ours has ended.
#[test]
fn nothing_of_an_engine_is_left() {
    let home = Home::new();
    let temporary = home.path().join("t");
    fs::create_dir(&temporary).unwrap();
    let mut command = home.isolab(&["claims", "run", "hello-world", "--runs", "2", "--json"]);
    let output = command.env("TMPDIR", &temporary).output().unwrap();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let facts = record["claims"][0]["findings"]["facts"].as_array().unwrap();
    if !facts.iter().any(|fact| fact["subject"] == "podman") {
        eprintln!(
            "podman runs nothing here: {}",
            record["claims"][0]["findings"]["missing"]
        );
    }
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let name = temporary.to_str().unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains(name), "still running: {line}");
    }
}
