//! Podman, skopeo, umoci and low-level runtimes, each with what it keeps in a
//! directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::place::{Home, said};

/// A program that sees no control groups of version 2 beside those of version 1,
/// which crun refuses; for a bounded time.
fn apart(program: &str) -> Command {
    let mut command = Command::new("timeout");
    let hides = "umount -l /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";
    command.args(["-s", "KILL", "120", "unshare", "--mount", "sh", "-c", hides]);
    command.args(["sh", program]).stdin(Stdio::null());
    command
}

/// Podman with a store of its own.
pub(super) struct Podman(tempfile::TempDir);

impl Podman {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = apart("podman");
        command.args([
            "--root",
            "root",
            "--runroot",
            "run",
            "--storage-driver",
            "vfs",
        ]);
        command.args(["--runtime", "crun"]).args(arguments);
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path());
        command
    }

    pub(super) fn says(&self, arguments: &[&str]) -> Result<String, Failed> {
        said(&mut self.command(arguments))
    }

    /// `podman run`, where limits may not be raised. It makes no control groups:
    /// where some hierarchies of version 1 are not mounted, it leaves directories
    /// that are none, and kills whoever has the numbers in them.
    pub(super) fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["run", "--cgroups=disabled", "--network", "none"]);
        command.args([
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1024:1024",
        ]);
        command.args(arguments);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.says(&["rm", "--all", "--force"]);
    }
}

/// `skopeo copy` to a registry without TLS.
pub(super) fn skopeo_copies(from: &str, to: &str, how: &[&str]) -> Result<(), Failed> {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]);
    said(skopeo.args(how).args([from, to])).map(drop)
}

/// The bundle that umoci makes of an image in the store. It asks for a terminal,
/// which tests have not.
pub(super) fn bundle_of(home: &Home, name: &str) -> Result<PathBuf, Failed> {
    let bundle = home.path().join("bundle");
    let image = format!("{}:{name}", home.store().display());
    said(
        Command::new("umoci")
            .args(["unpack", "--image", &image])
            .arg(&bundle),
    )?;
    let config = bundle.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&config)?)?;
    spec["process"]["terminal"] = false.into();
    fs::write(&config, spec.to_string())?;
    Ok(bundle)
}

/// `RUNTIME run` of a bundle.
pub(super) fn run_bundle(runtime: &str, bundle: &Path, home: &Home) -> Command {
    let id = home.path().file_name().unwrap_or_default();
    let mut command = apart(runtime);
    command.arg("--root").arg(home.path().join(runtime));
    // A keyring of their own cannot be had everywhere, as in a container of others.
    command.args(["run", "--no-new-keyring", "--bundle"]);
    command.arg(bundle).arg(id);
    command
}
