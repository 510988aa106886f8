//! Who keeps images, and where each keeps them while it is timed.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

use super::daemon::Daemon;
use super::disk::Disk;
use crate::podman::remove_groups;
use crate::{crowd, find_program};

/// Short names: podman takes none of more than 50 characters for what it keeps
/// while it runs, and a socket's may have 107.
pub(super) struct Place {
    dir: TempDir,
    next: Cell<u32>,
    /// What images are kept on, where that is a file system of its own.
    _disk: Option<Disk>,
}

impl Place {
    pub(super) fn new(disk: Option<Disk>) -> Result<Rc<Self>> {
        let dir = tempfile::Builder::new().prefix("isolab-").tempdir();
        Ok(Rc::new(Self {
            dir: dir.context("cannot make a temporary directory for engines")?,
            next: Cell::new(0),
            _disk: disk,
        }))
    }

    /// A directory that nobody else has.
    pub(super) fn short(&self) -> PathBuf {
        let number = self.next.replace(self.next.get() + 1);
        self.dir.path().join(number.to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for who in Who::ALL {
            let _ = remove_groups(&who.group());
        }
    }
}

/// Who keeps images.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Isolab,
    Podman,
    Docker,
}

impl Who {
    pub(super) const ALL: [Self; 3] = [Self::Isolab, Self::Podman, Self::Docker];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Isolab => "isolab",
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }

    /// The control group of containers that its builds start. Each has its own: what
    /// one leaves unset in a group, others cannot start in.
    fn group(self) -> String {
        format!("isolab-peers-{}-{}", self.name(), std::process::id())
    }

    /// Where its program is.
    pub(super) fn program(self) -> Option<PathBuf> {
        match self {
            Self::Isolab => Some(env!("CARGO_BIN_EXE_isolab").into()),
            _ => find_program(self.name()),
        }
    }
}

/// One of them, with a state of its own.
pub(super) struct Keeper {
    who: Who,
    program: PathBuf,
    state: PathBuf,
    short: PathBuf,
    daemon: Option<Daemon>,
}

impl Keeper {
    /// With no image yet; `state` is where images are to be kept.
    pub(super) fn new(who: Who, place: &Place, state: &Path) -> Result<Self> {
        let program = who
            .program()
            .with_context(|| format!("{} is not installed", who.name()))?;
        let short = place.short();
        fs::create_dir_all(state)?;
        let daemon = match who {
            Who::Docker => Some(Daemon::start(&state.join("docker"), &short, &who.group())?),
            _ => None,
        };
        Ok(Self {
            who,
            program,
            state: state.to_owned(),
            short,
            daemon,
        })
    }

    /// Takes the images of `archive`.
    pub(super) fn load(&self, archive: &Path) -> Result<()> {
        let mut load = self.command(&["load", "--input"]);
        crowd::quietly(load.arg(archive))
    }

    /// Its own command line.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        self.other(&self.program, words)
    }

    /// That of another program that works on the same images.
    pub(super) fn other(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        match self.who {
            Who::Isolab => drop(command.env("XDG_DATA_HOME", &self.state)),
            Who::Docker => {
                if let Some(daemon) = &self.daemon {
                    command.env("DOCKER_HOST", daemon.address());
                }
                command
                    .env("DOCKER_CONFIG", self.short.join("config"))
                    .env_remove("DOCKER_CONTEXT");
            }
            Who::Podman => {
                command
                    .arg("--root")
                    .arg(self.state.join("podman"))
                    .arg("--runroot")
                    .arg(self.short.join("run"))
                    .args(["--storage-driver", "overlay"])
                    .env("XDG_CONFIG_HOME", self.short.join("config"));
                if program.ends_with("podman") {
                    command.arg("--tmpdir").arg(self.short.join("tmp"));
                    command.args(["--cgroup-manager", "cgroupfs"]);
                }
            }
        }
        command.args(words);
        command
    }

    /// What its `build` has to be told on top, for a container that needs no network
    /// and no privilege which not everybody has.
    pub(super) fn build(&self) -> Vec<String> {
        let mut words = vec!["--network".to_owned(), "none".to_owned()];
        if self.who == Who::Podman {
            let group = format!("--cgroup-parent={}", self.who.group());
            words.extend(
                ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"].map(str::to_owned),
            );
            words.push(group);
            // crun refuses a machine with both versions of control groups.
            let both = Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
            words.extend(both.then(|| "--runtime=runc".to_owned()));
        }
        words
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.daemon = None;
        // Podman mounts its storage on itself, and leaves it so.
        let _ = umount2(&self.state.join("podman/overlay"), MntFlags::MNT_DETACH);
        let _ = umount2(&self.short.join("run/overlay"), MntFlags::MNT_DETACH);
    }
}
