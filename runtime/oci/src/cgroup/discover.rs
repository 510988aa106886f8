//! Finds the hierarchies that this process can see, and its place in each.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::procfs;

/// Which of the kernel's two interfaces a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// One tree for each controller.
    V1,
    /// One tree for all.
    V2,
}

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Version 1 or 2.
    pub version: Version,
    /// The controllers of a version 1 hierarchy, or its name as in `name=systemd`.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The directory of this process's own group in it.
    pub own: PathBuf,
}

impl Hierarchy {
    /// The last component of the mount point: how a container will know it.
    pub(crate) fn name(&self) -> &str {
        self.mount_point
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or("cgroup")
    }
}

/// The hierarchies that are mounted here and contain this process.
///
/// # Errors
/// [`Error::Read`] where /proc is not mounted.
pub fn discover() -> Result<Vec<Hierarchy>> {
    let Ok(membership) = read("/proc/self/cgroup") else {
        return Ok(Vec::new()); // a kernel without control groups
    };
    let path = "/proc/self/mountinfo";
    let mounts = read(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })?;
    Ok(combine(&membership, &mounts))
}

/// Reads a file of procfs. Such a file has no size to go by, so the buffer
/// starts large: the kernel makes the text anew for every read.
///
/// Somebody's mount may have a name that is no UTF-8: a hierarchy below it is
/// not found then, and all others are.
fn read(path: &str) -> std::io::Result<String> {
    let mut text = Vec::with_capacity(16 * 1024);
    std::fs::File::open(path)?.read_to_end(&mut text)?;
    Ok(String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Joins the two files: each mount of type cgroup or cgroup2 with the line of
/// the membership that has its controllers.
fn combine(membership: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for mount in mountinfo.lines().filter_map(Mount::parse) {
        let place = membership.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            Some((controllers, path))
        });
        let Some((controllers, path)) = place
            .into_iter()
            .find(|(controllers, _)| mount.holds(controllers))
        else {
            continue;
        };
        // A bind mount may show only a part of the tree; a process outside of
        // that part (`/../x`) has no directory here.
        let Ok(below) = Path::new(path).strip_prefix(&mount.root) else {
            continue;
        };
        if below.is_absolute()
            || path.contains("/..")
            || found.iter().any(|h| h.controllers == list(controllers))
        {
            continue;
        }
        found.push(Hierarchy {
            version: mount.version,
            controllers: list(controllers),
            own: join(&mount.mount_point, below),
            mount_point: mount.mount_point,
        });
    }
    found
}

fn list(controllers: &str) -> Vec<String> {
    controllers
        .split(',')
        .filter(|c| !c.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `Path::join` adds a slash for an empty path.
fn join(base: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        base.to_owned()
    } else {
        base.join(below)
    }
}

/// What one line of mountinfo says (`proc_pid_mountinfo(5)`).
struct Mount<'a> {
    version: Version,
    root: PathBuf,
    mount_point: PathBuf,
    super_options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let version = match right.next()? {
            "cgroup" => Version::V1,
            "cgroup2" => Version::V2,
            _ => return None,
        };
        let mut left = left.split(' ').skip(3);
        let path = |field: &str| PathBuf::from(procfs::unescape(field.as_bytes()));
        Some(Self {
            version,
            root: path(left.next()?),
            mount_point: path(left.next()?),
            super_options: right.nth(1)?,
        })
    }

    /// Whether this is the hierarchy that /proc/self/cgroup lists as `controllers`.
    fn holds(&self, controllers: &str) -> bool {
        match self.version {
            Version::V2 => controllers.is_empty(),
            Version::V1 => {
                !controllers.is_empty()
                    && list(controllers)
                        .iter()
                        .all(|c| self.super_options.split(',').any(|o| o == c))
            }
        }
    }
}

/// What the kernel says of the hierarchies, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(membership: &str, mountinfo: &str) {
    for hierarchy in combine(membership, mountinfo) {
        assert!(hierarchy.own.starts_with(&hierarchy.mount_point));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(membership: &str, mountinfo: &str, expected: &[(&str, &str)]) {
        let found = combine(membership, mountinfo);
        let found: Vec<_> = found
            .iter()
            .map(|h| (h.controllers.join(","), h.own.to_str().unwrap().to_owned()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(c, o)| ((*c).to_owned(), (*o).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_unified_host_has_one_hierarchy() {
        check(
            "0::/user.slice/session-1.scope\n",
            "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
            &[("", "/sys/fs/cgroup/user.slice/session-1.scope")],
        );
    }

    #[test]
    fn a_hybrid_host_has_a_hierarchy_for_each_controller_and_the_unified_one() {
        check(
            "2:cpu,cpuacct:/\n1:name=systemd:/a\n0::/b\n",
            "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             33 31 0:30 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
             34 31 0:31 / /cg/unified rw - cgroup2 cgroup2 rw\n",
            &[
                ("cpu,cpuacct", "/cg/cpu,cpuacct"),
                ("name=systemd", "/cg/systemd/a"),
                ("", "/cg/unified/b"),
            ],
        );
    }

    #[test]
    fn a_mount_of_a_part_of_the_tree_is_entered_relative_to_its_root() {
        check(
            "1:pids:/docker/abc/child\n",
            "32 31 0:29 /docker/abc /cg/pids ro - cgroup cgroup rw,pids\n",
            &[("pids", "/cg/pids/child")],
        );
    }

    #[test]
    fn a_foreign_mount_is_left_out_and_is_no_error() {
        check(
            "1:pids:/elsewhere\n0::/../outside\n",
            "32 31 0:29 /docker/abc /cg/pids rw - cgroup cgroup rw,pids\n\
             33 31 0:29 / /cg/unified rw - cgroup2 cgroup2 rw\n\
             garbage\n\
             34 31 0:50 / /cg/odd rw - cgroup cgroup rw,unknown\n\
             35 31 0:51  /cg/rootless rw - cgroup cgroup rw,pids\n",
            &[],
        );
    }
    #[test]
    fn somebody_elses_mount_of_any_name_hides_no_hierarchy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let table = b"29 22 0:26 / /a\xff rw - tmpfs tmpfs rw\n\
             30 22 0:27 / /\xc3\xa9\\040b rw - cgroup2 cgroup2 rw\n";
        std::fs::write(file.path(), table).unwrap();
        let mountinfo = read(file.path().to_str().unwrap()).unwrap();
        check("0::/c\n", &mountinfo, &[("", "/\u{e9} b/c")]);
    }
}
