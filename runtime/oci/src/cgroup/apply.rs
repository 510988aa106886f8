//! Limits written to the groups of a container, new or running.
//!
//! Who can be expected to enforce a limit and cannot gets an error: root, in a
//! group that could be made. An ordinary user without delegation, or root
//! where the hierarchies are not its own (a container with a read-only
//! `/sys/fs/cgroup`), gets a sentence for each limit that is not kept.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::discover::Version;
use super::limits::{self, Absent, Setting};
use crate::error::{Error, Result};
use crate::spec::Resources;
use crate::sys;

/// Why nothing is enforced by a hierarchy whose group is not there.
pub(super) const UNMADE: &str =
    "the container has no control group for it: none could be made here";

/// One hierarchy as the limits see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub(super) version: Version,
    pub(super) controllers: &'a [String],
    pub(super) directory: &'a Path,
    /// Whether the group in it could be made.
    pub(super) ready: bool,
}

impl Site<'_> {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

/// Writes the limits whose controllers belong to hierarchies of `version`.
/// `handed_down` says why a controller of version 2 may be missing.
///
/// # Errors
/// [`Error::Setup`] for a limit that should be enforced and is not.
pub(super) fn limit(
    sites: &[Site<'_>],
    version: Version,
    resources: &Resources,
    handed_down: Option<&super::delegate::Refusal>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let all = settings(sites, version, resources)?;
    let mut pending: VecDeque<_> = all.iter().map(|setting| (setting, true)).collect();
    while let Some((setting, may_wait)) = pending.pop_front() {
        let site = match version {
            Version::V1 => sites.iter().find(|site| site.has(&setting.controller)),
            Version::V2 => unified(sites),
        };
        match write(site, setting) {
            Ok(()) => {}
            // The kernel checks some values against each other (a limit of
            // memory against that of memory and swap, a quota against its
            // period): one may have to wait until the other has its new value.
            Err(error) if may_wait && error.raw_os_error() == Some(libc::EINVAL) => {
                pending.push_back((setting, false));
            }
            Err(error) => warnings.extend(refuse(sites, site, setting, error, handed_down)?),
        }
    }
    Ok(())
}

pub(super) fn unified<'a, 's>(sites: &'s [Site<'a>]) -> Option<&'s Site<'a>> {
    sites.iter().find(|site| site.version == Version::V2)
}

