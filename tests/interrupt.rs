//! A comparison that is interrupted keeps what it measured and leaves nothing
//! behind; one that is killed leaves nothing that the next command does not
//! remove.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A comparison in a session of its own, with a cache directory of its own.
struct Lab {
    home: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        // Each executes the next in its own process: the child's id is the lab's,
        // and the session's. What a shell's `&` starts ignores Ctrl-C, and so
        // would the lab.
        Command::new("env")
            .args(["--default-signal=INT", "setsid"])
            .arg(env!("CARGO_BIN_EXE_isolab"))
            .args(arguments)
            .env("XDG_CACHE_HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Everything of ours that is on the machine: files, cgroups, mounts, and
    /// processes of `session`.
    fn left_behind(&self, session: u32) -> Vec<String> {
        let mut left: Vec<String> = scratch_entries(self.home.path());
        left.extend(processes_of(session));
        left.extend(cgroups_of(session));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let home = self.home.path().to_str().unwrap();
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(home))
                .map(str::to_owned),
        );
        left
    }
}

/// What lies in the scratch directory; the caches beside it are meant to stay.
fn scratch_entries(cache: &Path) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir(cache.join("isolab/scratch"))
        .into_iter()
        .flatten()
        .flatten()
    {
        left.push(format!("file {}", entry.path().display()));
    }
    for entry in fs::read_dir(cache).unwrap().flatten() {
        if entry.file_name() != "isolab" {
            left.push(format!("file {}", entry.path().display()));
        }
    }
    left
}

fn processes_of(session: u32) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // proc_pid_stat(5): the name in parentheses may hold anything.
        let Some((_, fields)) = stat.rsplit_once(')') else {
            continue;
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        if fields[3] == session.to_string() && fields[0] != "Z" {
            left.push(format!("process {stat}"));
        }
    }
    left
}

/// Control groups whose name carries the owner's process id.
fn cgroups_of(owner: u32) -> Vec<String> {
    let mut pending = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut left = Vec::new();
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let parts: BTreeSet<&str> = name.split('-').collect();
            if parts.contains("isolab") && parts.contains(owner.to_string().as_str()) {
                left.push(format!("cgroup {}", entry.path().display()));
            }
            pending.push(entry.path());
        }
    }
    left
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// What a killed process leaves needs a moment: the kernel ends its children.
fn wait_until_clean(lab: &Lab, session: u32) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let left = lab.left_behind(session);
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A command that holds guests and containers, and the schema of what it prints.
type Victim = (&'static [&'static str], &'static str);

const COMPARISON: Victim = (
    &["compare", "--quick", "--json", "--no-keep"],
    "isolab.report/1",
);
/// Many containers at once, then several guests.
const HOLDERS: Victim = (
    &[
        "claims",
        "run",
        "density",
        "vm-own-resources",
        "--quick",
        "--json",
    ],
    "isolab.claims/1",
);
/// A distribution unpacked in namespaces of its own.
const BUILD: Victim = (
    &["claims", "run", "vm-700mb", "--quick", "--json"],
    "isolab.claims/1",
);

/// One at a time: how long one takes to end is asked of it alone.
static ALONE: Mutex<()> = Mutex::new(());

fn interrupt_after(lab: &Lab, (arguments, schema): Victim, pause: Duration, how: Signal) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let child = lab.start(arguments);
    let session = child.id();
    thread::sleep(pause);
    signal(&child, how);
    let told = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(
        told.elapsed() < Duration::from_secs(5),
        "{how} after {pause:?}: took {:?} to end",
        told.elapsed()
    );
    if how == Signal::SIGKILL {
        // The next command cleans up.
        let few = ["--runs", "1", "--subjects", "process", "--no-keep"];
        let next = lab.start(&[&["compare", "--quick"], &few[..]].concat());
        assert!(next.wait_with_output().unwrap().status.success());
    }
    let left = wait_until_clean(lab, session);
    assert!(left.is_empty(), "{how} after {pause:?} left {left:#?}");
    // Before the handlers stand, a signal ends the process as any other.
    if how == Signal::SIGINT && output.status.code().is_some() {
        assert!(matches!(output.status.code(), Some(0 | 130)), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["schema"], schema);
    }
}

fn interrupt_many(times: u64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let lab = Lab::new();
    for time in 0..times {
        let pause = Duration::from_millis(random.u64(0..6_000) >> random.u32(0..4));
        let how = if time % 4 == 3 {
            Signal::SIGKILL
        } else {
            Signal::SIGINT
        };
        interrupt_after(&lab, COMPARISON, pause, how);
    }
}

#[test]
fn interrupted_claims_leave_no_holder() {
    let lab = Lab::new();
    for (pause, how) in [(2, Signal::SIGINT), (6, Signal::SIGKILL)] {
        interrupt_after(&lab, HOLDERS, Duration::from_secs(pause), how);
    }
}

/// The packages come from a mirror, so this is left to those who have one.
#[test]
#[ignore = "downloads packages"]
fn an_interrupted_build_of_a_guest_leaves_nothing() {
    let lab = Lab::new();
    for (pause, how) in [
        (8, Signal::SIGKILL),
        (4, Signal::SIGINT),
        (12, Signal::SIGKILL),
    ] {
        interrupt_after(&lab, BUILD, Duration::from_secs(pause), how);
    }
}

#[test]
fn an_interrupted_comparison_leaves_nothing() {
    interrupt_many(4, 1);
}

#[test]
#[ignore = "takes ten minutes: 200 interruptions at random moments, or as many as ISOLAB_INTERRUPTIONS says"]
fn two_hundred_interruptions_leave_nothing() {
    let asked = std::env::var("ISOLAB_INTERRUPTIONS").ok();
    interrupt_many(asked.and_then(|asked| asked.parse().ok()).unwrap_or(200), 2);
}
