//! The container runtimes: their command lines, and a place where all can run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use isolab_oci::cgroup;
use isolab_oci::sys::process::effective_ids;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::bundle::{Bundle, PROGRAM};
use crate::contestant::{Contestant, Race, Role, State, Target, Turn};
use crate::equal::{Held, Inspection};
use crate::{find_program, podman};

/// The race of the container runtimes.
pub(crate) fn race(scratch: &Path) -> Result<Race> {
    let bundle = Bundle::write(&scratch.join("bundle"))?;
    let isorun = build_isorun()?;
    let crun = find_program("crun");
    let mut notes = Vec::new();
    if crun.is_some() && leave_hybrid_mode()? {
        notes.push(
            "crun refuses hosts where version 2 of control groups is mounted beside version 1: all \
             contestants run where it is not"
                .to_owned(),
        );
    }
    let mut contestants = vec![runtime("isorun", Role::Ours, &isorun, &bundle, scratch)];
    for (name, path) in [("crun", crun), ("runc", find_program("runc"))] {
        contestants.extend(path.map(|path| runtime(name, Role::Peer, &path, &bundle, scratch)));
    }
    if let Some(path) = find_program("bwrap") {
        let root = bundle.root.clone();
        let command = move |_: &Turn| bubblewrap(&path, &root, "exit");
        contestants.push(
            Contestant::new("bwrap", Role::Peer, version("bwrap"), command).noting(
                "makes the same namespaces, but knows no bundle and joins no control group",
            ),
        );
    }
    if let Some(path) = find_program("podman") {
        let (root, home) = (bundle.root.clone(), podman::Home::new()?);
        let command = move |turn: &Turn| home.run(&path, &root, &turn.id);
        contestants.push(
            Contestant::new("podman", Role::Peer, version("podman"), command)
                .noting("an engine: keeps books, starts a monitor, and has a runtime do this work"),
        );
    }
    let program = bundle.root.join("true");
    contestants.push(Contestant::new(
        "no container",
        Role::Floor,
        String::new(),
        move |_| with(&program, ["exit"]),
    ));
    let at_most = |state, at_most| Target {
        peer: "crun",
        state,
        at_most,
    };
    Ok(Race {
        name: "containers",
        about: "`run` of a static program that exits at once, from just before the runtime is \
                spawned until it is reaped",
        contestants,
        targets: vec![at_most(State::Hot, 0.40), at_most(State::Cold, 0.15)],
        inspection: Some(Inspection::new(bundle, held)),
        notes,
        scratch: scratch.to_owned(),
    })
}

/// How to start the named contestant so that it can be looked at; `None` for
/// those that are not held to the bundle.
fn held(name: &str, bundle: &Bundle, turn: &Turn) -> Option<Held> {
    let path = match name {
        "isorun" => beside_isolab(),
        _ => find_program(name)?,
    };
    let command = match name {
        "isorun" | "crun" | "runc" => oci(&path, &bundle.held, &turn.dir, &turn.id),
        "bwrap" => bubblewrap(&path, &bundle.root, "hold"),
        _ => return None,
    };
    Some(Held {
        command,
        program: bundle.root.join("true"),
    })
}

fn runtime(
    name: &'static str,
    role: Role,
    path: &Path,
    bundle: &Bundle,
    scratch: &Path,
) -> Contestant {
    let version = first_line(path);
    let (path, place, state) = (path.to_owned(), bundle.timed.clone(), scratch.join("state"));
    Contestant::new(name, role, version, move |turn| {
        oci(&path, &place, &state, &turn.id)
    })
}

/// `RUNTIME run`. As root each keeps its state where it always does, which is in
/// memory; an ordinary user may not have such a place.
fn oci(path: &Path, bundle: &Path, state: &Path, id: &str) -> Command {
    let mut command = Command::new(path);
    if effective_ids().0 != 0 && !path.ends_with("isorun") {
        command.arg("--root").arg(state);
    }
    command.args(["run", "--bundle"]).arg(bundle).arg(id);
    command
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

/// Unmounts version 2 of control groups for this process and its children alone,
/// where it stands beside version 1 and crun refuses to work; whether it did.
fn leave_hybrid_mode() -> Result<bool> {
    let hierarchies = cgroup::discover().unwrap_or_default();
    let unified = hierarchies
        .iter()
        .find(|h| h.version == cgroup::Version::V2);
    let (Some(unified), true) = (unified, hierarchies.len() > 1) else {
        return Ok(false);
    };
    if effective_ids().0 != 0 {
        return Ok(false);
    }
    unshare(CloneFlags::CLONE_NEWNS).context("cannot leave the host's mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot keep mounts from the host")?;
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
    number.or(words.last()).unwrap_or_default().to_owned()
}