/// The version that has most of the limits, and whose systemd knows: on a hybrid
/// host the first.
pub(super) fn main_version(sites: &[Site<'_>]) -> Version {
    match sites.iter().all(|site| site.version == Version::V2) {
        true => Version::V2,
        false => Version::V1,
    }
}

/// The settings of the controllers that belong to hierarchies of `version`.
pub(super) fn settings(
    sites: &[Site<'_>],
    version: Version,
    resources: &Resources,
) -> Result<Vec<Setting>> {
    let on_v1 = |s: &Setting| {
        let mut v1 = sites.iter().filter(|s| s.version == Version::V1);
        // Version 1 calls this one by another name.
        let also = if s.controller == "io" {
            "blkio"
        } else {
            &s.controller
        };
        v1.any(|site| site.has(&s.controller) || site.has(also))
    };
    let unified = unified(sites);
    Ok(match version {
        // What no hierarchy has is missed in the last one that is looked at.
        Version::V1 => limits::v1::settings(resources)?
            .into_iter()
            .filter(|s| unified.is_none() || on_v1(s))
            .collect::<Vec<_>>(),
        Version::V2 => {
            let current = |file: &str| fs::read_to_string(unified?.directory.join(file)).ok();
            // Memory that version 1 limits need not follow the rules of version 2.
            let mut v1 = sites.iter().filter(|s| s.version == Version::V1);
            let elsewhere = resources.memory.is_some() && v1.any(|site| site.has("memory"));
            let rest = elsewhere.then(|| Resources {
                memory: None,
                ..resources.clone()
            });
            let resources = rest.as_ref().unwrap_or(resources);
            let all = limits::v2::settings(resources, &current)?.into_iter();
            all.filter(|s| !on_v1(s)).collect()
        }
    })
}

/// Writes to the first file that exists; `ENOENT` where none does.
fn write(site: Option<&Site<'_>>, setting: &Setting) -> io::Result<()> {
    let absent = || io::Error::from_raw_os_error(libc::ENOENT);
    let site = site.filter(|site| site.ready).ok_or_else(absent)?;
    for (file, value) in &setting.choices {
        // Not created: on a control group that is another error, which hides
        // that the kernel has no such file.
        let mut options = fs::OpenOptions::new();
        match options
            .write(true)
            .truncate(true)
            .open(site.directory.join(&**file))
        {
            Ok(mut file) => return file.write_all(value.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(absent())
}

/// What a limit that could not be written is: an error, a warning, or nothing.
fn refuse(
    sites: &[Site<'_>],
    site: Option<&Site<'_>>,
    setting: &Setting,
    error: io::Error,
    handed_down: Option<&super::delegate::Refusal>,
) -> Result<Option<String>> {
    let is_absent = error.kind() == io::ErrorKind::NotFound;
    if is_absent && setting.absent == Absent::IsFine {
        return Ok(None);
    }
    let (file, value) = &setting.choices[0];
    let field = &setting.field;
    let is_lost =
        is_absent && setting.absent == Absent::IsOfVersion1 && main_version(sites) == Version::V2;
    // A hierarchy that is there but not ours, or none at all.
    let is_foreign = site.is_some_and(|site| !site.ready) || !sites.iter().any(|site| site.ready);
    let controller = &setting.controller;
    let why = if is_foreign {
        UNMADE.to_owned()
    } else if is_lost {
        "only version 1 of control groups has it".to_owned()
    } else if is_absent {
        format!("the kernel offers no {controller} controller for this container")
    } else {
        error.to_string()
    };
    if is_foreign || !is_privileged() {
        return Ok(Some(format!(
            "the limit {field} = {value} ({file}) is not enforced: {why}"
        )));
    }
    let remedy = match (error.raw_os_error(), handed_down) {
        _ if is_lost => Some(format!(
            "remove linux.resources.{field}: version 2 has nothing in its place"
        )),
        (Some(libc::ENOENT), Some(refusal)) => Some(refusal.remedy(controller)),
        (Some(libc::ENOENT), None) => Some(format!(
            "remove linux.resources.{field}, or boot a kernel with this controller and mount it \
             (`grep {controller} /proc/cgroups`)"
        )),
        (Some(libc::EBUSY), _) if file.starts_with("memory.") => site.map(in_use),
        (Some(libc::EINVAL), _) if &**controller == "cpuset" => Some(
            "name CPUs and memory nodes that exist and that the group above has (cpuset.cpus, cpuset.mems)"
                .to_owned(),
        ),
        (Some(libc::EINVAL | libc::ERANGE), _) => {
            Some("the kernel does not take this value, or not beside the others".to_owned())
        }
        (Some(libc::ENODEV), _) => Some("name a device that exists (`lsblk` lists MAJ:MIN)".to_owned()),
        _ => None,
    };
    let source = if is_absent {
        io::Error::new(io::ErrorKind::NotFound, why)
    } else {
        error
    };
    Err(Error::Setup {
        step: format!("set linux.resources.{field} to {value} ({file})"),
        source,
        remedy,
    })
}

/// How much memory a group has that cannot be made to fit.
fn in_use(site: &Site<'_>) -> String {
    let read = |file: &str| {
        let text = fs::read_to_string(site.directory.join(file)).unwrap_or_default();
        text.trim().to_owned()
    };
    format!(
        "the container holds more and the kernel cannot take it back (current usage: {}, peak usage: \
         {}): ask for more",
        read("memory.usage_in_bytes"),
        read("memory.max_usage_in_bytes")
    )
}

/// Whether this process is root of the machine, and not of a user namespace.
pub(super) fn is_privileged() -> bool {
    if sys::process::effective_ids().0 != 0 {
        return false;
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A group of version 2 as a directory with these files.
    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            fs::write(root.path().join(file), text).unwrap();
        }
        root
    }

    fn apply(root: &Path, ready: bool, resources: &str) -> (Result<()>, Vec<String>) {
        let site = Site {
            version: Version::V2,
            controllers: &[],
            directory: root,
            ready,
        };
        let resources = serde_json::from_str(resources).unwrap();
        let mut warnings = Vec::new();
        let result = limit(&[site], Version::V2, &resources, None, &mut warnings);
        (result, warnings)
    }

    fn content(root: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(root).unwrap().flatten();
        entries
            .map(|e| {
                let text = fs::read_to_string(e.path()).unwrap();
                (e.file_name().into_string().unwrap(), text)
            })
            .collect()
    }

    #[test]
    fn a_limit_reaches_its_file() {
        let root = group(&[
            ("pids.max", "max"),
            ("memory.max", "max"),
            ("io.weight", "default 100"),
        ]);
        let (result, warnings) = apply(
            root.path(),
            true,
            r#"{"pids":{"limit":9},"memory":{"limit":-1},"blockIO":{"weight":10}}"#,
        );
        result.unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let content = content(root.path());
        assert_eq!(content["pids.max"], "9");
        assert_eq!(
            content["io.weight"], "1",
            "the other scheduler's file has another scale"
        );
        assert_eq!(content.len(), 3, "no file is made");
    }

    #[test]
    fn a_missing_controller_is_an_error_for_root_and_a_warning_for_others() {
        let root = group(&[]);
        let (result, warnings) = apply(root.path(), true, r#"{"pids":{"limit":9}}"#);
        if is_privileged() {
            let error = result.unwrap_err();
            assert_eq!(
                error.to_string(),
                "cannot set linux.resources.pids.limit to 9 (pids.max)"
            );
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("no pids controller"), "{source}");
            assert!(error.hint().is_some());
        } else {
            result.unwrap();
            assert!(warnings[0].contains("pids.limit = 9"), "{warnings:?}");
        }
    }

    #[test]
    fn where_no_group_could_be_made_each_limit_is_told_of() {
        let root = group(&[]);
        let asked = r#"{"pids":{"limit":9},"cpu":{"cpus":"0"}}"#;
        let (result, warnings) = apply(root.path(), false, asked);
        result.unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn on_a_hybrid_host_version_2_does_not_miss_what_version_1_has() {
        let (first, second) = (group(&[]), group(&[]));
        let controllers = ["pids", "blkio", "memory"].map(str::to_owned);
        let site = |version, directory, controllers| Site {
            version,
            controllers,
            directory,
            ready: true,
        };
        let sites = [
            site(Version::V1, first.path(), &controllers[..]),
            site(Version::V2, second.path(), &[]),
        ];
        let asked = r#"{"pids":{"limit":9},"memory":{"swap":5},"blockIO":{"weight":10,
            "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}]}}"#;
        let resources = serde_json::from_str(asked).unwrap();
        let mut warnings = Vec::new();
        limit(&sites, Version::V2, &resources, None, &mut warnings).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn what_only_version_1_has_is_an_error_for_root_and_a_warning_for_others() {
        let root = group(&[]);
        let asked = r#"{"memory":{"swappiness":5,"disableOOMKiller":false}}"#;
        let (result, warnings) = apply(root.path(), true, asked);
        let said = match result {
            Err(error) if is_privileged() => {
                let source = std::error::Error::source(&error).unwrap().to_string();
                format!("{error}: {source}; {}", error.hint().unwrap())
            }
            result => {
                result.unwrap();
                warnings.concat()
            }
        };
        assert!(
            said.contains("memory.swappiness") && said.contains("only version 1"),
            "{said}"
        );
    }
}
