//! Every attempt is made here where nothing stops it, by root if the tests are
//! run by root, and the machine is as it was. An interrupt or a kill in the middle
//! leaves nothing either.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::Lab;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("every_attempt_leaves_the_machine_as_it_was", unchanged),
        trial("an_interrupt_leaves_nothing", || cut_short(Signal::SIGINT)),
        trial("a_kill_leaves_nothing_that_runs", || {
            cut_short(Signal::SIGKILL);
        }),
    ]
}

/// What an attempt could change: name, mounts, modules, clock, nodes, users.
fn state() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let names = |path: &str| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        names.sort();
        format!("{names:?}")
    };
    vec![
        read("/proc/sys/kernel/hostname"),
        read("/proc/self/mountinfo"),
        read("/proc/modules").lines().count().to_string(),
        names("/"),
        names("/dev"),
        nix::unistd::geteuid().to_string(),
    ]
}

/// Somebody else may change the machine just then, but not each time.
fn unchanged() {
    let changes: Vec<String> = (0..3).map_while(|_| change_by_attempts()).collect();
    assert!(changes.len() < 3, "{changes:#?}");
}

/// Makes every attempt on the host; what is not as it was, if something is not.
fn change_by_attempts() -> Option<String> {
    let before = state();
    let (began, wall) = (Instant::now(), SystemTime::now());
    let lab = Lab::new();
    let matrix = lab.matrix("process");
    assert_eq!(matrix["columns"][0]["cells"].as_array().unwrap().len(), 16);
    assert!(lab.left_behind().is_empty(), "{:?}", lab.left_behind());
    // The clock went on as it goes.
    let passed = wall.elapsed().unwrap_or_default();
    if passed.abs_diff(began.elapsed()) > Duration::from_millis(200) {
        return Some("the clock".to_owned());
    }
    let pairs = before.into_iter().zip(state());
    let mut changed = pairs.filter(|(before, after)| before != after);
    changed.next().map(|(_, after)| after)
}

/// The processes whose arguments hold `word`.
fn processes_with(word: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(word)).collect()
}

fn cut_short(how: Signal) {
    for pause in [50, 300, 900] {
        let lab = Lab::new();
        let word = lab.path().to_str().unwrap().to_owned();
        let places = [
            "matrix",
            "--json",
            "--places",
            "process,container,runc,bwrap",
        ];
        let mut child = lab
            .isolab(&places)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(pause));
        let pid = Pid::from_raw(child.id().cast_signed());
        let canaries = children_called(pid, "__canary");
        kill(pid, how).unwrap();
        let status = child.wait().unwrap();
        if how == Signal::SIGINT && status.code().is_some() {
            assert!(matches!(status.code(), Some(0 | 130)), "{status}");
            assert_eq!(lab.left_behind(), [""; 0], "after {pause} ms");
        }
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let mut left = processes_with(&word);
            left.extend(canaries.iter().flat_map(|name| processes_with(name)));
            if left.is_empty() {
                break;
            }
            assert!(Instant::now() < end, "{how} after {pause} ms left {left:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The last arguments of the children of `parent` that are called `verb`.
fn children_called(parent: Pid, verb: &str) -> Vec<String> {
    let list = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(list).unwrap_or_default();
    let lines = children.split_whitespace().filter_map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines
        .filter(|line| line.contains(verb))
        .filter_map(|line| Some(line.split_whitespace().last()?.to_owned()))
        .collect()
}
