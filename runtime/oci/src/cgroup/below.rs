//! Groups below a container's own that a further process may be put in: they
//! exist already, made from inside the container or by whoever manages it.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::discover::Version;
use super::groups::Member;
use crate::error::{Error, Result};

/// A group below the container's own, as `exec --cgroup` names it.
///
/// ```
/// use isolab_oci::cgroup::Below;
///
/// let below: Below = "cpu,memory:worker".parse()?;
/// assert!("../../another".parse::<Below>().is_err());
/// # Ok::<(), isolab_oci::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    /// In the hierarchies of these; in every one where empty.
    controllers: Vec<String>,
    path: PathBuf,
}

impl FromStr for Below {
    type Err = Error;

    /// Reads `[CONTROLLER[,CONTROLLER]:]PATH`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the path leads out of the container's group.
    fn from_str(text: &str) -> Result<Self> {
        let (controllers, path) = match text.split_once(':') {
            Some((controllers, path)) => (controllers, path),
            None => ("", text),
        };
        let leads_out = Path::new(path)
            .components()
            .any(|part| part == Component::ParentDir);
        if leads_out || path.is_empty() {
            return Err(invalid(
                format!("{path} is not a sub cgroup path"),
                "write a path below the container's group, without `..`",
            ));
        }
        let controllers = controllers.split(',').filter(|name| !name.is_empty());
        Ok(Self {
            controllers: controllers.map(str::to_owned).collect(),
            path: path.trim_start_matches('/').into(),
        })
    }
}

impl Below {
    /// Whether it says where in the hierarchy of `group` the process belongs.
    fn names(&self, group: &Member) -> bool {
        let has = |name: &String| group.controllers.contains(name);
        self.controllers.is_empty()
            || (group.version == Version::V1 && self.controllers.iter().any(has))
    }

    /// Where in `group` a process belongs that all of `below` speak of; `None`
    /// where they say nothing of it. The last one holds.
    ///
    /// # Errors
    /// [`Error::Setup`] where that group does not exist.
    pub(super) fn directory(below: &[Self], group: &Member) -> Result<Option<PathBuf>> {
        let Some(last) = below.iter().rev().find(|b| b.names(group)) else {
            return Ok(None);
        };
        let directory = group.directory.join(&last.path);
        match std::fs::metadata(&directory) {
            Ok(_) => Ok(Some(directory)),
            Err(source) => Err(Error::Setup {
                step: format!("join the control group {}", directory.display()),
                source,
                remedy: Some(
                    "a process is put only in groups that exist: make it first, or name the \
                     controller in whose hierarchy it is, as in pids:PATH"
                        .to_owned(),
                ),
            }),
        }
    }

    /// Refuses a controller that none of `groups` has.
    pub(super) fn check(below: &[Self], groups: &[Member]) -> Result<()> {
        let known = |name: &String| {
            let has = |group: &Member| {
                group.version == Version::V1 && group.controllers.iter().any(|c| c == name)
            };
            groups.iter().any(has)
        };
        let mut names = below.iter().flat_map(|b| &b.controllers);
        match names.find(|name| !known(name)) {
            Some(name) => Err(invalid(
                format!("unknown controller {name}"),
                "name one that the container has a version 1 group of, or leave it out: version 2 \
                 has one group for all",
            )),
            None => Ok(()),
        }
    }
}

fn invalid(reason: String, remedy: &str) -> Error {
    Error::Invalid {
        field: "the control group to join".to_owned(),
        reason,
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(version: Version, controllers: &[&str], directory: &Path) -> Member {
        Member {
            version,
            controllers: controllers.iter().map(|&c| c.to_owned()).collect(),
            mount_point: "/".into(),
            directory: directory.to_owned(),
        }
    }

    #[test]
    fn a_path_goes_to_every_hierarchy_and_a_named_one_to_its_own() {
        let root = tempfile::tempdir().unwrap();
        let (all, own) = (root.path().join("all"), root.path().join("own"));
        std::fs::create_dir(&all).unwrap();
        std::fs::create_dir(&own).unwrap();
        let below: Vec<Below> = ["/all", "pids,cpu:own"].map(|b| b.parse().unwrap()).into();
        let pids = member(Version::V1, &["pids"], root.path());
        let memory = member(Version::V1, &["memory"], root.path());
        let unified = member(Version::V2, &["pids"], root.path());
        assert_eq!(Below::directory(&below, &pids).unwrap(), Some(own));
        assert_eq!(
            Below::directory(&below, &memory).unwrap(),
            Some(all.clone())
        );
        assert_eq!(Below::directory(&below, &unified).unwrap(), Some(all));
        assert_eq!(Below::directory(&below[1..], &memory).unwrap(), None);
        let error = Below::check(&below, &[pids]).unwrap_err().to_string();
        assert!(error.contains("unknown controller cpu"), "{error}");
    }

    #[test]
    fn a_group_is_not_made_and_not_left() {
        let root = tempfile::tempdir().unwrap();
        let group = member(Version::V2, &[], root.path());
        let missing = ["missing".parse().unwrap()];
        let error = Below::directory(&missing, &group).unwrap_err();
        assert!(error.to_string().contains("/missing"), "{error}");
        for text in ["..", "a/../../b", "pids:../x", "", "pids:"] {
            let error = text.parse::<Below>().unwrap_err();
            assert!(
                error.to_string().contains("not a sub cgroup path"),
                "{error}"
            );
        }
    }
}
