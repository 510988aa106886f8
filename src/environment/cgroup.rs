//! Which cgroup hierarchies there are, and where in each this process sits.
//!
//! Found through `/proc/self/cgroup` and the mount table, never by a fixed
//! path: `/sys/fs/cgroup` holds v2 on one machine, nine v1 hierarchies on
//! another, and in a container the part of the tree that one may see.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::mounts::Mount;

/// How a machine mounts its cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// None are mounted where this process could see them.
    None,
    /// Version 1 alone.
    V1,
    /// Version 1 with the controllers, and version 2 beside it.
    Hybrid,
    /// Version 2 alone, as on every distribution since about 2021.
    V2,
}

impl Mode {
    /// The word used in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One mounted hierarchy and this process's place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hierarchy {
    /// 1 or 2.
    pub version: u8,
    /// The controllers bound to a v1 hierarchy (`name=systemd` among them);
    /// empty for v2, whose controllers are listed in each directory.
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mount_point: PathBuf,
    /// The directory of this process's own cgroup; `None` if it lies outside
    /// what is mounted here.
    pub own: Option<PathBuf>,
    /// Mounted so that nothing can be written.
    pub read_only: bool,
}

/// Every hierarchy of `/proc/self/cgroup` that is mounted.
///
/// Source: `cgroups(7)`, section `/proc files`.
#[must_use]
pub fn hierarchies(proc_self_cgroup: &str, mounts: &[Mount]) -> Vec<Hierarchy> {
    proc_self_cgroup
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let controllers: Vec<String> = controllers
                .split(',')
                .filter(|c| !c.is_empty())
                .map(str::to_owned)
                .collect();
            // The last of several mounts is as good as any, and on top.
            let mount = mounts.iter().rev().find(|m| binds(m, &controllers))?;
            Some(Hierarchy {
                version: if controllers.is_empty() { 2 } else { 1 },
                controllers,
                own: beneath(mount, Path::new(path)),
                mount_point: mount.point.clone(),
                read_only: mount.read_only(),
            })
        })
        .collect()
}

/// Whether a mount is that of the hierarchy with these controllers.
fn binds(mount: &Mount, controllers: &[String]) -> bool {
    if controllers.is_empty() {
        return mount.fstype == "cgroup2";
    }
    mount.fstype == "cgroup" && controllers.iter().all(|c| mount.super_options.contains(c))
}

/// A cgroup's directory under a mount that may show only part of the tree.
fn beneath(mount: &Mount, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(&mount.root).ok()?;
    let climbs = below.components().any(|c| c.as_os_str() == "..");
    (!climbs).then(|| {
        if below.as_os_str().is_empty() {
            mount.point.clone()
        } else {
            mount.point.join(below)
        }
    })
}

/// What the hierarchies amount to.
#[must_use]
pub fn mode(hierarchies: &[Hierarchy]) -> Mode {
    let has = |version| hierarchies.iter().any(|h| h.version == version);
    match (has(1), has(2)) {
        (false, false) => Mode::None,
        (true, false) => Mode::V1,
        (true, true) => Mode::Hybrid,
        (false, true) => Mode::V2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mounts::parse;
    use super::*;

    fn check(cgroup: &str, mountinfo: &str, expected: Mode, own: Option<&str>) {
        let found = hierarchies(cgroup, &parse(mountinfo));
        assert_eq!(mode(&found), expected);
        let first = found.first().and_then(|h| h.own.as_deref());
        assert_eq!(first, own.map(Path::new));
    }

    #[test]
    fn a_login_session_on_v2_is_found_under_the_mount() {
        check(
            "0::/user.slice/user-1000.slice/session-2.scope\n",
            "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate",
            Mode::V2,
            Some("/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope"),
        );
    }

    #[test]
    fn a_v2_that_is_named_but_not_mounted_is_not_there() {
        check(
            "1:memory:/\n0::/\n",
            "32 31 0:29 / /cg/mem rw - cgroup cgroup rw,memory",
            Mode::V1,
            Some("/cg/mem"),
        );
        check("0::/\n", "", Mode::None, None);
    }

    #[test]
    fn v1_with_v2_beside_it_is_hybrid() {
        check(
            "4:cpu,cpuacct:/a\n0::/\n",
            "32 31 0:29 / /x/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             41 31 0:38 / /x/unified rw - cgroup2 cgroup2 rw",
            Mode::Hybrid,
            Some("/x/cpu,cpuacct/a"),
        );
    }

    #[test]
    fn the_mounted_part_of_the_tree_is_taken_off_the_path() {
        check(
            "3:pids:/docker/abc/inner\n",
            "32 31 0:29 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids",
            Mode::V1,
            Some("/sys/fs/cgroup/pids/inner"),
        );
    }

    #[test]
    fn a_cgroup_outside_the_namespace_has_no_directory() {
        let outside = "0::/../../other\n";
        check(
            outside,
            "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
            Mode::V2,
            None,
        );
    }
}
