//! A container that sleeps while others do something to it, and how others start.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use isolab_oci::spec::{IdMapping, Namespace, NamespaceType};
use isolab_oci::{Spec, State};

use crate::support::{Place, containers, linux, name};

/// A container of the command line that sleeps, and its state's directory.
pub(crate) struct Sleeper {
    pub(crate) place: Place,
    pub(crate) id: String,
}

impl Sleeper {
    pub(crate) fn new(change: impl FnOnce(&mut Spec)) -> Self {
        Self::running("sleep 1000", change)
    }

    pub(crate) fn running(script: &str, change: impl FnOnce(&mut Spec)) -> Self {
        let place = Place::new();
        let mut spec = place.spec(script);
        change(&mut spec);
        place.write(&spec);
        let sleeper = Self { place, id: name() };
        let mut run = sleeper.isorun(&["run", "--detach", "-b"]);
        run.arg(sleeper.place.path()).arg(&sleeper.id);
        assert!(run.status().unwrap().success());
        sleeper
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place.path().join("states")
    }

    /// The file of a namespace of its first process.
    pub(crate) fn namespace(&self, name: &str) -> PathBuf {
        let mut state = self.isorun(&["state", &self.id]);
        let state = state.stdout(Stdio::piped()).output().unwrap().stdout;
        let state: State = serde_json::from_slice(&state).unwrap();
        format!("/proc/{}/ns/{name}", state.pid).into()
    }

    pub(crate) fn isorun(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isorun"));
        self.arguments(&mut command, words);
        command
    }

    fn arguments(&self, command: &mut Command, words: &[&str]) {
        command.arg("--root").arg(self.root()).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null());
    }

    /// `isorun exec OPTIONS ID sh -c SCRIPT`, under `starter`; both streams.
    pub(crate) fn exec(&self, starter: &[&str], options: &[&str], script: &str) -> (String, bool) {
        let isorun = env!("CARGO_BIN_EXE_isorun");
        let mut words = starter.to_vec();
        words.push(isorun);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.arguments(&mut command, &["exec"]);
        command
            .args(options)
            .arg(&self.id)
            .args(["sh", "-c", script]);
        command.current_dir(self.place.path());
        let output = command.stdout(Stdio::piped()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text, output.status.success())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.isorun(&["delete", "--force", &self.id]).status();
    }
}

/// `isorun run` of `spec` under `starter`; what it said.
pub(crate) fn run_under(starter: &[&str], spec: &Spec, place: &Place) -> String {
    place.write(spec);
    let output = Command::new(starter[0])
        .args(&starter[1..])
        .arg(env!("CARGO_BIN_EXE_isorun"))
        .arg("--root")
        .arg(place.path().join("states"))
        .args(["run", "-b"])
        .arg(place.path())
        .arg(name())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Puts it into a user namespace with one user, root.
pub(crate) fn map_root(spec: &mut Spec) {
    let one = IdMapping {
        container_id: 0,
        host_id: 0,
        size: 1,
    };
    let linux = linux(spec);
    linux.namespaces.push(Namespace {
        kind: NamespaceType::User,
        path: None,
    });
    linux.uid_mappings = vec![one];
    linux.gid_mappings = vec![one];
    // It has no group for terminals.
    spec.mounts
        .retain(|mount| !mount.destination.starts_with("/dev/pts"));
}

/// What slows a start down at one of its steps.
pub(crate) fn strace() -> Result<(), String> {
    containers()?;
    match Command::new("strace").arg("-V").output() {
        Ok(_) => Ok(()),
        Err(_) => Err("there is no strace".to_owned()),
    }
}
