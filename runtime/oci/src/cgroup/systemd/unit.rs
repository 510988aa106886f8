//! The unit of a container: its name, its place, its start and its end.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::directory::confine;
use super::bus::{Bus, Instance};
use super::properties::{self, YOUNGER};
use super::wire::{Body, Property, Value};
use crate::error::{Error, Result};

/// A scope of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    name: String,
    slice: String,
    instance: Instance,
}

impl Unit {
    /// What `linux.cgroupsPath` names: `slice:prefix:name`, or nothing, which
    /// is the container's id in the slice for all that is no user's.
    pub(crate) fn new(cgroups_path: Option<&str>, id: &str, privileged: bool) -> Result<Self> {
        let path = cgroups_path.filter(|path| !path.is_empty());
        let fields: Vec<_> = path.map_or(vec!["", "isorun", id], |path| path.split(':').collect());
        let [slice, prefix, name] = fields[..] else {
            return Err(invalid(format!(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, \
                 got {:?} instead",
                path.unwrap_or_default()
            )));
        };
        let (instance, default) = if privileged {
            (Instance::System, "system.slice")
        } else {
            (Instance::User, "user.slice")
        };
        let slice = if slice.is_empty() { default } else { slice };
        let unit = Self {
            name: match prefix {
                "" => format!("{name}.scope"),
                prefix => format!("{prefix}-{name}.scope"),
            },
            slice: slice.to_owned(),
            instance,
        };
        let good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if name.is_empty() || unit.name.len() > 255 || !unit.name.chars().all(good) {
            return Err(invalid(format!("`{}` is no name of a unit", unit.name)));
        }
        if expand(&unit.slice).is_none() {
            return Err(invalid(format!(
                "`{}` is no name of a slice, as `a-b.slice` is",
                unit.slice
            )));
        }
        Ok(unit)
    }

    /// Its directory below the root of every hierarchy.
    pub(in crate::cgroup) fn directory(&self) -> Result<PathBuf> {
        let above = match self.instance {
            Instance::System => String::new(),
            Instance::User => {
                self.asked("find the control group of the user's systemd", |bus| {
                    let mut body = Body::default();
                    body.text("org.freedesktop.systemd1.Manager");
                    body.text("ControlGroup");
                    bus.property(body)
                })?
            }
        };
        let slice = expand(&self.slice).unwrap_or_default();
        let path = format!("{above}/{slice}{}", self.name);
        Ok(confine(path.as_ref()))
    }

    /// Makes it around `pid`, and waits until it is there.
    pub(in crate::cgroup) fn start(
        &self,
        pid: i32,
        is_unified: bool,
        properties: Vec<Property>,
    ) -> Result<()> {
        let description = format!("container {}", self.name.trim_end_matches(".scope"));
        let mut all: Vec<Property> = vec![
            ("Description".into(), Value::Text(description)),
            ("Slice".into(), Value::Text(self.slice.clone())),
            ("Delegate".into(), Value::Bool(true)),
            ("PIDs".into(), Value::U32s(vec![pid.cast_unsigned()])),
            ("DefaultDependencies".into(), Value::Bool(false)),
        ];
        all.extend(properties::accounting(is_unified));
        all.extend(properties);
        let start = |bus: &mut Bus, all: &[Property]| {
            let mut body = Body::default();
            body.text(&self.name);
            body.text("replace");
            body.properties(all);
            body.array(8, |_| {});
            bus.job("StartTransientUnit", "ssa(sv)a(sa(sv))", body)
        };
        let step = format!("start the unit {} (systemd)", self.name);
        self.asked(&step, |bus| {
            bus.listen()?;
            let started = known(&mut all, |all| start(bus, all));
            match started {
                // What is left of one that failed keeps its name.
                Err(error) if error.to_string().contains(".UnitExists") => {
                    self.reset(bus)?;
                    start(bus, &all)
                }
                result => result,
            }
        })
    }

    /// Changes its properties, until the next boot.
    pub(in crate::cgroup) fn change(&self, mut properties: Vec<Property>) -> Result<()> {
        if properties.is_empty() {
            return Ok(());
        }
        let step = format!("change the properties of the unit {} (systemd)", self.name);
        self.asked(&step, |bus| {
            known(&mut properties, |properties| {
                let mut body = Body::default();
                body.text(&self.name);
                body.u32(1); // at run time only
                body.properties(properties);
                bus.manager("SetUnitProperties", "sba(sv)", body).map(drop)
            })
        })
    }

    /// Moves a process into the group `below` its own.
    pub(in crate::cgroup) fn attach(&self, pid: i32, below: &Path) -> Result<()> {
        let mut body = Body::default();
        body.text(&self.name);
        body.text(&format!("/{}", below.display()));
        body.array(4, |pids| pids.u32(pid.cast_unsigned()));
        let step = format!("move the process into the unit {} (systemd)", self.name);
        self.asked(&step, |bus| {
            bus.manager("AttachProcessesToUnit", "ssau", body).map(drop)
        })
    }

