//! A place of its own for each test: its guests, its cache, and what may not be left there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far more than a boot takes, also on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Why no guest can be booted here, if none can.
pub(crate) fn missing() -> Option<String> {
    let error = |error: vm_model::Error| error.to_string();
    let qemu = vm_model::qemu::find().map_err(error).err();
    qemu.or_else(|| vm_model::kernel::find().map_err(error).err())
}

/// Why a program of this machine cannot be had, if so.
pub(crate) fn no(program: &str) -> Option<String> {
    let tried = Command::new(program).arg("--version").output();
    let works = tried.is_ok_and(|output| output.status.success());
    (!works).then(|| format!("there is no {program}"))
}

/// A cache directory that goes with the test; kernels are those of the user.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `isolab vm` with these words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .arg("vm")
            .args(words)
            .env("XDG_CACHE_HOME", self.path().join("cache"));
        command.env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The same of `vm run` under the emulator, which works on every machine.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.output(&[&["run", "--accel", "tcg"], words].concat())
    }

    /// The guests that there are.
    pub(crate) fn guests(&self, words: &[&str]) -> Vec<Value> {
        let output = self.output(&[&["ps", "--json"], words].concat());
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        listed["guests"].as_array().unwrap().clone()
    }

    /// Fails if anything of a guest is left: a file, a pipe, a socket, or a process.
    pub(crate) fn is_clean(&self) {
        let guests = self.path().join("cache/isolab/guests");
        let left: Vec<_> = fs::read_dir(&guests)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "left: {left:?}");
        let running = self.processes();
        assert!(running.is_empty(), "still running: {running:?}");
    }

    /// The processes whose command line names this place, and that are not gone within a moment.
    pub(crate) fn processes(&self) -> Vec<String> {
        let name = self.path().to_str().unwrap().to_owned();
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            let running: Vec<String> = fs::read_dir("/proc")
                .unwrap()
                .flatten()
                .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
                .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
                .filter(|line| line.contains(&name))
                .collect();
            if running.is_empty() || Instant::now() >= deadline {
                return running;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What a command said, both ways, for a failure's text.
pub(crate) fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}\nstdout: {out}\nstderr: {err}", output.status)
}
