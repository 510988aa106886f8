//! Docker's daemon, one's own: nobody else's images are touched, and it ends with
//! this.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::find_program;

/// How long it gets to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// `program`, to be given its arguments, that ends with the bench, whatever ends that.
pub(super) fn ending_with_us(program: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    command.arg("__guard").arg(std::process::id().to_string());
    command.arg("--").arg(program);
    command
}

/// A daemon that answers.
pub(super) struct Daemon {
    process: Child,
    socket: PathBuf,
}

impl Daemon {
    /// Starts one that keeps images in `data` and what it needs while it runs in `run`.
    pub(super) fn start(data: &Path, run: &Path, group: &str) -> Result<Self> {
        let program = find_program("dockerd").context("dockerd is not installed")?;
        if !geteuid().is_root() {
            bail!("dockerd needs root");
        }
        fs::create_dir_all(run)?;
        let log = File::create(run.join("log"))?;
        let socket = run.join("socket");
        let mut command = ending_with_us(&program);
        command.arg("--data-root").arg(data);
        command.arg("--exec-root").arg(run.join("exec"));
        command.arg("--pidfile").arg(run.join("pid"));
        command
            .arg("--host")
            .arg(format!("unix://{}", socket.display()));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        // Where that cannot be had, docker would copy each layer whole, and say nothing.
        command.arg("--storage-driver=overlay2");
        command.arg("--cgroup-parent").arg(format!("/{group}"));
        let process = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start dockerd")?;
        let mut daemon = Self { process, socket };
        let end = Instant::now() + PATIENCE;
        while !daemon.answers() {
            if daemon.process.try_wait()?.is_some() || Instant::now() > end {
                let said = fs::read_to_string(run.join("log")).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing");
                bail!("dockerd does not start: {last}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    /// What clients are to be told.
    pub(super) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn answers(&self) -> bool {
        let mut docker = Command::new("docker");
        docker.arg("version").env("DOCKER_HOST", self.address());
        docker.stdout(Stdio::null()).stderr(Stdio::null());
        docker.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has children of its own to end, and mounts to take away.
        let pid = i32::try_from(self.process.id()).map(Pid::from_raw);
        let _ = pid.map(|pid| kill(pid, Signal::SIGTERM));
        let end = Instant::now() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