    /// Stops it, with all that is in it; one that is gone already is no error.
    pub(in crate::cgroup) fn stop(&self) -> Result<()> {
        let mut body = Body::default();
        body.text(&self.name);
        body.text("replace");
        let step = format!("stop the unit {} (systemd)", self.name);
        self.asked(&step, |bus| {
            bus.listen()?;
            match bus.job("StopUnit", "ss", body) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Only one that failed is still known by now.
            let _ = self.reset(bus);
            Ok(())
        })
    }

    fn reset(&self, bus: &mut Bus) -> io::Result<()> {
        let mut body = Body::default();
        body.text(&self.name);
        bus.manager("ResetFailedUnit", "s", body).map(drop)
    }

    fn asked<T>(&self, step: &str, ask: impl FnOnce(&mut Bus) -> io::Result<T>) -> Result<T> {
        let bus = self.instance.connect();
        let connected = bus.is_ok();
        bus.and_then(|mut bus| ask(&mut bus))
            .map_err(|source| Error::Setup {
                step: step.to_owned(),
                remedy: match (connected, self.instance) {
                    (false, Instance::System) => Some(NO_SYSTEMD.to_owned()),
                    (false, Instance::User) => Some(NO_USERS_SYSTEMD.to_owned()),
                    (true, _) => remedy(&source).map(str::to_owned),
                },
                source,
            })
    }
}

const NO_SYSTEMD: &str = "systemd does not run here, or its bus cannot be reached: leave \
    --systemd-cgroup (or --cgroup-manager systemd) out, and the runtime makes the groups itself";
const NO_USERS_SYSTEMD: &str = "the user's systemd does not run, or its bus cannot be reached: \
    log in (or `loginctl enable-linger`) and set XDG_RUNTIME_DIR, or leave --systemd-cgroup (or \
    --cgroup-manager systemd) out, and the runtime makes what groups it can";

fn remedy(source: &io::Error) -> Option<&'static str> {
    let text = source.to_string();
    if text.contains(".UnitExists") {
        Some("another container has this id or cgroupsPath")
    } else if text.contains("unknown property") || text.contains(".PropertyReadOnly") {
        Some("check the annotations that begin with org.systemd.property")
    } else {
        None
    }
}

/// Asks, and asks again without the younger properties where there is one that
/// this systemd does not know.
fn known(
    properties: &mut Vec<Property>,
    mut ask: impl FnMut(&[Property]) -> io::Result<()>,
) -> io::Result<()> {
    match ask(properties) {
        Err(error) if error.to_string().contains("unknown property") => {
            let count = properties.len();
            properties.retain(|(name, _)| !YOUNGER.contains(&&**name));
            if properties.len() == count {
                return Err(error);
            }
            ask(properties)
        }
        result => result,
    }
}

fn invalid(reason: String) -> Error {
    Error::Invalid {
        field: "linux.cgroupsPath".to_owned(),
        reason,
        remedy: "write it as in `system.slice:isorun:name`, or leave --systemd-cgroup out"
            .to_owned(),
    }
}

/// `a-b.slice` lies in `a.slice`: systemd's names say where they are. With a
/// slash at the end, and empty for the root.
fn expand(slice: &str) -> Option<String> {
    let name = slice.strip_suffix(".slice")?;
    // Each dash is a directory more, whose name is longer by one part.
    if slice.len() > 255 {
        return None;
    }
    if name == "-" {
        return Some(String::new());
    }
    if name.contains('/') || name.split('-').any(str::is_empty) {
        return None;
    }
    let mut path = String::new();
    for (end, _) in name.match_indices('-').chain([(name.len(), "")]) {
        path.push_str(&name[..end]);
        path.push_str(".slice/");
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<&str>) {
        let unit = Unit::new(Some(path).filter(|p| !p.is_empty()), "id", true);
        let directory = unit.and_then(|unit| unit.directory()).ok();
        let expected = expected.map(PathBuf::from);
        assert_eq!(directory, expected, "{path}");
    }

    #[test]
    fn a_path_of_three_names_is_a_scope_in_its_slices() {
        check("", Some("system.slice/isorun-id.scope"));
        check(
            "user-a-b.slice:p:n",
            Some("user.slice/user-a.slice/user-a-b.slice/p-n.scope"),
        );
        check("-.slice::n", Some("n.scope"));
        check(":p:n", Some("system.slice/p-n.scope"));
    }

    #[test]
    fn a_path_that_systemd_would_refuse_or_that_leads_elsewhere_is_refused() {
        for path in [
            "/a/b",
            "a:b",
            "a.slice:b:c:d",
            "a:p:n",
            "a--b.slice:p:n",
            "../x.slice:p:n",
            "a.slice:p:",
            "a.slice:p:../n",
            "a.slice:p/q:n",
        ] {
            check(path, None);
        }
    }
}
