//! One bundle, and the containers made from it through the command line.

use std::fmt::Display;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::eventually::eventually;
use crate::host;
use crate::subject::Subject;
use crate::{busybox, config};

/// How long anything may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bundle directory of its own, with a state root beside it.
pub(crate) struct Case {
    pub(crate) subject: Subject,
    place: tempfile::TempDir,
}

/// A container that was created; deleted by force at the end.
pub(crate) struct Container<'a> {
    case: &'a Case,
    pub(crate) id: String,
    pub(crate) pid: u32,
}

/// An id that nothing else on this host uses.
pub(crate) fn fresh_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("conformance-{}-{next}", std::process::id())
}

impl Case {
    pub(crate) fn new(subject: Subject) -> Self {
        let place = tempfile::Builder::new()
            .prefix("isolab-conformance")
            .tempdir()
            .unwrap();
        let case = Self { subject, place };
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(case.place.path(), readable).unwrap();
        for directory in [case.bundle(), case.rootfs(), case.state_root()] {
            fs::create_dir_all(directory).unwrap();
        }
        busybox::install(&case.rootfs());
        case.give(case.place.path());
        case
    }

    /// Makes `path` and what is below it the property of whoever runs the runtime.
    pub(crate) fn give(&self, path: &Path) {
        let (uid, gid) = self.subject.ids();
        if !self.subject.rootless || !crate::subject::am_root() {
            return;
        }
        let information = fs::symlink_metadata(path).unwrap();
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
        if information.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.place.path().join("bundle")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.bundle().join("rootfs")
    }

    fn state_root(&self) -> PathBuf {
        self.place.path().join("state")
    }

