//! A bundle, a state root, the command, and what must not be left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use isolab_oci::{Spec, cgroup};

use crate::{busybox, example};

/// A place of one test's own.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
    /// Begins the id of each of its containers.
    pub(crate) prefix: String,
}

impl Lab {
    /// A bundle whose program is `arguments`.
    pub(crate) fn new(name: &str, arguments: &[&str]) -> Result<Self, String> {
        Self::with(name, arguments, |_| ())
    }

    /// The same, with the config changed.
    pub(crate) fn with(
        name: &str,
        arguments: &[&str],
        change: impl FnOnce(&mut Spec),
    ) -> Result<Self, String> {
        busybox::find().ok_or(busybox::MISSING)?;
        let directory = tempfile::Builder::new()
            .prefix("isolab-soak")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let lab = Self {
            directory,
            prefix: format!("soak-{name}-{}", std::process::id()),
        };
        busybox::install(&lab.bundle().join("rootfs"));
        let mut spec = example::spec(arguments);
        change(&mut spec);
        let text = serde_json::to_vec(&spec).map_err(|error| error.to_string())?;
        fs::write(lab.bundle().join("config.json"), text).map_err(|error| error.to_string())?;
        Ok(lab)
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }

    fn states(&self) -> PathBuf {
        self.directory.path().join("states")
    }

    /// The words of a command line for `verb`.
    pub(crate) fn words(&self, verb: &[&str], id: &str) -> Vec<String> {
        let states = self.states();
        let mut words = vec![
            env!("CARGO_BIN_EXE_isorun").to_owned(),
            "--root".to_owned(),
            states.to_string_lossy().into_owned(),
        ];
        words.extend(verb.iter().map(|&word| word.to_owned()));
        if matches!(verb[0], "create" | "run") {
            words.push("--bundle".to_owned());
            words.push(self.bundle().to_string_lossy().into_owned());
        }
        words.push(id.to_owned());
        words
    }

    /// Runs `verb`.
    pub(crate) fn isorun(&self, verb: &[&str], id: &str) -> Output {
        let words = self.words(verb, id);
        run(&words)
    }

    /// As [`isorun`](Self::isorun), and it must succeed.
    pub(crate) fn succeed(&self, verb: &[&str], id: &str) -> Result<(), String> {
        let output = self.isorun(verb, id);
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{verb:?} {id}: {output:?}")),
        }
    }

    /// What there is of this lab's on the machine: state, control groups,
    /// processes in them, mounts. Waits a moment for what is about to go.
    pub(crate) fn left(&self) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let left = self.look();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn look(&self) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir(self.states()).into_iter().flatten().flatten() {
            left.push(entry.path().display().to_string());
        }
        for hierarchy in cgroup::discover().unwrap_or_default() {
            for place in [&hierarchy.own, &hierarchy.mount_point] {
                left.extend(self.named(place));
            }
        }
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let groups = fs::read_to_string(process.path().join("cgroup"));
            let is_ours = groups.is_ok_and(|groups| groups.contains(&self.prefix));
            // Of one that has ended only its number is left, until its new
            // parent, the machine's init, gets round to it.
            if is_ours && !is_zombie(&process.path()) {
                left.push(process.path().display().to_string());
            }
        }
        // Others may mount meanwhile; what is ours names our directory.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = self.directory.path().to_string_lossy().into_owned();
        let own = mounts.lines().filter(|line| line.contains(&own));
        left.extend(own.map(str::to_owned));
        left.sort_unstable();
        left.dedup();
        left
    }

    fn named(&self, directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().contains(&self.prefix))
            .map(|entry| entry.path().display().to_string())
            .collect()
    }
}

fn is_zombie(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('Z'))
}

/// Runs a command line with no input; its output is kept.
///
/// Output goes to files: a container that was left alive would hold a pipe
/// open, and whoever reads it to its end would wait for it.
pub(crate) fn run(words: &[String]) -> Output {
    use std::io::{Read as _, Seek as _};
    let mut said = tempfile::tempfile().unwrap();
    let status = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.try_clone().unwrap())
        .status()
        .unwrap();
    let mut stderr = Vec::new();
    said.rewind().unwrap();
    said.read_to_end(&mut stderr).unwrap();
    Output {
        status,
        stdout: Vec::new(),
        stderr,
    }
}
