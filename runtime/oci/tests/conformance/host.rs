//! What the host has, found out without any code of the runtime under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A mounted hierarchy of control groups.
struct Hierarchy {
    mount_point: PathBuf,
    /// The super block's options: the controllers are among them. None is version 2.
    options: Option<Vec<String>>,
}

static HIERARCHIES: LazyLock<Vec<Hierarchy>> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter_map(hierarchy).collect()
});

/// One line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let (mount, rest) = line.split_once(" - ")?;
    let mount_point = PathBuf::from(mount.split(' ').nth(4)?);
    let mut rest = rest.split(' ');
    let (kind, options) = (rest.next()?, rest.nth(1)?);
    let options = match kind {
        "cgroup" => Some(options.split(',').map(str::to_owned).collect()),
        "cgroup2" => None,
        _ => return None,
    };
    Some(Hierarchy {
        mount_point,
        options,
    })
}

/// Where version 2 is mounted, if it is alone.
pub(crate) fn unified() -> Option<&'static Path> {
    let second = HIERARCHIES.iter().find(|h| h.options.is_none())?;
    let alone = HIERARCHIES.iter().all(|h| h.options.is_none());
    alone.then_some(&*second.mount_point)
}

/// Where version 2 is mounted beside version 1.
pub(crate) fn unified_beside_v1() -> Option<&'static Path> {
    let second = HIERARCHIES.iter().find(|h| h.options.is_none())?;
    let alone = HIERARCHIES.iter().all(|h| h.options.is_none());
    (!alone).then_some(&*second.mount_point)
}

/// The directories named `path` below the mount point of every hierarchy.
pub(crate) fn groups(path: &str) -> Vec<PathBuf> {
    let path = path.trim_start_matches('/');
    let below = |h: &Hierarchy| h.mount_point.join(path);
    HIERARCHIES
        .iter()
        .map(below)
        .filter(|directory| directory.is_dir())
        .collect()
}

/// The namespace of `pid`, as in `net:[4026531840]`.
pub(crate) fn namespace(pid: &str, kind: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    link.unwrap_or_else(|error| panic!("/proc/{pid}/ns/{kind}: {error}"))
        .to_string_lossy()
        .into_owned()
}

/// A field of `/proc/PID/status`.
pub(crate) fn status_field(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.strip_prefix(':')?.trim().to_owned())
}

/// Whether `pid` has ended, whether or not its parent has noticed.
pub(crate) fn has_ended(pid: u32) -> bool {
    status_field(pid, "State").is_none_or(|state| state.starts_with(['Z', 'X']))
}
/// Where a controller of version 1 is mounted.
pub(crate) fn controller(name: &str) -> Option<&'static Path> {
    let has = |h: &&Hierarchy| {
        h.options
            .as_ref()
            .is_some_and(|o| o.iter().any(|o| o == name))
    };
    HIERARCHIES.iter().find(has).map(|h| &*h.mount_point)
}

/// The group of `pid` in the hierarchy of `controller`, from that one's mount
/// point; the empty name is version 2.
pub(crate) fn group_of(pid: u32, controller: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then(|| path.to_owned())
    })
}
