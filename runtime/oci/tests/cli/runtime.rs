//! A runtime under test, a bundle for it, and containers that do not outlive
//! their test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use isolab_oci::sys::process::effective_ids;
use serde_json::Value;

use crate::eventually::eventually;
use crate::{busybox, crun, example};

/// One of the runtimes, found to run a container on this host.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    /// The hierarchy of control groups that crun is to be started without.
    unified: Option<PathBuf>,
}

impl Runtime {
    /// Finds `name` by running a container, or says why it cannot.
    pub(crate) fn find(name: &'static str) -> Result<Self, String> {
        let hierarchies = isolab_oci::cgroup::discover().unwrap_or_default();
        let mut unified = hierarchies
            .iter()
            .filter(|h| h.controllers.is_empty() && h.mount_point.ends_with("unified"));
        let unified = unified.next().map(|h| h.mount_point.clone());
        let runtime = Self { name, unified };
        busybox::find().ok_or(busybox::MISSING)?;
        if name != "isorun" && effective_ids().0 != 0 {
            return Err("the peers are asked as root only".to_owned());
        }
        let place = Place::new(&runtime);
        place.config(&["true"], |_| {});
        let mut command = runtime.command(&place);
        match command.args(["run", &place.id]).output() {
            Err(error) => Err(format!("{name}: {error}")),
            Ok(output) if output.status.success() => Ok(runtime.clone()),
            Ok(output) => Err(first_line(&output.stderr)),
        }
    }

    /// Why a container here has no control groups that hold and limit it; found
    /// by pausing one.
    pub(crate) fn lacks_groups(&self) -> Option<String> {
        let place = Place::new(self);
        place.start();
        let output = place.call(&["pause", "ID"]);
        (!output.status.success()).then(|| first_line(&output.stderr))
    }

    /// Why a container here has one user only; found by becoming another.
    pub(crate) fn lacks_ids(&self) -> Option<String> {
        let place = Place::new(self);
        place.start();
        let output = place.call(&["exec", "--user", "3:3", "ID", "/bin/true"]);
        (!output.status.success()).then(|| first_line(&output.stderr))
    }

    fn command(&self, place: &Place<'_>) -> Command {
        let mut command = match (self.name, &self.unified) {
            ("isorun", _) => Command::new(env!("CARGO_BIN_EXE_isorun")),
            ("crun", Some(hierarchy)) => {
                let mut command = crun::without(hierarchy);
                command.arg("crun");
                command
            }
            (name, _) => Command::new(name),
        };
        command
            .arg("--root")
            .arg(place.path().join("state"))
            .current_dir(place.path())
            // Not `/dev/null`: crun makes the process's user its owner.
            .stdin(std::io::pipe().unwrap().0);
        command
    }
}

/// A bundle, a directory for state, and a container's name; deleted at the end.
pub(crate) struct Place<'r> {
    runtime: &'r Runtime,
    directory: tempfile::TempDir,
    pub(crate) id: String,
}

impl<'r> Place<'r> {
    /// A bundle whose program sleeps until it is told to end.
    pub(crate) fn new(runtime: &'r Runtime) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::Builder::new()
            .prefix("isorun-cli")
            .tempdir()
            .unwrap();
        // Processes of other users look up their program in it.
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), readable).unwrap();
        busybox::install(&directory.path().join("rootfs"));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = Self {
            runtime,
            directory,
            id: format!("cli-{}-{}-{number}", runtime.name, std::process::id()),
        };
        place.config(&["sh", "-c", SLEEPER], |_| {});
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a config.json with these arguments, changed by `change`.
    pub(crate) fn config(&self, args: &[&str], change: impl FnOnce(&mut Value)) {
        let mut spec = serde_json::to_value(example::spec(args)).unwrap();
        change(&mut spec);
        let text = serde_json::to_vec_pretty(&spec).unwrap();
        fs::write(self.path().join("config.json"), text).unwrap();
    }

    /// The runtime's command, ready for its arguments.
    pub(crate) fn command(&self) -> Command {
        self.runtime.command(self)
    }

    /// Types a line; `ID` stands for the container's name.
    pub(crate) fn call(&self, arguments: &[&str]) -> Output {
        let id = self.id.as_str();
        let arguments = arguments.iter().map(|&a| if a == "ID" { id } else { a });
        self.command().args(arguments).output().unwrap()
    }

    /// Types a line that must succeed; what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    /// Types a line that must fail with `status`; what it said, in lower case.
    pub(crate) fn fails(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let said = text(&output.stderr).to_lowercase();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(!said.is_empty(), "{arguments:?} fails without a word");
        said
    }

    /// `create`, without the container holding on to our pipes.
    pub(crate) fn create(&self) {
        self.quietly(&["create", "ID"]);
    }

    /// Creates and starts it.
    pub(crate) fn start(&self) {
        self.create();
        self.ok(&["start", "ID"]);
    }

    /// Types a line whose container inherits the standard streams: a file
    /// takes what it says, since a pipe would stay open with the container.
    pub(crate) fn quietly(&self, arguments: &[&str]) {
        let id = self.id.as_str();
        let said = self.path().join("said");
        let file = fs::File::create(&said).unwrap();
        let status = self
            .command()
            .args(arguments.iter().map(|&a| if a == "ID" { id } else { a }))
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .status()
            .unwrap();
        let said = fs::read_to_string(said).unwrap();
        assert!(status.success(), "{arguments:?}: {said}");
    }

    /// The state, as `state` prints it.
    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.ok(&["state", "ID"])).unwrap()
    }

    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    /// Waits until the state is `status`.
    pub(crate) fn becomes(&self, status: &str) {
        eventually(&format!("the state becomes {status}"), || {
            self.status() == status
        });
    }
}

/// A program that ends at SIGTERM with 7; a shell as pid 1 needs the trap.
const SLEEPER: &str = "trap 'exit 7' TERM; while :; do sleep 0.05; done";

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let _ = self.call(&["delete", "--force", "ID"]);
    }
}

fn first_line(bytes: &[u8]) -> String {
    text(bytes).lines().next().unwrap_or_default().to_owned()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
