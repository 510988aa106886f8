//! The groups of a container that exists, as data: what one command keeps in
//! the container's state and another finds there.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::apply::{self, Site, main_version};
use super::below::Below;
use super::devices;
use super::directory::{c_path, remove_one, remove_parents, remove_tree};
use super::discover::{Hierarchy, Version};
use super::limits;
use super::processes::{self, cannot};
use super::systemd::{self, Unit};
use crate::error::{Error, Result};
use crate::spec::validate::check_resources;
use crate::spec::{DeviceRule, Resources};

/// A container's groups, one a hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    pub(super) groups: Vec<Member>,
    /// The unit of systemd whose groups they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<Unit>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) version: Version,
    pub(super) controllers: Vec<String>,
    pub(super) mount_point: PathBuf,
    pub(super) directory: PathBuf,
}

impl Member {
    pub(super) fn new(hierarchy: &Hierarchy, directory: &Path) -> Self {
        Self {
            version: hierarchy.version,
            controllers: hierarchy.controllers.clone(),
            mount_point: hierarchy.mount_point.clone(),
            directory: directory.to_owned(),
        }
    }

    fn site(&self) -> Site<'_> {
        Site {
            version: self.version,
            controllers: &self.controllers,
            directory: &self.directory,
            // One that could not be made is on record, and not there.
            ready: self.directory.is_dir(),
        }
    }
}

/// The groups that a start has made so far; dropping it removes them.
#[derive(Debug, Default)]
pub(crate) struct Created {
    pub(super) groups: Groups,
    /// Directories above them that were made for them.
    pub(super) parents: Vec<PathBuf>,
}

impl Created {
    /// What was made.
    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Lets them stay: who loads the container's state will remove them.
    ///
    /// What was made above them stays then for good, as runc and crun leave it:
    /// it may be what another runtime is about to make a group in, and that
    /// would find it gone.
    pub(crate) fn keep(&mut self) {
        std::mem::take(&mut self.groups);
        self.parents.clear();
    }

    /// Removes them. A group stays busy for a moment after its last process was reaped.
    pub(crate) fn remove(&mut self) {
        let parents = std::mem::take(&mut self.parents);
        // One that still holds a process is its container's affair.
        if std::mem::take(&mut self.groups).remove().is_ok() {
            remove_parents(&parents);
        }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        self.remove();
    }
}

/// How a process joins: version 1 by writing `0` to each of `tasks` from a
/// child with one thread, version 2 by being cloned into `unified`.
#[derive(Clone, Debug, Default)]
pub struct Joining {
    /// The `tasks` file of each version 1 group.
    pub tasks: Vec<CString>,
    /// The version 2 group.
    pub unified: Option<PathBuf>,
}

