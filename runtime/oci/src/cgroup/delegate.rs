//! Version 2: the controllers are handed down from the root of the tree to
//! the group above the container's, or its files do not exist.
//!
//! The kernel's rules ("no internal processes"): apart from the real root, a
//! group that holds processes hands nothing down, and a user may write only
//! where the tree was delegated.
//!
//! Source: the kernel's `admin-guide/cgroup-v2.rst`, "Controlling Controllers".

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::discover::{Hierarchy, Version};

/// The group that did not hand a controller down, and the kernel's answer.
#[derive(Debug)]
pub(super) struct Refusal {
    group: PathBuf,
    source: io::Error,
}

impl Refusal {
    /// What to do to get `controller`.
    pub(super) fn remedy(&self, controller: &str) -> String {
        let group = self.group.display();
        match self.source.raw_os_error() {
            Some(libc::EBUSY) => format!(
                "{group} holds processes itself, and such a group hands no controller down: move \
                 them into a group below it, or give linux.cgroupsPath below a group without any"
            ),
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => format!(
                "{group} is not this user's: let systemd delegate the {controller} controller \
                 (`Delegate=yes` for user@.service)"
            ),
            Some(libc::EINVAL) => format!(
                "{group} cannot hand {controller} down: it is threaded, or real-time processes are in it"
            ),
            _ => format!("{group} does not hand {controller} down: {}", self.source),
        }
    }
}

/// Hands every controller that there is down to the groups below the parent of
/// `directory`. The first refusal is returned: it explains why a file is missing.
pub(super) fn hand_down(mount_point: &Path, directory: &Path) -> Option<Refusal> {
    let parent = directory.parent()?;
    let below = parent.strip_prefix(mount_point).ok()?;
    let offered = words(&mount_point.join("cgroup.controllers"));
    if offered.is_empty() || missing(&offered, parent).is_empty() {
        return None; // beside version 1 it has none; and usually this was done before
    }
    let mut at = mount_point.to_owned();
    let mut refusal = hand_down_from(&at);
    for component in below.components() {
        at.push(component);
        refusal = refusal.or(hand_down_from(&at));
    }
    refusal
}

fn hand_down_from(group: &Path) -> Option<Refusal> {
    let missing = missing(&words(&group.join("cgroup.controllers")), group);
    if missing.is_empty() {
        return None;
    }
    let file = group.join("cgroup.subtree_control");
    if fs::write(&file, format!("+{}", missing.join(" +"))).is_ok() {
        return None;
    }
    // One of them may be what does not go: the others still do.
    let mut refusal = None;
    for controller in missing {
        if let Err(source) = fs::write(&file, format!("+{controller}")) {
            refusal = refusal.or(Some(source));
        }
    }
    refusal.map(|source| Refusal {
        group: group.to_owned(),
        source,
    })
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn missing(offered: &[String], group: &Path) -> Vec<String> {
    let handed = words(&group.join("cgroup.subtree_control"));
    let missing = offered.iter().filter(|c| !handed.contains(c));
    missing.cloned().collect()
}

/// Where a relative `linux.cgroupsPath` starts.
///
/// On a unified host beside this process's own group, not below it: that one
/// holds this process and so hands no controller down. Version 1 knows no such
/// rule, and a user who was given no more than the own group has no choice.
pub(super) fn start(hierarchy: &Hierarchy, is_unified: bool) -> &Path {
    let own = &hierarchy.own;
    match own.parent() {
        Some(above)
            if is_unified
                && hierarchy.version == Version::V2
                && *own != hierarchy.mount_point
                && above.starts_with(&hierarchy.mount_point)
                && crate::sys::file::may_write(above) =>
        {
            above
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(groups: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (group, controllers, handed) in groups {
            let directory = root.path().join(group);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup.controllers"), controllers).unwrap();
            fs::write(directory.join("cgroup.subtree_control"), handed).unwrap();
        }
        root
    }

    fn handed(root: &Path, group: &str) -> String {
        fs::read_to_string(root.join(group).join("cgroup.subtree_control")).unwrap()
    }

    #[test]
    fn what_is_missing_is_handed_down_from_the_top() {
        let root = tree(&[("", "cpu pids\n", "cpu\n"), ("a", "cpu pids\n", "\n")]);
        assert!(hand_down(root.path(), &root.path().join("a/c")).is_none());
        assert_eq!(handed(root.path(), ""), "+pids");
        assert_eq!(handed(root.path(), "a"), "+cpu +pids");
    }

    #[test]
    fn nothing_is_written_where_all_is_handed_down() {
        let root = tree(&[
            ("", "cpu pids\n", "none"),
            ("a", "cpu pids\n", "cpu pids\n"),
        ]);
        assert!(hand_down(root.path(), &root.path().join("a/c")).is_none());
        assert_eq!(handed(root.path(), ""), "none");
    }

    #[test]
    fn a_host_whose_controllers_are_of_version_1_is_left_alone() {
        let root = tree(&[("", "\n", "none")]);
        assert!(hand_down(root.path(), &root.path().join("c")).is_none());
        assert_eq!(handed(root.path(), ""), "none");
    }

    #[test]
    fn a_refusal_names_the_group_and_the_way_out() {
        let refusal = |errno| Refusal {
            group: "/cg/a".into(),
            source: io::Error::from_raw_os_error(errno),
        };
        assert!(
            refusal(libc::EBUSY)
                .remedy("cpu")
                .contains("/cg/a holds processes")
        );
        assert!(
            refusal(libc::EACCES)
                .remedy("cpu")
                .contains("delegate the cpu")
        );
    }

    #[test]
    fn a_relative_path_starts_beside_the_own_group_where_that_must_hand_down() {
        let root = tree(&[("a/own", "", "")]);
        let hierarchy = |version, own: &str| Hierarchy {
            version,
            controllers: Vec::new(),
            mount_point: root.path().to_owned(),
            own: root.path().join(own),
        };
        let beside = hierarchy(Version::V2, "a/own");
        assert_eq!(start(&beside, true), root.path().join("a"));
        assert_eq!(start(&beside, false), root.path().join("a/own"));
        let top = Hierarchy {
            own: root.path().to_owned(),
            ..beside
        };
        assert_eq!(start(&top, true), root.path());
    }
}
