//! A container's own group in each hierarchy: made, limited, removed.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::discover::{Hierarchy, Version};
use super::{devices, limits};
use crate::error::{Error, Result};
use crate::spec::Resources;
use crate::sys::{self, Errno};

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

/// The directories that were made; dropping it removes them.
#[derive(Debug, Default)]
pub(crate) struct Created(Vec<PathBuf>);

impl Created {
    /// The directories.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.0
    }

    /// Removes them. A group stays busy for a moment after its last process was reaped.
    pub(crate) fn remove(&mut self) {
        for directory in self.0.drain(..).rev() {
            remove_directory(&directory);
        }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Placement {
    /// Plans a group at `path`: from the root of each hierarchy where it is
    /// absolute, else from this process's own group. Touches nothing.
    pub(crate) fn plan(
        hierarchies: Vec<Hierarchy>,
        path: &Path,
        resources: Option<&Resources>,
    ) -> Result<Self> {
        let mut groups = Vec::with_capacity(hierarchies.len());
        for hierarchy in hierarchies.into_iter().take(64) {
            let directory = match path.strip_prefix("/") {
                Ok(below) => hierarchy.mount_point.join(below),
                Err(_) => hierarchy.own.join(path),
            };
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
            match make(&group.directory, &mut created.0) {
                Ok(()) => ready |= 1 << index,
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

/// `rmdir(2)` until the kernel has let go, at most about 0.1 s.
pub(super) fn remove_directory(directory: &Path) -> bool {
    let Ok(path) = c_path(directory) else {
        return false;
    };
    for attempt in 0..12 {
        match sys::file::rmdir(libc::AT_FDCWD, &path) {
            Err(Errno(libc::EBUSY)) => {
                std::thread::sleep(Duration::from_micros(50 << attempt.min(9)));
            }
            result => return result.is_ok(),
        }
    }
    false
}

/// Makes `directory` and what is missing above it; each is noted in `created`.
///
/// A directory left by a dead container of the same name is taken over; one
/// with processes in it is somebody's.
fn make(directory: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    match fs::create_dir(directory) {
        Ok(()) => {
            created.push(directory.to_owned());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = directory.parent().ok_or(error)?;
            make(parent, created)?;
            if parent.join("cpuset.cpus").exists() {
                inherit_cpuset(parent);
            }
            fs::create_dir(directory)?;
            created.push(directory.to_owned());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let processes = fs::read_to_string(directory.join("cgroup.procs"))?;
            if !processes.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "it exists and holds processes: a container of this id is running",
                ));
            }
            created.push(directory.to_owned());
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether this host simply does not let us: read-only, not delegated, not there.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EACCES | libc::EPERM | libc::EROFS | libc::ENOENT | libc::ENOSPC | libc::ENODEV)
    )
}

/// A new version 1 cpuset is empty, and an empty one cannot be joined.
fn inherit_cpuset(directory: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let parent = directory.parent().map(|p| p.join(file)).map(fs::read);
        if let Some(Ok(value)) = parent {
            let _ = fs::write(directory.join(file), value);
        }
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

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Invalid {
        field: "linux.cgroupsPath".to_owned(),
        reason: "it contains a zero byte".to_owned(),
        remedy: "remove it".to_owned(),
    })
}
