//! Making a cgroup and moving into it, in each hierarchy that is mounted.
//!
//! Writing rights on a directory prove little: the kernel also wants them on
//! the common ancestor of where a process comes from and where it goes. So the
//! probe moves itself there and back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::probe::{At as _, Probed, Stop};
use super::stage::Step;
use crate::environment::cgroup::{Hierarchy, Mode, hierarchies, mode};
use crate::environment::{mounts, read};

/// Makes a cgroup below our own, or below an ancestor that is ours, and enters
/// it. On v1 a container needs every controller that limits it; a hierarchy
/// named by none (systemd's) is left alone.
pub(super) fn make_and_enter() -> Probed {
    let mounted = mounts::parse(&read("/proc/self/mountinfo"));
    let found = hierarchies(&read("/proc/self/cgroup"), &mounted);
    match mode(&found) {
        Mode::None => Err(Stop::without_errno(
            Step::CgroupFind,
            "no cgroup is mounted",
        )),
        Mode::V2 => {
            let place = enter_below(&found[0])?;
            let controllers = read(place.join("cgroup.controllers"));
            let controllers = controllers.trim();
            Ok(if controllers.is_empty() {
                "v2, delegated without controllers".to_owned()
            } else {
                format!("v2, delegated: {controllers}")
            })
        }
        Mode::V1 | Mode::Hybrid => {
            let mut entered = Vec::new();
            for hierarchy in found.iter().filter(|h| limits(h)) {
                enter_below(hierarchy)?;
                entered.push(hierarchy.controllers.join(","));
            }
            Ok(format!("{}, writable: {}", mode(&found), entered.join(" ")))
        }
    }
}

fn limits(hierarchy: &Hierarchy) -> bool {
    hierarchy.version == 1 && !hierarchy.controllers.iter().any(|c| c.starts_with("name="))
}

/// Enters a new cgroup below our own or the nearest ancestor that lets us, and
/// returns that ancestor. The first refusal is the one reported: it is that of
/// our own cgroup.
fn enter_below(hierarchy: &Hierarchy) -> Result<PathBuf, Stop> {
    let what = || match hierarchy.version {
        2 => "v2".to_owned(),
        _ => hierarchy.controllers.join(","),
    };
    let Some(own) = &hierarchy.own else {
        return Err(Stop::without_errno(Step::CgroupFind, what()));
    };
    let mut first = None;
    let within = own
        .ancestors()
        .take_while(|d| d.starts_with(&hierarchy.mount_point));
    for directory in within {
        match there_and_back(directory, own, hierarchy.version) {
            Ok(()) => return Ok(directory.to_owned()),
            Err(stop) => drop(first.get_or_insert(stop)),
        }
    }
    Err(first.unwrap_or_else(|| Stop::without_errno(Step::CgroupFind, what())))
}

fn there_and_back(parent: &Path, own: &Path, version: u8) -> Result<(), Stop> {
    let made = parent.join(isolab_oci::cgroup::owned_name());
    fs::create_dir(&made).at(Step::CgroupMake, parent.display().to_string())?;
    inherit_cpuset(parent, &made);
    let moved = enter(&made, version);
    if moved.is_ok() {
        // A cgroup with a process in it cannot be removed.
        let _ = enter(own, version);
    }
    let _ = fs::remove_dir(&made);
    moved.at(Step::CgroupMove, parent.display().to_string())
}

/// A new cpuset of v1 has no processor and no memory, and takes no process
/// (`ENOSPC`) before it is given its parent's. Elsewhere there are no such files.
fn inherit_cpuset(parent: &Path, made: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(set) = fs::read(parent.join(file)) {
            let _ = fs::write(made.join(file), set);
        }
    }
}

/// `0` means the writer. On v1 `tasks` moves one thread without waiting for an
/// RCU grace period, and this process has but one.
fn enter(directory: &Path, version: u8) -> io::Result<()> {
    let file = if version == 1 {
        "tasks"
    } else {
        "cgroup.procs"
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(directory.join(file))?;
    io::Write::write_all(&mut file, b"0")
}
