//! A container's own group in each hierarchy: made, limited, removed.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::apply::{Site, main_version};
use super::directory::{self, c_path, confine, inherit_cpuset, is_refusal};
use super::discover::{Hierarchy, Version};
use super::groups::{Created, Groups, Member};
use super::systemd::Transient;
use super::{apply, delegate, devices, limits, owner};
use crate::error::{Error, Result};
use crate::spec::{Resources, Spec};

/// One directory in one hierarchy.
#[derive(Debug)]
pub(crate) struct Group {
    /// The hierarchy.
    pub(crate) hierarchy: Hierarchy,
    /// The container's directory in it.
    pub(crate) directory: PathBuf,
    /// Its `tasks` file, for the child to write to.
    pub(crate) tasks: CString,
}

/// A container's groups, one a hierarchy: where they will be.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// In the order of discovery; the index is the bit in the ready set.
    pub(crate) groups: Vec<Group>,
    resources: Option<Resources>,
    /// Whose the group of version 2 becomes, where version 1 has none.
    pub(crate) owner: Option<u32>,
    /// The unit of systemd that they will be.
    transient: Option<Transient>,
}

impl Placement {
    /// Plans a group at `path`: from the root of each hierarchy where it is
    /// absolute, else from where [`delegate::start`] says, which is this
    /// process's own group or on a unified host the one above. Touches nothing.
    pub(crate) fn plan(
        hierarchies: Vec<Hierarchy>,
        path: &Path,
        resources: Option<Resources>,
    ) -> Result<Self> {
        let mut placement = Self {
            resources,
            ..Self::default()
        };
        let is_unified = hierarchies.iter().all(|h| h.version == Version::V2);
        let start = |hierarchy: &Hierarchy| match path.is_absolute() {
            true => hierarchy.mount_point.clone(),
            false => delegate::start(hierarchy, is_unified).to_owned(),
        };
        placement.place(hierarchies, &confine(path), start)?;
        Ok(placement)
    }

    /// Plans the groups of a unit that systemd will make. It is asked nothing
    /// yet, but where a user's own systemd has its groups.
    pub(crate) fn plan_unit(
        hierarchies: Vec<Hierarchy>,
        spec: &Spec,
        id: &str,
        resources: Option<Resources>,
    ) -> Result<Self> {
        let path = spec.linux().cgroups_path.as_ref();
        let path = path.map(|path| path.to_string_lossy());
        let transient = Transient::new(path.as_deref(), id, &spec.annotations)?;
        let below = transient.unit.directory()?;
        let mut placement = Self {
            resources,
            transient: Some(transient),
            ..Self::default()
        };
        placement.place(hierarchies, &below, |hierarchy| {
            hierarchy.mount_point.clone()
        })?;
        Ok(placement)
    }

    fn place(
        &mut self,
        hierarchies: Vec<Hierarchy>,
        below: &Path,
        start: impl Fn(&Hierarchy) -> PathBuf,
    ) -> Result<()> {
        let is_unified = hierarchies.iter().all(|h| h.version == Version::V2);
        if let Some(resources) = &self.resources {
            limits::check_unified(resources, is_unified)?;
        }
        for hierarchy in hierarchies.into_iter().take(64) {
            let directory = start(&hierarchy).join(below);
            let tasks = c_path(&directory.join("tasks"))?;
            self.groups.push(Group {
                hierarchy,
                directory,
                tasks,
            });
        }
        Ok(())
    }

    /// Whether they are made around a process that exists, by
    /// [`start_unit`](Self::start_unit), and not before it.
    pub(crate) fn is_unit(&self) -> bool {
        self.transient.is_some()
    }

    /// Has systemd make the groups around `pid`, and makes those of the
    /// hierarchies that it does not care for. Returns the set that is ready.
    pub(crate) fn start_unit(
        &self,
        pid: i32,
        created: &mut Created,
        warnings: &mut Vec<String>,
    ) -> Result<u64> {
        let Some(transient) = &self.transient else {
            return Ok(0);
        };
        let default = Resources::default();
        let resources = self.resources.as_ref().unwrap_or(&default);
        let sites = self.sites(0);
        let version = main_version(&sites);
        let settings = apply::settings(&sites, version, resources)?;
        let is_unified = version == Version::V2;
        transient.start(pid, is_unified, &settings, &resources.devices)?;
        created.groups.unit = Some(transient.unit.clone());
        let mut ready = 0;
        for (index, group) in self.groups.iter().enumerate() {
            let is_there = group.directory.is_dir();
            if is_there {
                let member = Member::new(&group.hierarchy, &group.directory);
                created.groups.groups.push(member);
                ready |= 1 << index;
            } else {
                ready |= self.make(index, group, created)?;
            }
        }
        self.limit(Version::V2, ready, warnings)?;
        self.limit(Version::V1, ready, warnings)?;
        self.give_away(ready)?;
        Ok(ready)
    }

