//! Podman, which is no runtime but an engine: where it keeps its books while we
//! use it, and how all that it leaves behind goes again.
//!
//! It returns before its monitor has ended, and an ordinary user's keeps a
//! process alive for the next command. All of them inherit an environment that
//! names our directory: by that they are found.

use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use anyhow::{Context as _, Result};
use isolab_oci::cgroup;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tempfile::TempDir;

use super::said_unless;
use crate::environment::{mounts, tools};
use crate::guard;
use crate::pinned::Pinned;

/// How long what it leaves running gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the names of its directories begin with; our process id follows.
const PREFIX: &str = "isolab-podman-";

/// Podman with a storage of its own, so that the user's is not touched.
#[derive(Debug)]
pub(super) struct Podman {
    program: PathBuf,
    root: PathBuf,
    // Podman refuses paths of more than 50 characters, so it is not in ours.
    home: TempDir,
    /// The control group that its containers' groups are made in.
    parent: String,
    /// The runtime to name, where its own choice does not work here.
    runtime: OnceCell<PathBuf>,
}

impl Podman {
    /// Podman that runs programs from the directory `root`.
    pub(super) fn new(program: PathBuf, root: &Path) -> Result<Self> {
        sweep();
        let own = std::process::id();
        let home = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{own}-"))
            .tempdir_in(env::temp_dir())
            .context("cannot make a directory for podman")?;
        Ok(Self {
            program,
            root: root.to_owned(),
            home,
            // By this name it is swept if we are killed.
            parent: cgroup::owned_name(),
            runtime: OnceCell::new(),
        })
    }

    /// Runs `words` with its own choice of runtime, else with runc: crun, which
    /// is often the choice, refuses hosts with both versions of control groups.
    pub(super) fn run(&self, words: &[&str], stop: &dyn Fn() -> bool) -> Result<String> {
        let first = said_unless(&mut self.command(words)?, stop);
        if let (Err(_), None, Some(runc)) = (&first, self.runtime.get(), tools::find("runc"))
            && !stop()
        {
            let _ = self.runtime.set(runc);
            return said_unless(&mut self.command(words)?, stop).or(first);
        }
        first
    }

    /// The directory that it runs programs from.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = guard::command(&self.program)?;
        command.env(MARK, self.home.path());
        if let Some(runtime) = self.runtime.get() {
            command.arg("--runtime").arg(runtime);
        }
        for (option, place) in [("--root", "a"), ("--runroot", "b"), ("--tmpdir", "c")] {
            command.arg(option).arg(self.home.path().join(place));
        }
        // Nor in the runtime's own place, where a kill would leave its books.
        let books = self.home.path().join("d");
        command
            .arg("--runtime-flag")
            .arg(format!("root={}", books.display()))
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["run", "--rm", "--network", "none"])
            .args(["--cgroup-parent", &self.parent])
            // Lower limits than its own, which not everybody may raise.
            .args(["--ulimit", "nofile=1024:1024"])
            .args(["--ulimit", "nproc=1024:1024"])
            .arg("--rootfs")
            .arg(&self.root)
            .args(words);
        Ok(command)
    }

    /// Removes its control groups, which only goes when nothing runs in them.
    fn remove_groups(&self) -> io::Result<()> {
        for hierarchy in cgroup::discover().unwrap_or_default() {
            for above in [&hierarchy.own, &hierarchy.mount_point] {
                remove_group(&above.join(&self.parent))?;
            }
        }
        Ok(())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            end_all_of(self.home.path(), end);
            // What ends just now may still write: only what is gone stays so.
            let groups = self.remove_groups();
            let _ = fs::remove_dir_all(self.home.path());
            let gone = groups.is_ok() && !self.home.path().exists();
            if gone || Instant::now() >= end {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The variable that names our directory to whatever podman starts. It also
/// keeps podman from making empty configuration where the user has none.
const MARK: &str = "XDG_CONFIG_HOME";

/// Waits until what podman left running with the directory `home` has ended,
/// and ends what would stay, or is still there at `end`.
fn end_all_of(home: &Path, end: Instant) {
    loop {
        let running = processes_of(home);
        // One word only: the process that holds an ordinary user's namespace for
        // commands to come. All others are on their way out.
        let stays = |pid: &i32| words_of(*pid) <= 1;
        if running.iter().all(stays) || Instant::now() >= end {
            for pid in running {
                // Its number may be another's by now.
                if let Ok(Some(held)) = Pinned::open(pid, || names(pid, home)) {
                    let _ = held.signal(Signal::SIGKILL);
                }
            }
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The processes whose environment or command line names `home`: its monitor
/// is given another environment.
///
/// Source: `proc_pid_environ(5)`, `proc_pid_cmdline(5)`.
fn processes_of(home: &Path) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = std::process::id().cast_signed();
    pids.filter(|pid| *pid != own && names(*pid, home))
        .collect()
}

/// Whether a process's environment or command line names `home`.
fn names(pid: i32, home: &Path) -> bool {
    let name = home.as_os_str().as_encoded_bytes();
    ["environ", "cmdline"].iter().any(|file| {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        text.windows(name.len()).any(|part| part == name)
    })
}

/// How many words a process's command line has.
fn words_of(pid: i32) -> usize {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .count()
}

/// Removes what commands that were killed left of podman's.
pub(super) fn sweep() {
    for entry in fs::read_dir(env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let owner = owner.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        let ours = entry
            .metadata()
            .is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw());
        let dead = owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists());
        if ours && dead {
            end_all_of(&entry.path(), Instant::now());
            unmount_below(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Detaches what is mounted below `home`: a container's shared memory, which an
/// engine that is killed leaves, and by which the directory could not be removed.
fn unmount_below(home: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts::parse(&table);
    let below = mounted.iter().map(|mount| &mount.point);
    let mut below: Vec<_> = below.filter(|point| point.starts_with(home)).collect();
    // What lies deeper comes later in the table.
    below.reverse();
    for point in below {
        let _ = umount2(point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
    }
}

/// Removes a control group and those in it.
fn remove_group(group: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(group) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        if entry.file_type()?.is_dir() {
            remove_group(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use nix::mount::{MsFlags, mount};

    use super::*;

    #[test]
    fn what_a_killed_command_left_mounted_is_swept() {
        // No process has this id (`proc_sys_kernel(5)`, `pid_max`).
        let home = env::temp_dir().join(format!("{PREFIX}4194305-{}", std::process::id()));
        let point = home.join("a/shm");
        fs::create_dir_all(&point).unwrap();
        let none = None::<&str>;
        if let Err(error) = mount(none, &point, Some("tmpfs"), MsFlags::empty(), none) {
            eprintln!("without a mount, as none can be made here: {error}");
        }
        sweep();
        assert!(!home.exists());
    }
}
