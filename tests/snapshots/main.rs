//! `isolab vm snapshot` and `restore`: a guest's way through both, what they refuse, and that a
//! command which is stopped or killed leaves neither half a snapshot nor a guest.
//!
//! Where there is no QEMU or no kernel these are reported as ignored, with the reason; what needs
//! neither runs everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

mod ends;
mod verbs;

type Tested = Result<(), Failed>;

fn main() -> ExitCode {
    let missing = missing();
    let guest = |name: &str, test: fn() -> Tested| match &missing {
        None => Trial::test(name, test),
        Some(why) => {
            let why = why.clone();
            Trial::test(format!("{name} ({why})"), move || Err(why.into()))
                .with_ignored_flag(std::env::var_os("CI").is_none())
        }
    };
    let mut trials = vec![
        guest("a_guest_is_saved_restored_and_removed", verbs::whole_way),
        guest(
            "programs_that_end_at_their_word_are_restored_like_others",
            verbs::ends_at_its_word,
        ),
        guest("a_killed_snapshot_leaves_nothing", ends::killed),
        guest("an_interrupted_snapshot_leaves_nothing", ends::interrupted),
        guest(
            "killed_restores_take_their_guests_along",
            ends::killed_restore,
        ),
    ];
    trials.extend([
        Trial::test("bad_names_are_refused_with_a_remedy", verbs::bad_names),
        Trial::test("without_snapshots_the_list_is_empty", verbs::empty_list),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Why no guest can be booted here.
fn missing() -> Option<String> {
    let qemu = vm_model::qemu::find().map(drop);
    let kernel = vm_model::kernel::find().map(drop);
    qemu.and(kernel).err().map(|error| error.to_string())
}

/// A home of its own, with this user's kernels.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let (data, cache) = (home.data(), home.path().join("cache/isolab"));
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(&cache).unwrap();
        if let Some(kernels) = vm_model::kernel::store() {
            std::os::unix::fs::symlink(kernels, data.join("kernels")).unwrap();
        }
        // What is known of KVM here takes seconds to find out.
        let known = vm_model::accel::CacheKey::directory();
        for entry in known.iter().flat_map(fs::read_dir).flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("accel-") {
                fs::copy(entry.path(), cache.join(entry.file_name())).unwrap();
            }
        }
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data/isolab")
    }

    fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.isolab(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a command says that fails.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts a command, and waits until a QEMU of it has something of this home in its words.
    fn started(&self, arguments: &[&str]) -> (Child, i32) {
        let mut command = self.isolab(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let pid = loop {
            let found = self.guests().pop();
            if found.is_some() || Instant::now() >= end {
                break found;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let Some(pid) = pid else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it started no QEMU");
        };
        (child, pid)
    }

    /// The processes of guests that have files in this home.
    fn guests(&self) -> Vec<i32> {
        let home = self.path().to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words);
            words
                .split('\0')
                .next()
                .is_some_and(|it| it.contains("qemu"))
                && words.contains(home)
        })
        .collect()
    }

    /// Fails if a guest or anything of a snapshot is there after a while.
    fn nothing_is_left(&self) -> Tested {
        let end = Instant::now() + Duration::from_secs(5);
        while !self.guests().is_empty() {
            assert!(Instant::now() < end, "a guest is left");
            thread::sleep(Duration::from_millis(10));
        }
        let listed = self.json(&["vm", "snapshot", "ls", "--json"]);
        assert_eq!(listed, Value::Array(Vec::new()));
        let left = fs::read_dir(self.data().join("snapshots"));
        let left: Vec<_> = left.into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        Ok(())
    }
}

/// Sends a signal to a command and waits for its end.
fn ended_by(mut child: Child, signal: Signal) -> std::process::ExitStatus {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, signal).unwrap();
    child.wait().unwrap()
}