    /// Makes and limits the groups of `version`'s hierarchies. Returns the set
    /// of groups that are ready (bit = index); notes in `created` what it made
    /// and in `warnings` what cannot be enforced.
    ///
    /// Version 2 must be made before the clone, which is born into it; version
    /// 1 while the child is already at work.
    pub(crate) fn create(
        &self,
        version: Version,
        created: &mut Created,
        warnings: &mut Vec<String>,
    ) -> Result<u64> {
        let mut ready = 0;
        for (index, group) in self.groups.iter().enumerate() {
            if group.hierarchy.version != version {
                continue;
            }
            ready |= self.make(index, group, created)?;
        }
        self.limit(version, ready, warnings)?;
        self.give_away(ready)?;
        Ok(ready)
    }

    /// Version 1 is not safe to give away. And only root can give what it has.
    fn give_away(&self, ready: u64) -> Result<()> {
        let is_unified = self
            .groups
            .iter()
            .all(|g| g.hierarchy.version == Version::V2);
        match (self.owner, self.unified(ready)) {
            (Some(owner), Some(group)) if is_unified && apply::is_privileged() => {
                owner::give(&group.directory, owner)
            }
            _ => Ok(()),
        }
    }

    /// Makes group `index`. Its bit, or 0 where this host does not let us.
    fn make(&self, index: usize, group: &Group, created: &mut Created) -> Result<u64> {
        match directory::make(&group.directory, &mut created.parents) {
            Ok(()) => {}
            Err(error) if is_refusal(&error) => return Ok(0),
            Err(source) => {
                return Err(Error::Write {
                    path: group.directory.clone(),
                    source,
                });
            }
        }
        let member = Member::new(&group.hierarchy, &group.directory);
        created.groups.groups.push(member);
        if group.hierarchy.controllers.iter().any(|c| c == "cpuset") {
            inherit_cpuset(&group.directory);
        }
        Ok(1 << index)
    }

    /// What [`create`](Self::create) will make, for the container's record, where
    /// every later command finds it. It is written down beforehand, so that
    /// what is made is removed if this process is killed meanwhile.
    ///
    /// Before the start has succeeded there may be others' processes in them
    /// (it is refused then): nobody may be signalled by this, and nothing be
    /// changed but by [`Groups::remove`], which spares a group that holds a
    /// process. After it, one that could not be made here is among them, and
    /// not there.
    pub(crate) fn planned(&self) -> Groups {
        let groups = self.groups.iter();
        Groups {
            groups: groups
                .map(|group| Member::new(&group.hierarchy, &group.directory))
                .collect(),
            unit: self.transient.as_ref().map(|t| t.unit.clone()),
        }
    }

    /// What the limits see, of which those in `ready` were made.
    fn sites(&self, ready: u64) -> Vec<Site<'_>> {
        self.groups
            .iter()
            .enumerate()
            .map(|(index, group)| Site {
                version: group.hierarchy.version,
                controllers: &group.hierarchy.controllers,
                directory: &group.directory,
                // Those of the other version are not looked at.
                ready: ready & 1 << index != 0,
            })
            .collect()
    }

    fn limit(&self, version: Version, ready: u64, warnings: &mut Vec<String>) -> Result<()> {
        let Some(resources) = &self.resources else {
            return Ok(());
        };
        let sites = self.sites(ready);
        let refusal = self
            .unified(ready)
            .and_then(|group| delegate::hand_down(&group.hierarchy.mount_point, &group.directory));
        apply::limit(&sites, version, resources, refusal.as_ref(), warnings)?;
        devices::restrict(&sites, version, &resources.devices, warnings)
    }

    /// The version 2 group that is ready, for the clone to be born into.
    pub(crate) fn unified(&self, ready: u64) -> Option<&Group> {
        self.groups
            .iter()
            .enumerate()
            .find(|(i, g)| ready & 1 << i != 0 && g.hierarchy.version == Version::V2)
            .map(|(_, group)| group)
    }
}
