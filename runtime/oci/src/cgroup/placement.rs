//! A container's own group in each hierarchy: made, limited, removed.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use super::directory::{self, c_path, confine, inherit_cpuset, is_refusal};
use super::discover::{Hierarchy, Version};
use super::groups::{Created, Groups, Member};
use super::{devices, limits};
use crate::error::{Error, Result};
use crate::spec::Resources;
use crate::sys;

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
    resources: Resources,
}

impl Placement {
    /// Plans a group at `path`: from the root of each hierarchy where it is
    /// absolute, else from this process's own group. Touches nothing.
    pub(crate) fn plan(
        hierarchies: Vec<Hierarchy>,
        path: &Path,
        resources: Option<&Resources>,
    ) -> Result<Self> {
        let below = confine(path);
        let mut groups = Vec::with_capacity(hierarchies.len());
        for hierarchy in hierarchies.into_iter().take(64) {
            let start = if path.is_absolute() {
                &hierarchy.mount_point
            } else {
                &hierarchy.own
            };
            let directory = start.join(&below);
            let tasks = c_path(&directory.join("tasks"))?;
            groups.push(Group {
                hierarchy,
                directory,
                tasks,
            });
        }
        Ok(Self {
            groups,
            resources: resources.cloned().unwrap_or_default(),
        })
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
        self.limit(version, ready, warnings);
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

    fn limit(&self, version: Version, ready: u64, warnings: &mut Vec<String>) {
        let unified_only = self
            .groups
            .iter()
            .all(|g| g.hierarchy.version == Version::V2);
        let settings = match version {
            Version::V1 if unified_only => return,
            Version::V1 => limits::v1(&self.resources),
            Version::V2 if !unified_only => return,
            Version::V2 => limits::v2(&self.resources),
        };
        for setting in settings {
            let group = self.groups.iter().enumerate().find(|(index, group)| {
                ready & 1 << index != 0
                    && group.hierarchy.version == version
                    && (version == Version::V2
                        || group
                            .hierarchy
                            .controllers
                            .iter()
                            .any(|c| c == setting.controller))
            });
            let written = group
                .ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
                .and_then(|(_, group)| {
                    if version == Version::V2 {
                        enable(
                            &group.hierarchy.mount_point,
                            &group.directory,
                            setting.controller,
                        );
                    }
                    fs::write(group.directory.join(&setting.file), &setting.value)
                });
            if let Err(error) = written {
                warnings.push(format!(
                    "the limit {} = {} is not enforced: {error}",
                    setting.file, setting.value
                ));
            }
        }
        self.restrict_devices(version, ready, warnings);
    }

    /// Device rules: a BPF program on version 2, the devices controller on version 1.
    fn restrict_devices(&self, version: Version, ready: u64, warnings: &mut Vec<String>) {
        let rules = &self.resources.devices;
        if rules.is_empty() {
            return;
        }
        if version == Version::V2 {
            let Some(group) = self.unified(ready) else {
                return;
            };
            let attached = fs::File::open(&group.directory).and_then(|directory| {
                let program = devices::v2(rules);
                Ok(sys::bpf::attach_device_program(
                    &program,
                    directory.as_raw_fd(),
                )?)
            });
            // An ordinary user may not, but cannot make a device node either.
            if let Err(error) = attached
                && sys::process::effective_ids().0 == 0
            {
                warnings.push(format!("the device rules are not enforced: {error}"));
            }
            return;
        }
        for (index, group) in self.groups.iter().enumerate() {
            let holds = group.hierarchy.controllers.iter().any(|c| c == "devices");
            if !holds || ready & 1 << index == 0 {
                continue;
            }
            // Opened once each: the kernel takes one rule a write.
            let open = |file: &str| {
                fs::OpenOptions::new()
                    .write(true)
                    .open(group.directory.join(file))
            };
            let (allow, deny) = (open("devices.allow"), open("devices.deny"));
            for (allowed, line) in devices::v1(rules) {
                let file = if allowed { &allow } else { &deny };
                let written = match file {
                    Ok(file) => (&*file).write_all(line.as_bytes()),
                    Err(error) => Err(error.kind().into()),
                };
                if let Err(error) = written {
                    warnings.push(format!("the device rule `{line}` is not enforced: {error}"));
                }
            }
        }
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

/// Asks for `controller` in every group from the root of the tree down to
/// above `directory`; where that is refused, the limit's own write will say so.
fn enable(mount_point: &Path, directory: &Path, controller: &str) {
    let Ok(below) = directory.strip_prefix(mount_point) else {
        return;
    };
    let mut at = mount_point.to_owned();
    for component in below.components() {
        let _ = fs::write(at.join("cgroup.subtree_control"), format!("+{controller}"));
        at.push(component);
    }
}
