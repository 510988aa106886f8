//! The container runtimes: their command lines, and a place where all can run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use isolab_oci::cgroup;
use isolab_oci::sys::process::effective_ids;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::bundle::{Bundle, PROGRAM};
use crate::contestant::{Contestant, Race, Role, State, Target, Turn};
use crate::equal::{Held, Inspection};
use crate::{find_program, lives, loads, podman, trial};

/// A runtime that is installed.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) version: String,
    path: PathBuf,
    /// Where an ordinary user's keeps its state: there may be no usual place.
    state: Option<PathBuf>,
}

impl Runtime {
    fn new(name: &'static str, role: Role, path: PathBuf, scratch: &Path) -> Self {
        Self {
            name,
            role,
            version: first_line(&path),
            path,
            state: (effective_ids().0 != 0).then(|| scratch.join("state")),
        }
    }

    /// `RUNTIME VERB ARGUMENT...`. As root each keeps its state where it always
    /// does, below /run, which is in memory on most machines.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(state) = &self.state {
            command.arg("--root").arg(state);
        }
        command.args(arguments);
        command
    }

    /// `RUNTIME VERB --bundle BUNDLE ID`.
    pub(crate) fn command_of(&self, verb: &str, bundle: &Path, id: &str) -> Command {
        let mut command = self.command(&[verb, "--bundle"]);
        command.arg(bundle).arg(id);
        command
    }

    /// `RUNTIME create`, which leaves the number of the container's process in a file.
    pub(crate) fn create_with_pid_file(&self, bundle: &Path, id: &str, file: &Path) -> Command {
        let mut command = self.command(&["create", "--pid-file"]);
        command.arg(file).arg("--bundle").arg(bundle).arg(id);
        command
    }

    /// A contestant whose trial is one command.
    pub(crate) fn contestant(
        &self,
        command: impl Fn(&Self, &Turn) -> Command + 'static,
    ) -> Contestant {
        let own = self.clone();
        let version = self.version.clone();
        Contestant::new(self.name, self.role, version, move |turn| {
            command(&own, turn)
        })
    }
}

/// What all races of the container runtimes have in common.
pub(crate) struct Field {
    pub(crate) bundle: Bundle,
    /// Ours first.
    pub(crate) runtimes: Vec<Runtime>,
    pub(crate) notes: Vec<String>,
    pub(crate) scratch: PathBuf,
}

impl Field {
    /// Builds ours and finds the others.
    pub(crate) fn find(scratch: &Path, own_mounts: bool) -> Result<Self> {
        let bundle = Bundle::write(&scratch.join("bundle"))?;
        let isorun = build_isorun()?;
        let crun = find_program("crun");
        let mut notes = Vec::new();
        if crun.is_some() && own_mounts && leave_hybrid_mode()? {
            notes.push(
                "crun refuses hosts where version 2 of control groups is mounted beside version \
                 1: all contestants run where it is not"
                    .to_owned(),
            );
        }
        let mut runtimes = vec![Runtime::new("isorun", Role::Ours, isorun, scratch)];
        for (name, path) in [("crun", crun), ("runc", find_program("runc"))] {
            runtimes.extend(path.map(|path| Runtime::new(name, Role::Peer, path, scratch)));
        }
        Ok(Self {
            bundle,
            runtimes,
            notes,
            scratch: scratch.to_owned(),
        })
    }

    pub(crate) fn ours(&self) -> &Runtime {
        &self.runtimes[0]
    }

    /// A race that needs no inspection of its own.
    pub(crate) fn race(
        &self,
        name: &'static str,
        about: &'static str,
        contestants: Vec<Contestant>,
        targets: Vec<Target>,
    ) -> Race {
        Race {
            name,
            about,
            contestants,
            targets,
            inspection: None,
            notes: self.notes.clone(),
            scratch: self.scratch.clone(),
            crowd: None,
            weighs: false,
            turn: &trial::TURN,
        }
    }
}

/// The same bound, hot and cold.
pub(crate) fn at_most(peer: &'static str, at_most: f64) -> Vec<Target> {
    let target = |state| Target {
        peer,
        state,
        at_most,
    };
    State::ALL.map(target).into()
}

