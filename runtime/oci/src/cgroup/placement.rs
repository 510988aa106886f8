//! A container's own group in each hierarchy: made, limited, removed.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::apply::Site;
use super::directory::{self, c_path, confine, inherit_cpuset, is_refusal};
use super::discover::{Hierarchy, Version};
use super::groups::{Created, Groups, Member};
use super::{apply, delegate, devices};
use crate::error::{Error, Result};
use crate::spec::Resources;

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
}

impl Placement {
    /// Plans a group at `path`: from the root of each hierarchy where it is
    /// absolute, else from this process's own group. Touches nothing.
    pub(crate) fn plan(
        hierarchies: Vec<Hierarchy>,
        path: &Path,
        resources: Option<Resources>,
    ) -> Result<Self> {
        let below = confine(path);
        let is_unified = hierarchies.iter().all(|h| h.version == Version::V2);
        if let Some(file) = resources.as_ref().and_then(|r| r.unified.keys().next())
            && !is_unified
        {
            return Err(Error::Invalid {
                field: format!("linux.resources.unified.{file}"),
                reason: "invalid configuration: cannot use unified on cgroup v1".to_owned(),
                remedy: "remove it, or boot with systemd.unified_cgroup_hierarchy=1".to_owned(),
            });
        }
        let mut groups = Vec::with_capacity(hierarchies.len());
        for hierarchy in hierarchies.into_iter().take(64) {
            let start = if path.is_absolute() {
                &hierarchy.mount_point
            } else {
                delegate::start(&hierarchy, is_unified)
            };
            let directory = start.join(&below);
            let tasks = c_path(&directory.join("tasks"))?;
            groups.push(Group {
                hierarchy,
                directory,
                tasks,
            });
        }
        Ok(Self { groups, resources })
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
            match directory::make(&group.directory, &mut created.0.parents) {
                Ok(()) => {
                    ready |= 1 << index;
                    let member = Member::new(&group.hierarchy, &group.directory);
                    created.0.groups.push(member);
                }
                Err(error) if is_refusal(&error) => continue,
                Err(source) => {
                    return Err(Error::Write {
                        path: group.directory.clone(),
                        source,
                    });
                }
            }
            if group.hierarchy.controllers.iter().any(|c| c == "cpuset") {
                inherit_cpuset(&group.directory);
            }
        }
        self.limit(version, ready, warnings)?;
        Ok(ready)
    }

    /// What [`create`](Self::create) will make: for who writes down beforehand
    /// what to remove if this process is killed meanwhile. There may be others'
    /// processes in them: nothing but [`Groups::remove`] is to be asked of it.
    #[allow(dead_code)]
    pub(crate) fn planned(&self) -> Groups {
        let groups = self.groups.iter();
        Groups {
            groups: groups
                .map(|group| Member::new(&group.hierarchy, &group.directory))
                .collect(),
            parents: Vec::new(),
        }
    }

    fn limit(&self, version: Version, ready: u64, warnings: &mut Vec<String>) -> Result<()> {
        let Some(resources) = &self.resources else {
            return Ok(());
        };
        let sites: Vec<_> = self
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| Site {
                version: group.hierarchy.version,
                controllers: &group.hierarchy.controllers,
                directory: &group.directory,
                // Those of the other version are not looked at.
                ready: ready & 1 << index != 0,
            })
            .collect();
        let refusal = self
            .unified(ready)
            .and_then(|group| delegate::hand_down(&group.hierarchy.mount_point, &group.directory));
        apply::limit(&sites, version, resources, refusal.as_ref(), warnings)?;
        devices::restrict(&sites, version, &resources.devices)
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