impl Groups {
    /// Whether the container has no group of its own: nothing here let us make one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether one of them is still there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.groups.iter().any(|group| group.directory.is_dir())
    }

    /// Their directories.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.groups.iter().map(|group| group.directory.as_path())
    }

    /// Removes them where that goes without more ado: with no process and no
    /// group in them. Whether all are gone. Those of a unit are not ours to
    /// remove: systemd would go on thinking that it runs.
    pub(crate) fn remove_empty(&self) -> bool {
        if self.unit.is_some() {
            return false;
        }
        let own = |group: &&Member| group.directory != group.mount_point;
        let mut all = true;
        for group in self.groups.iter().rev().filter(own) {
            all &= remove_one(&group.directory);
        }
        all
    }

    /// Removes them with all that the container made below them, and waits for
    /// the kernel to let go of processes that were just killed.
    ///
    /// # Errors
    /// [`Error::Write`] naming the group that still holds a process.
    pub fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut kept = None;
        if let Some(unit) = &self.unit {
            self.stop(unit, deadline)?;
        }
        for group in self.groups.iter().rev() {
            if group.directory == group.mount_point {
                continue; // everybody's
            }
            if !remove_tree(&group.directory, deadline) {
                kept = Some(&group.directory);
            }
        }
        kept.map_or(Ok(()), |directory| Err(busy(directory)))
    }

    /// Stops the unit, which would kill who is in it: so only once nobody is.
    /// That systemd cannot be reached by now is no failure: it forgets a scope
    /// whose group is gone.
    fn stop(&self, unit: &Unit, deadline: Instant) -> Result<()> {
        let holds = |group: &&Member| !processes::below(&group.directory).is_empty();
        while let Some(group) = self.groups.iter().find(holds) {
            if Instant::now() >= deadline {
                return Err(busy(&group.directory));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = unit.stop();
        Ok(())
    }

    /// How another process joins the container whose init is `init`.
    ///
    /// A version 2 group that hands controllers to groups below it takes no
    /// process itself; where the container has done that (as systemd does),
    /// the newcomer goes where its init is, unless it is to be `below`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a path with a zero byte and an unknown
    /// controller; [`Error::Setup`] where a group `below` does not exist.
    pub fn joining(&self, init: i32, below: &[Below]) -> Result<Joining> {
        Below::check(below, &self.groups)?;
        let mut joining = Joining::default();
        for group in &self.groups {
            let directory = Below::directory(below, group)?;
            match group.version {
                Version::V1 => {
                    let directory = directory.as_ref().unwrap_or(&group.directory);
                    joining.tasks.push(c_path(&directory.join("tasks"))?);
                }
                Version::V2 => {
                    let place = directory.unwrap_or_else(|| group.open_to_processes(init));
                    joining.unified = Some(place);
                }
            }
        }
        Ok(joining)
    }

    /// Moves `pid`, a child that waits, into the version 2 `group` that it could
    /// not be born into. The kernel moves a process only for who may write to
    /// the group above both; a user who comes from another part of the tree may
    /// not, but his systemd knows whom to ask.
    pub(crate) fn admit(&self, pid: i32, group: &Path) -> std::result::Result<(), String> {
        let Some(member) = self.unified() else {
            return Ok(());
        };
        let below = group
            .strip_prefix(&member.directory)
            .unwrap_or(Path::new(""));
        let moved = match &self.unit {
            Some(unit) => unit.attach(pid, below).map_err(|error| error.to_string()),
            None => Err("this user may not move processes there".to_owned()),
        };
        moved.map_err(|why| {
            format!(
                "process {pid} is not in the container's control group, whose limits do not hold for it: {why}"
            )
        })
    }

    /// Changes the limits of the running container: what `resources` does not
    /// name stays as it is. Returns what has no effect here, a sentence each.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that contradicts the specification or
    /// what is in use, [`Error::Setup`] for one that the kernel refuses; the
    /// limits before it in the order of the specification are changed then.
    pub fn update(&self, resources: &Resources) -> Result<Vec<String>> {
        check_resources(resources)?;
        if !self.exists() {
            let reason = "it has no control group: this user could make none when it was created";
            return Err(cannot("update the container")(io::Error::other(reason)));
        }
        let sites: Vec<_> = self.groups.iter().map(Member::site).collect();
        let is_unified = main_version(&sites) == Version::V2;
        limits::check_unified(resources, is_unified)?;
        let mut warnings = Vec::new();
        if let Some(unit) = &self.unit {
            let settings = apply::settings(&sites, main_version(&sites), resources)?;
            systemd::update(unit, &settings, &resources.devices)?;
        }
        for version in [Version::V2, Version::V1] {
            if sites.iter().any(|site| site.version == version) {
                apply::limit(&sites, version, resources, None, &mut warnings)?;
            }
        }
        if !resources.devices.is_empty() {
            self.update_devices(&sites, &resources.devices, &mut warnings)?;
        }
        Ok(warnings)
    }

    /// Version 1 forgets all rules before it learns the new ones: nobody may
    /// open a device in between.
    fn update_devices(
        &self,
        sites: &[Site<'_>],
        rules: &[DeviceRule],
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        let hold = self.with("devices").is_some() && !self.is_frozen() && self.freeze().is_ok();
        let done = [Version::V2, Version::V1]
            .into_iter()
            .try_for_each(|version| devices::restrict(sites, version, rules, warnings));
        if hold {
            self.thaw()?;
        }
        done
    }

    /// The version 1 group that has `controller`.
    pub(super) fn with(&self, controller: &str) -> Option<&Member> {
        let has = |group: &&Member| group.controllers.iter().any(|c| c == controller);
        self.groups.iter().find(has)
    }

    /// The version 2 group.
    pub(super) fn unified(&self) -> Option<&Member> {
        self.groups.iter().find(|g| g.version == Version::V2)
    }
}

fn busy(directory: &Path) -> Error {
    Error::Write {
        path: directory.to_owned(),
        source: io::Error::from_raw_os_error(libc::EBUSY),
    }
}

impl Member {
    fn open_to_processes(&self, init: i32) -> PathBuf {
        let hands_down = fs::read(self.directory.join("cgroup.subtree_control"));
        if hands_down.is_ok_and(|controllers| controllers.trim_ascii().is_empty()) {
            return self.directory.clone();
        }
        let membership = fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap_or_default();
        let place = membership
            .lines()
            .find_map(|line| line.strip_prefix("0::/"));
        place
            .map(|place| self.mount_point.join(place))
            .filter(|place| place.starts_with(&self.directory))
            .unwrap_or_else(|| self.directory.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_command_writes_another_reads() {
        let groups = Groups {
            groups: vec![Member {
                version: Version::V1,
                controllers: vec!["pids".to_owned()],
                mount_point: "/cg/pids".into(),
                directory: "/cg/pids/c".into(),
            }],
            unit: None,
        };
        let text = serde_json::to_string(&groups).unwrap();
        assert_eq!(serde_json::from_str::<Groups>(&text).unwrap(), groups);
        assert!(text.contains(r#""version":"v1""#), "{text}");
    }

    #[test]
    fn an_update_tells_of_limits_whose_group_was_never_made() {
        let root = tempfile::tempdir().unwrap();
        let member = |controller: &str| Member {
            version: Version::V1,
            controllers: vec![controller.to_owned()],
            mount_point: root.path().to_owned(),
            directory: root.path().join(controller),
        };
        let groups = Groups {
            groups: ["pids", "cpu"].map(member).into(),
            ..Groups::default()
        };
        let asked = r#"{"pids":{"limit":9},"cpu":{"shares":100}}"#;
        let resources = serde_json::from_str(asked).unwrap();
        groups.update(&resources).unwrap_err(); // there is none at all
        fs::create_dir(root.path().join("pids")).unwrap();
        fs::write(root.path().join("pids/pids.max"), "max").unwrap();
        let warnings = groups.update(&resources).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        for part in ["cpu.shares = 100", "none could be made"] {
            assert!(warnings[0].contains(part), "{warnings:?}");
        }
    }

    #[test]
    fn what_a_start_made_above_its_groups_goes_when_it_fails_and_stays_else() {
        let root = tempfile::tempdir().unwrap();
        let above = root.path().join("a/b");
        let made = || {
            let mut created = Created::default();
            let directory = above.join("c");
            crate::cgroup::directory::make(&directory, &mut created.parents).unwrap();
            created.groups.groups.push(Member {
                version: Version::V2,
                controllers: Vec::new(),
                mount_point: root.path().to_owned(),
                directory,
            });
            created
        };
        drop(made());
        assert!(!root.path().join("a").exists());
        let mut created = made();
        let groups = created.groups().clone();
        created.keep();
        drop(created);
        assert!(above.join("c").exists());
        groups.remove().unwrap();
        assert!(above.exists() && !above.join("c").exists());
    }

    #[test]
    fn the_group_of_a_unit_is_not_removed_behind_systemds_back() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("c");
        fs::create_dir(&directory).unwrap();
        let mut groups = Groups {
            groups: vec![Member {
                version: Version::V2,
                controllers: Vec::new(),
                mount_point: root.path().to_owned(),
                directory: directory.clone(),
            }],
            unit: Unit::new(Some("a.slice:b:c"), "c", true).ok(),
        };
        assert!(!groups.remove_empty());
        assert!(directory.exists());
        groups.unit = None;
        assert!(groups.remove_empty());
        assert!(!directory.exists());
    }

    #[test]
    fn a_newcomer_goes_where_init_is_when_the_group_hands_controllers_down() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("c");
        fs::create_dir(&directory).unwrap();
        let member = Member {
            version: Version::V2,
            controllers: Vec::new(),
            mount_point: root.path().to_owned(),
            directory: directory.clone(),
        };
        fs::write(directory.join("cgroup.subtree_control"), "\n").unwrap();
        assert_eq!(member.open_to_processes(1), directory);
        // The init is not below this group: it stays the best answer.
        fs::write(directory.join("cgroup.subtree_control"), "memory\n").unwrap();
        assert_eq!(member.open_to_processes(0), directory);
    }
}