/// What a start is to reach.
pub(crate) fn start_targets() -> Vec<Target> {
    let target = |state, at_most| Target {
        peer: "crun",
        state,
        at_most,
    };
    vec![target(State::Hot, 0.40), target(State::Cold, 0.15)]
}

/// The races of the container runtimes.
pub(crate) fn races(field: &Field) -> Result<Vec<Race>> {
    let mut races = vec![run(field)?];
    races.extend(lives::races(field)?);
    races.extend(loads::races(field)?);
    Ok(races)
}

/// `run`, beside everything that does as much and the kernel alone.
fn run(field: &Field) -> Result<Race> {
    let timed = field.bundle.timed.clone();
    let mut contestants: Vec<Contestant> = field
        .runtimes
        .iter()
        .map(|runtime| {
            let timed = timed.clone();
            runtime.contestant(move |own, turn| own.command_of("run", &timed, &turn.id))
        })
        .collect();
    if let Some(path) = find_program("bwrap") {
        let root = field.bundle.root.clone();
        let command = move |_: &Turn| bubblewrap(&path, &root, "exit");
        contestants.push(
            Contestant::new("bwrap", Role::Peer, version("bwrap"), command).noting(
                "makes the same namespaces, but knows no bundle and joins no control group",
            ),
        );
    }
    if let Some(path) = find_program("podman") {
        let (root, home) = (field.bundle.root.clone(), podman::Home::new()?);
        let command = move |turn: &Turn| home.run(&path, &root, &turn.id);
        contestants.push(
            Contestant::new("podman", Role::Peer, version("podman"), command)
                .noting("an engine: keeps books, starts a monitor, and has a runtime do this work"),
        );
    }
    contestants.extend(floors(field)?);
    let mut targets = start_targets();
    targets.extend(at_most(FLOOR, 1.5));
    let mut race = field.race(
        "containers: run",
        "`run` of a static program that exits at once, from just before the runtime is spawned \
         until it is reaped",
        contestants,
        targets,
    );
    race.inspection = Some(Inspection::new(field.bundle.clone(), held));
    Ok(race)
}

/// The kernel's floor, and the start of a program that does nothing.
const FLOOR: &str = "the kernel's floor";

/// What nobody goes below: the kernel's part of the same container, and no
/// container at all.
fn floors(field: &Field) -> Result<Vec<Contestant>> {
    let program = field.bundle.root.join("true");
    let none = Contestant::new("no container", Role::Floor, String::new(), move |_| {
        with(&program, ["exit"])
    });
    Ok(match effective_ids().0 {
        0 => vec![floor(field)?, none],
        _ => vec![none], // it makes device nodes
    })
}

/// The kernel's part of the container, and the start of an empty program.
pub(crate) fn floor(field: &Field) -> Result<Contestant> {
    let place = |name: &str, program: &[u8]| -> Result<PathBuf> {
        let path = field.scratch.join(name);
        fs::write(&path, program)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    };
    let floor = place("floor", include_bytes!(concat!(env!("OUT_DIR"), "/floor")))?;
    let empty = place("empty", include_bytes!(concat!(env!("OUT_DIR"), "/empty")))?;
    let root = field.bundle.root.clone();
    let commands = move |turn: &Turn| vec![kernel(&floor, &root, &turn.id), Command::new(&empty)];
    Ok(
        Contestant::of_several(FLOOR, Role::Limit, String::new(), commands).noting(
            "the kernel's part of the same container, made by a program without any library, and \
             then an empty program of the C library that isorun has",
        ),
    )
}

/// The command of the program of workload/floor.rs.
fn kernel(floor: &Path, root: &Path, id: &str) -> Command {
    let mut command = Command::new(floor);
    command.arg(root);
    let hierarchies = cgroup::discover().unwrap_or_default();
    let is_v2 = |h: &&cgroup::Hierarchy| h.version == cgroup::Version::V2;
    match hierarchies.iter().find(is_v2) {
        Some(unified) if hierarchies.len() == 1 => command.arg(unified.own.join(id)),
        _ => command.arg("-"),
    };
    for hierarchy in hierarchies.iter().filter(|h| !is_v2(h)) {
        command.arg(hierarchy.own.join(id));
    }
    command
}

