//! Docker's daemon, with all that it keeps in a directory of its own.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use isolab_oci::sys::process::effective_ids;

/// A daemon, and its containerd, until it is dropped.
pub(crate) struct Docker {
    process: Child,
    place: tempfile::TempDir,
}

impl Docker {
    /// Why there can be none, if so.
    pub(crate) fn why_not() -> Option<String> {
        let lacking = ["docker", "dockerd", "containerd", "runc"]
            .into_iter()
            .find(|program| {
                let tried = Command::new(program).arg("--version").output();
                tried.is_err()
            });
        let is_root = effective_ids().0 == 0;
        let why = lacking.map(|program| format!("{program} is not installed"));
        why.or_else(|| (!is_root).then(|| "docker's daemon needs root".to_owned()))
    }

    /// Starts one that touches no network of the machine, and waits until it answers.
    /// It trusts registries on loopback without TLS, as docker does by default.
    pub(crate) fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name).display().to_string();
        let log = File::create(place.path().join("log")).unwrap();
        // In a mount namespace of its own: what it mounts goes with it.
        let mut command = Command::new("unshare");
        command.args(["--mount", "dockerd", "--bridge", "none"]);
        command.args(["--iptables=false", "--ip6tables=false"]);
        command.args(["--storage-driver", "vfs"]);
        for (option, value) in [
            ("--data-root", at("data")),
            ("--exec-root", at("exec")),
            ("--pidfile", at("pid")),
            ("--host", format!("unix://{}", at("socket"))),
        ] {
            command.args([option, &value]);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap());
        let docker = Self {
            process: command.stderr(log).spawn().unwrap(),
            place,
        };
        let patience = Instant::now() + Duration::from_secs(60);
        let answers = || {
            docker
                .command(&["version"])
                .output()
                .unwrap()
                .status
                .success()
        };
        while !answers() {
            let log = || fs::read_to_string(docker.place.path().join("log"));
            assert!(Instant::now() < patience, "dockerd: {}", log().unwrap());
            thread::sleep(Duration::from_millis(100));
        }
        docker
    }

    /// Its client, for a bounded time.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let at = |name: &str| self.place.path().join(name).display().to_string();
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", "120", "docker"])
            .args(arguments);
        command.env("DOCKER_HOST", format!("unix://{}", at("socket")));
        command
            .env("DOCKER_CONFIG", at("config"))
            .env_remove("DOCKER_CONTEXT");
        command.stdin(Stdio::null());
        command
    }

    /// What its client prints where it succeeds.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It ends its containerd when it is asked to end.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").arg(&id).status();
        let patience = Instant::now() + Duration::from_secs(30);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