    /// A directory or file beside the root file system, by its absolute path.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.bundle().join(name)
    }

    /// A directory in the bundle that belongs to the container's owner.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.beside(name);
        fs::create_dir_all(&path).unwrap();
        self.give(&path);
        path
    }

    /// A file in the bundle that belongs to the container's owner.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.beside(name);
        fs::write(&path, text).unwrap();
        self.give(&path);
        path
    }

    /// The configuration of [`config::base`] with a shell script as its program.
    pub(crate) fn config(&self, script: &str) -> Value {
        let mut config = config::base(self.subject);
        config["process"]["args"] = serde_json::json!(["sh", "-c", script]);
        config
    }

    /// The same with one more mount.
    pub(crate) fn with_mount(&self, script: &str, mount: Value) -> Value {
        let mut config = self.config(script);
        config::mount(&mut config, mount);
        config
    }

    pub(crate) fn write(&self, config: &Value) {
        let text = serde_json::to_vec_pretty(config).unwrap();
        fs::write(self.beside("config.json"), text).unwrap();
        self.give(&self.beside("config.json"));
    }

    /// The runtime with `arguments`, and what it said.
    pub(crate) fn runtime(&self, arguments: &[&str]) -> Output {
        let mut command = self.subject.command(&self.state_root());
        command.args(arguments);
        self.finish(command, None)
    }

    /// Runs `command`; its output goes through files, since a container that
    /// goes on would keep a pipe open.
    pub(crate) fn finish(&self, mut command: Command, container_output: Option<&Path>) -> Output {
        let name = fresh_id();
        let place = |kind: &str| self.place.path().join(format!("{name}.{kind}"));
        let (out, err) = (place("out"), place("err"));
        let create = |path: &Path| File::create(path).unwrap();
        match container_output {
            Some(path) => {
                let file = create(path);
                // A program that is another user may open its own streams anew.
                let (uid, gid) = self.subject.ids();
                if crate::subject::am_root() {
                    chown(path, Some(uid), Some(gid)).unwrap();
                }
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
                command.stderr(file.try_clone().unwrap()).stdout(file);
            }
            None => {
                command.stdout(create(&out)).stderr(create(&err));
            }
        }
        let mut child = command.spawn().unwrap();
        let status = wait(&mut child, &command);
        let said = |path: &Path| fs::read(path).unwrap_or_default();
        let output = Output {
            status,
            stdout: said(&out),
            stderr: said(container_output.unwrap_or(&err)),
        };
        let _ = (fs::remove_file(out), fs::remove_file(err));
        output
    }

    /// Creates a container of `config`.
    pub(crate) fn create(&self, config: &Value) -> Container<'_> {
        self.try_create(config)
            .unwrap_or_else(|error| panic!("create failed: {error}"))
    }

    /// As [`Case::create`]; the error is what the runtime said.
    pub(crate) fn try_create(&self, config: &Value) -> Result<Container<'_>, String> {
        self.write(config);
        self.try_create_as(&fresh_id(), &[])
    }

    /// Creates a container from what is in the bundle.
    pub(crate) fn try_create_as(
        &self,
        id: &str,
        options: &[&str],
    ) -> Result<Container<'_>, String> {
        let command = self.subject.command(&self.state_root());
        self.create_by(command, id, options)
    }

    /// Creates a container of `config` whose standard input is `input`.
    pub(crate) fn create_reading(&self, config: &Value, input: File) -> Container<'_> {
        self.write(config);
        let mut command = self.subject.command(&self.state_root());
        command.stdin(input);
        self.create_by(command, &fresh_id(), &[])
            .unwrap_or_else(|error| panic!("create failed: {error}"))
    }

    fn create_by(
        &self,
        mut command: Command,
        id: &str,
        options: &[&str],
    ) -> Result<Container<'_>, String> {
        let pid_file = self.place.path().join(format!("{}.pid", fresh_id()));
        let output = self.place.path().join(format!("{id}.output"));
        command.arg("create").arg("--bundle").arg(self.bundle());
        command.arg("--pid-file").arg(&pid_file);
        command.args(options).arg(id);
        let said = self.finish(command, Some(&output));
        if !said.status.success() {
            return Err(text(&said.stderr));
        }
        let pid = fs::read_to_string(pid_file).unwrap().trim().parse();
        Ok(Container {
            case: self,
            id: id.to_owned(),
            pid: pid.unwrap(),
        })
    }

    /// What the runtime answers where it must refuse `config`, which has `what` in
    /// it: an error, and no container that is left behind.
    pub(crate) fn refused(&self, what: impl Display, config: &Value) -> String {
        self.write(config);
        let id = fresh_id();
        match self.try_create_as(&id, &[]) {
            Ok(_) => panic!("created: {what}"),
            Err(error) => {
                let state = self.runtime(&["state", &id]);
                assert!(!state.status.success(), "left behind: {what}: {error}");
                assert!(!error.trim().is_empty(), "refused without a word: {what}");
                error
            }
        }
    }

    /// As [`Case::refused`], where a runtime may also notice at `start`.
    pub(crate) fn refused_by_start(&self, what: impl Display, config: &Value) -> String {
        match self.try_create(config) {
            Ok(container) => match container.try_start() {
                Ok(()) => panic!("started: {what}"),
                Err(error) => error,
            },
            Err(error) => error,
        }
    }

    /// Creates, starts and waits; what the program wrote.
    pub(crate) fn output(&self, config: &Value) -> String {
        let container = self.create(config);
        container.start();
        container.wait();
        container.output()
    }

    /// What a shell script writes in the base container.
    pub(crate) fn script(&self, script: &str) -> String {
        self.output(&self.config(script))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Waits for `child`, but not for ever.
fn wait(child: &mut Child, what: &Command) -> std::process::ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it hangs: {what:?}");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

impl Container<'_> {
    pub(crate) fn try_state(&self) -> Result<Value, String> {
        let output = self.case.runtime(&["state", &self.id]);
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(text(&output.stderr))
        }
    }

    pub(crate) fn state(&self) -> Value {
        self.try_state()
            .unwrap_or_else(|error| panic!("state failed: {error}"))
    }

    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    fn simple(&self, arguments: &[&str]) -> Result<(), String> {
        let output = self.case.runtime(arguments);
        if output.status.success() {
            Ok(())
        } else {
            Err(text(&output.stderr))
        }
    }

    pub(crate) fn try_start(&self) -> Result<(), String> {
        self.simple(&["start", &self.id])
    }

    pub(crate) fn start(&self) {
        self.try_start()
            .unwrap_or_else(|error| panic!("start failed: {error}; {}", self.output()));
    }

    pub(crate) fn kill(&self, signal: &str) -> Result<(), String> {
        self.simple(&["kill", &self.id, signal])
    }

    pub(crate) fn delete(&self) -> Result<(), String> {
        self.simple(&["delete", &self.id])
    }

    /// Waits until the program has ended.
    pub(crate) fn wait(&self) {
        eventually("the program ends", || host::has_ended(self.pid));
    }

    /// Waits until the program has ended and the runtime says so.
    pub(crate) fn wait_stopped(&self) {
        self.wait();
        assert_eq!(self.status(), "stopped");
    }

    /// What the program, or the runtime while it created it, has written.
    pub(crate) fn output(&self) -> String {
        let path = self.case.place.path().join(format!("{}.output", self.id));
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Waits until the program has written `word`.
    pub(crate) fn wait_for(&self, word: &str) {
        eventually(word, || self.output().contains(word));
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // A second panic here would abort the whole run.
        let mut command = self.case.subject.command(&self.case.state_root());
        command.args(["delete", "--force", &self.id]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let _ = command.status();
    }
}