/// How to start the named contestant so that it can be looked at; `None` for
/// those that are not held to the bundle.
fn held(name: &str, bundle: &Bundle, turn: &Turn) -> Option<Held> {
    let path = match name {
        "isorun" => beside_isolab(),
        _ => find_program(name)?,
    };
    let command = match name {
        "isorun" | "crun" | "runc" => {
            let runtime = Runtime::new("", Role::Peer, path, &turn.dir);
            runtime.command_of("run", &bundle.held, &turn.id)
        }
        "bwrap" => bubblewrap(&path, &bundle.root, "hold"),
        _ => return None,
    };
    Some(Held {
        command,
        program: bundle.root.join("true"),
    })
}

/// The same namespaces and, as far as it can, the same mounts.
fn bubblewrap(path: &Path, root: &Path, argument: &str) -> Command {
    let mut command = Command::new(path);
    command
        .args([
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
        ])
        .args([
            "--as-pid-1",
            "--new-session",
            "--hostname",
            "bwrap",
            "--cap-drop",
            "ALL",
        ])
        .arg("--ro-bind")
        .arg(root)
        .arg("/")
        .args([
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--mqueue",
            "/dev/mqueue",
        ])
        .args(["--ro-bind", "/sys", "/sys", "--tmpfs", "/sys/firmware"])
        .args(["--ro-bind", "/dev/null", "/proc/keys"])
        .args(["--ro-bind", "/dev/null", "/proc/timer_list"])
        .args(["--clearenv", PROGRAM, argument]);
    command
}

/// Has mounts of this process and its children stay with them, for all races alike;
/// whether it may.
pub(crate) fn keep_mounts() -> Result<bool> {
    if effective_ids().0 != 0 {
        return Ok(false);
    }
    unshare(CloneFlags::CLONE_NEWNS).context("cannot leave the host's mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot keep mounts from the host")?;
    Ok(true)
}

/// Unmounts version 2 of control groups, where it stands beside version 1 and crun
/// refuses to work; whether it did.
fn leave_hybrid_mode() -> Result<bool> {
    let hierarchies = cgroup::discover().unwrap_or_default();
    let unified = hierarchies
        .iter()
        .find(|h| h.version == cgroup::Version::V2);
    let (Some(unified), true) = (unified, hierarchies.len() > 1) else {
        return Ok(false);
    };
    umount2(&unified.mount_point, MntFlags::MNT_DETACH)
        .with_context(|| format!("cannot unmount {}", unified.mount_point.display()))?;
    Ok(true)
}

/// Builds `isorun` as it is in the source now; cargo makes it no dependency of
/// this bench, since it is another package's.
fn build_isorun() -> Result<PathBuf> {
    let isorun = beside_isolab();
    let arguments = [
        "build",
        "--release",
        "--quiet",
        "-p",
        "isolab-oci",
        "--bin",
        "isorun",
    ];
    let built = env::var_os("CARGO").is_some_and(|cargo| {
        let mut command = with(Path::new(&cargo), arguments);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.status().is_ok_and(|status| status.success())
    });
    ensure!(
        isorun.is_file(),
        "there is no {}: `cargo {}` builds it",
        isorun.display(),
        arguments.join(" ")
    );
    if !built {
        eprintln!(
            "warning: {} was not built anew: it may be old",
            isorun.display()
        );
    }
    Ok(isorun)
}

fn beside_isolab() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_isolab")).with_file_name("isorun")
}

fn with<const N: usize>(program: &Path, arguments: [&str; N]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn version(name: &str) -> String {
    find_program(name).map_or_else(String::new, |path| first_line(&path))
}

/// The last word of the first line of `--version`.
pub(crate) fn first_line(path: &Path) -> String {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let words = line.split_whitespace();
    let number = words
        .clone()
        .find(|w| w.starts_with(|c: char| c.is_ascii_digit()));
    let number = number.or(words.last()).unwrap_or_default();
    number.trim_end_matches(',').to_owned()
}
