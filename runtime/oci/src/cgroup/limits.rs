//! From `linux.resources` to control files and what is written to them.
//!
//! Pure: what the kernel has is found out when the settings are
//! [applied](super::apply). A number 0 means "leave it as it is", as the
//! engines above have it.
//!
//! Source: the kernel's `admin-guide/cgroup-v1` and `cgroup-v2.rst`.

mod block;
pub(super) mod v1;
pub(super) mod v2;

use std::borrow::Cow;
use std::fmt::Display;

use crate::error::{Error, Result};
use crate::spec::{HugepageLimit, Pids, Rdma, Resources};

/// One limit: a value for one control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// What asks for it, below `linux.resources`.
    pub(super) field: Cow<'static, str>,
    /// The controller that has the file.
    pub(super) controller: Cow<'static, str>,
    /// Files that may have it, with what to write: the first that exists gets it.
    pub(super) choices: Vec<(Cow<'static, str>, String)>,
    /// What it means that there is no such file.
    pub(super) absent: Absent,
}

/// What to do where the kernel has no file for a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The limit cannot be kept: that is an error.
    Fails,
    /// Nothing is lost.
    IsFine,
    /// Only version 1 ever had it: on version 2 the error says so.
    IsOfVersion1,
}

/// Files of version 2 can be named only where nothing is version 1's.
pub(super) fn check_unified(resources: &Resources, is_unified: bool) -> Result<()> {
    match resources.unified.keys().next() {
        Some(file) if !is_unified => Err(Error::Invalid {
            field: format!("linux.resources.unified.{file}"),
            reason: "invalid configuration: cannot use unified on cgroup v1".to_owned(),
            remedy: "remove it, or boot with systemd.unified_cgroup_hierarchy=1".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn set(
    field: &'static str,
    controller: &'static str,
    file: impl Into<Cow<'static, str>>,
    value: impl Display,
) -> Setting {
    Setting {
        field: field.into(),
        controller: controller.into(),
        choices: vec![(file.into(), value.to_string())],
        absent: Absent::Fails,
    }
}

impl Setting {
    fn or(mut self, file: &'static str, value: impl Display) -> Self {
        self.choices.push((file.into(), value.to_string()));
        self
    }

    fn if_there(mut self) -> Self {
        self.absent = Absent::IsFine;
        self
    }

    fn of_version_1(mut self) -> Self {
        self.absent = Absent::IsOfVersion1;
        self
    }

    fn named(mut self, field: String) -> Self {
        self.field = field.into();
        self
    }
}

/// −1 means "no limit", which the kernel calls `max`.
fn or_max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

fn given<T: PartialEq + Default + Copy>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// The same file in both versions.
fn pids(pids: &Pids) -> Option<Setting> {
    (pids.limit != 0).then(|| set("pids.limit", "pids", "pids.max", or_max(pids.limit)))
}

fn cpusets(cpu: &crate::spec::Cpu) -> impl Iterator<Item = Setting> {
    let list = |list: &Option<String>| list.clone().filter(|l| !l.trim().is_empty());
    let cpus = list(&cpu.cpus).map(|v| set("cpu.cpus", "cpuset", "cpuset.cpus", v));
    let mems = list(&cpu.mems).map(|v| set("cpu.mems", "cpuset", "cpuset.mems", v));
    cpus.into_iter().chain(mems)
}

/// What may be used, and what may be reserved, which older kernels do not tell apart.
fn hugepages(index: usize, limit: &HugepageLimit, file: &str) -> [Setting; 2] {
    let name = || format!("hugepageLimits[{index}].limit");
    let size = &limit.page_size;
    [
        set("", "hugetlb", format!("hugetlb.{size}.{file}"), limit.limit).named(name()),
        set(
            "",
            "hugetlb",
            format!("hugetlb.{size}.rsvd.{file}"),
            limit.limit,
        )
        .named(name())
        .if_there(),
    ]
}

/// The same file in both versions.
fn rdma(device: &str, limits: &Rdma) -> Option<Setting> {
    let handles = limits.hca_handles.map(|n| format!(" hca_handle={n}"));
    let objects = limits.hca_objects.map(|n| format!(" hca_object={n}"));
    if handles.is_none() && objects.is_none() {
        return None;
    }
    let line = format!(
        "{device}{}{}",
        handles.unwrap_or_default(),
        objects.unwrap_or_default()
    );
    Some(set("", "rdma", "rdma.max", line).named(format!("rdma.{device}")))
}

#[cfg(test)]
fn check(settings: &[Setting], expected: &[(&str, &str)]) {
    let first = |s: &Setting| s.choices[0].clone();
    let settings: Vec<_> = settings.iter().map(first).collect();
    let settings: Vec<_> = settings.iter().map(|(f, v)| (&**f, &**v)).collect();
    assert_eq!(settings, expected);
}

#[cfg(test)]
fn resources(text: &str) -> crate::spec::Resources {
    serde_json::from_str(text).unwrap()
}
