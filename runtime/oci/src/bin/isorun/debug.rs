//! What --debug tells of the steps of a command. All of it is in closures that
//! nobody calls without --debug: nothing is worked out or read for it then.

use std::fmt::Display;

use isolab_oci::spec::{Hooks, Namespace};
use isolab_oci::{Begin, Bundle, Cgroup, Container, Options, Spec};

use crate::log::Log;

/// The points of a life at which hooks run, by the command that runs them.
const BY_CREATE: &[&str] = &["prestart", "createRuntime", "createContainer"];
const BY_RUN: &[&str] = &[
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
];
pub(crate) const BY_START: &[&str] = &["startContainer", "poststart"];
pub(crate) const BY_DELETE: &[&str] = &["poststop"];

/// What a container is about to be made of.
pub(crate) fn making(bundle: &Bundle, begin: Begin, options: &Options, log: &mut Log<'_>) {
    let spec = bundle.spec();
    log.debug(|| {
        let directory = bundle.directory().display();
        format!(
            "bundle {directory}, by version {} of the specification",
            spec.oci_version
        )
    });
    log.debug(|| manager(&options.cgroup, spec));
    log.debug(|| namespaces(spec));
    let points = match begin {
        Begin::Later => BY_CREATE,
        Begin::Now => BY_RUN,
    };
    hooks(spec, points, log);
}

/// The hooks that a command runs at these `points`.
fn hooks(spec: &Spec, points: &[&str], log: &mut Log<'_>) {
    log.debug(|| {
        let lists = spec.hooks.iter().flat_map(Hooks::by_point);
        let of_these = lists.filter(|(point, _)| points.contains(point));
        let named = of_these.flat_map(|(point, hooks)| {
            let numbered = hooks.iter().enumerate();
            numbered.map(move |(at, hook)| format!("{point}[{at}] {}", hook.path.display()))
        });
        format!("hooks to run: {}", list(named))
    });
}

/// The same, of a container that exists. What cannot be read is an error where
/// it is needed, and none here.
pub(crate) fn hooks_of(container: &Container, points: &[&str], log: &mut Log<'_>) {
    if log.has_debug()
        && let Ok(spec) = container.spec()
    {
        hooks(&spec, points, log);
    }
}

/// The control groups of a container.
pub(crate) fn groups(container: &Container, log: &mut Log<'_>) {
    log.debug(|| {
        let directories = container.groups().directories();
        format!(
            "control groups: {}",
            list(directories.map(|path| path.display()))
        )
    });
}

fn manager(cgroup: &Cgroup, spec: &Spec) -> String {
    let path = spec
        .linux
        .as_ref()
        .and_then(|linux| linux.cgroups_path.as_ref());
    let path = path.map_or("no path".to_owned(), |path| {
        format!("the path {}", path.display())
    });
    match cgroup {
        Cgroup::Systemd => format!("control groups are made by systemd; the config names {path}"),
        Cgroup::Inherit => "control groups stay the caller's".to_owned(),
        _ => format!("control groups are made here (cgroupfs); the config names {path}"),
    }
}

fn namespaces(spec: &Spec) -> String {
    let all = spec
        .linux
        .as_ref()
        .map_or(&[][..], |linux| &linux.namespaces);
    let told = |namespace: &Namespace| match &namespace.path {
        Some(path) => format!("{} of {}", namespace.kind.name(), path.display()),
        None => format!("new {}", namespace.kind.name()),
    };
    format!("namespaces: {}", list(all.iter().map(told)))
}

fn list(all: impl Iterator<Item = impl Display>) -> String {
    let words: Vec<String> = all.map(|one| one.to_string()).collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}
