//! Podman, which is no runtime but an engine: where it keeps its books while it
//! is timed, and what it leaves behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use anyhow::{Context, Result};
use isolab_oci::cgroup;
use tempfile::TempDir;

use crate::bundle::PROGRAM;

/// How long its monitors get to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A storage of its own, so that the user's is not touched; removed at the end.
pub(crate) struct Home {
    // Podman refuses paths of more than 50 characters.
    dir: TempDir,
    /// The control group that its containers' groups are made in.
    parent: String,
}

impl Home {
    pub(crate) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("isolab-")
            .tempdir_in(env::temp_dir())
            .context("cannot make a temporary directory for podman")?;
        let parent = format!("isolab-peers-{}", std::process::id());
        Ok(Self { dir, parent })
    }

    /// `podman run`, with limits that whoever runs this may set.
    pub(crate) fn run(&self, podman: &Path, root: &Path, id: &str) -> Command {
        let mut command = Command::new(podman);
        for (option, place) in [("--root", "a"), ("--runroot", "b"), ("--tmpdir", "c")] {
            command.arg(option).arg(self.dir.path().join(place));
        }
        command
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["run", "--rm", "--network", "none", "--name", id])
            .args(["--cgroup-parent", &self.parent])
            .args(["--ulimit", "nofile=1024:1024"])
            .args(["--ulimit", "nproc=1024:1024"])
            .arg("--rootfs")
            .arg(root)
            .args([PROGRAM, "exit"]);
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Podman leaves its groups standing, and its monitor a moment longer
        // than it stays itself.
        let end = Instant::now() + PATIENCE;
        while remove_groups(&self.parent).is_err() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes the control group `parent` and those that engines made in it, which only
/// goes when nothing runs there.
pub(crate) fn remove_groups(parent: &str) -> io::Result<()> {
    for hierarchy in cgroup::discover().unwrap_or_default() {
        for above in [&hierarchy.own, &hierarchy.mount_point] {
            match remove_group(&above.join(parent)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn remove_group(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_group(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
