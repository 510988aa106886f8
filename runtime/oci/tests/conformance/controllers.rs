//! Controllers of control groups: what is here, of which version, and what their
//! files say.

use std::fs;

use crate::case::Container;
use crate::subject::Subject;
use crate::{Need, host, root};

/// Root, and a controller: of version 1, or enabled in version 2.
fn with(subject: Subject, controller: &str) -> Need {
    root(subject)?;
    if host::controller(controller).is_some() {
        return Ok(());
    }
    let enabled = host::unified().map(|mount| fs::read_to_string(mount.join("cgroup.controllers")));
    match enabled {
        Some(Ok(list)) if list.split_whitespace().any(|name| name == controller) => Ok(()),
        _ => Err(format!("there is no controller `{controller}` here")),
    }
}

/// Root, and a file that the groups of a controller of version 1 have, or those
/// of version 2.
fn file(subject: Subject, controller: &str, first: &str, second: &str) -> Need {
    with(subject, controller)?;
    let has = match (host::controller(controller), host::unified()) {
        (Some(mount), _) => mount.join(first).exists(),
        // The root of version 2 has no limits; a group below it may.
        (None, Some(_)) => !second.is_empty(),
        (None, None) => false,
    };
    has.then_some(())
        .ok_or_else(|| format!("the kernel has no {first} here"))
}

pub(crate) fn memory(subject: Subject) -> Need {
    with(subject, "memory")
}

pub(crate) fn memory_v1(subject: Subject) -> Need {
    root(subject)?;
    host::controller("memory")
        .map(drop)
        .ok_or_else(|| "version 2 has no such files".to_owned())
}

pub(crate) fn cpu(subject: Subject) -> Need {
    with(subject, "cpu")
}

pub(crate) fn burst(subject: Subject) -> Need {
    // The root of version 1 has no quota: a group has.
    let group = host::controller("cpu").map(|mount| mount.join("conformance-burst-probe"));
    let has = group.map(|group| {
        let _ = fs::create_dir(&group);
        let has = group.join("cpu.cfs_burst_us").exists();
        let _ = fs::remove_dir(&group);
        has
    });
    cpu(subject)?;
    has.unwrap_or(true)
        .then_some(())
        .ok_or_else(|| "the kernel has no cpu.cfs_burst_us".to_owned())
}

pub(crate) fn idle(subject: Subject) -> Need {
    file(subject, "cpu", "cpu.idle", "cpu.idle").or_else(|_| {
        cpu(subject)?;
        Err("the kernel has no cpu.idle at the root, and asks nothing below".to_owned())
    })
}

pub(crate) fn real_time(subject: Subject) -> Need {
    file(subject, "cpu", "cpu.rt_runtime_us", "")
}

pub(crate) fn cpuset(subject: Subject) -> Need {
    with(subject, "cpuset")
}

pub(crate) fn pids(subject: Subject) -> Need {
    with(subject, "pids")
}

pub(crate) fn block_device(subject: Subject) -> Need {
    with(subject, "blkio").or_else(|_| with(subject, "io"))?;
    device()
        .map(drop)
        .ok_or_else(|| "there is no block device".to_owned())
}

pub(crate) fn weight(subject: Subject) -> Need {
    file(subject, "blkio", "blkio.bfq.weight", "io.bfq.weight")
        .or_else(|_| file(subject, "blkio", "blkio.weight", "io.weight"))
}

pub(crate) fn huge_pages(subject: Subject) -> Need {
    with(subject, "hugetlb")
}

pub(crate) fn net_class(subject: Subject) -> Need {
    with(subject, "net_cls")
}

/// Root; version 1 has a controller, version 2 a program.
pub(crate) fn devices(subject: Subject) -> Need {
    root(subject)?;
    if host::unified().is_some() {
        return Ok(());
    }
    with(subject, "devices")
}

pub(crate) fn second(subject: Subject) -> Need {
    root(subject)?;
    host::unified()
        .map(drop)
        .ok_or_else(|| "version 1 has the controllers here".to_owned())
}

/// A file of the container's group: version 1's, or version 2's.
pub(crate) fn read(
    container: &Container<'_>,
    controller: &str,
    first: &str,
    second: &str,
) -> String {
    let path = match (host::controller(controller), host::unified()) {
        (Some(mount), _) => {
            let group = host::group_of(container.pid, controller).unwrap();
            mount.join(group.trim_start_matches('/')).join(first)
        }
        (None, Some(mount)) => {
            let group = host::group_of(container.pid, "").unwrap();
            mount.join(group.trim_start_matches('/')).join(second)
        }
        (None, None) => panic!("no {controller}"),
    };
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

/// The controllers that are mounted, or version 2's empty name.
pub(crate) fn controllers() -> Vec<&'static str> {
    if host::unified().is_some() {
        return vec![""];
    }
    let all = [
        "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
    ];
    all.into_iter()
        .filter(|name| host::controller(name).is_some())
        .collect()
}

/// The numbers of a block device of the host that is a whole disk.
pub(crate) fn device() -> Option<(u32, u32)> {
    let mut disks: Vec<_> = fs::read_dir("/sys/block").ok()?.flatten().collect();
    disks.sort_by_key(fs::DirEntry::file_name);
    disks.iter().find_map(|disk| {
        let numbers = fs::read_to_string(disk.path().join("dev")).ok()?;
        let (major, minor) = numbers.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}
