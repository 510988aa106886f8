//! What a `config.json` must and must not say, checked before anything is done.

use std::path::Path;

use super::{Linux, NamespaceType, Process, Spec};
use crate::error::{Error, Result};

/// Checks `spec`; returns its process, which every container needs.
///
/// # Errors
/// [`Error::Invalid`] for a value that contradicts the specification or
/// another field; [`Error::Unsupported`] for what this runtime does not do.
/// Both name the field and a remedy.
pub fn check(spec: &Spec) -> Result<&Process> {
    version(&spec.oci_version)?;
    let Some(process) = &spec.process else {
        return Err(invalid("process", "it is missing", "say what to run"));
    };
    let Some(root) = &spec.root else {
        return Err(invalid(
            "root",
            "it is missing",
            "name the root file system's directory",
        ));
    };
    if root.path.as_os_str().is_empty() {
        return Err(invalid(
            "root.path",
            "it is empty",
            "name the root file system's directory",
        ));
    }
    check_process(process)?;
    check_hooks(spec)?;
    let linux = spec.linux();
    check_namespaces(spec, linux)?;
    refuse(spec, process, linux)?;
    for (index, mount) in spec.mounts.iter().enumerate() {
        if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
            return Err(unsupported(
                &format!("mounts[{index}].uidMappings"),
                "id-mapped mounts",
                "remove the mappings of the mount",
            ));
        }
    }
    Ok(process)
}

fn version(version: &str) -> Result<()> {
    if version.starts_with("1.") {
        return Ok(());
    }
    Err(invalid(
        "ociVersion",
        &format!("`{version}` is not 1.x"),
        "write \"1.0.2\"",
    ))
}

fn check_process(process: &Process) -> Result<()> {
    if process.args.first().is_none_or(String::is_empty) {
        return Err(invalid(
            "process.args",
            "it is empty",
            "name the program to run",
        ));
    }
    if !process.cwd.has_root() {
        let reason = format!("`{}` is not absolute", process.cwd.display());
        return Err(invalid("process.cwd", &reason, "start it with `/`"));
    }
    if let Some(bad) = process
        .env
        .iter()
        .find(|e| e.find('=').is_none_or(|at| at == 0))
    {
        let reason = format!("`{bad}` is not of the form KEY=value");
        return Err(invalid("process.env", &reason, "write KEY=value"));
    }
    if process
        .oom_score_adj
        .is_some_and(|score| !(-1000..=1000).contains(&score))
    {
        return Err(invalid(
            "process.oomScoreAdj",
            "it is out of range",
            "-1000 to 1000",
        ));
    }
    let mut kinds: Vec<_> = process.rlimits.iter().map(|l| &l.kind).collect();
    kinds.sort_unstable();
    if let Some(twice) = kinds.windows(2).find(|pair| pair[0] == pair[1]) {
        let reason = format!("`{}` is given twice", twice[0]);
        return Err(invalid("process.rlimits", &reason, "keep one"));
    }
    Ok(())
}

fn check_hooks(spec: &Spec) -> Result<()> {
    let points = spec.hooks.iter().flat_map(super::Hooks::by_point);
    let each = points.flat_map(|(point, hooks)| hooks.iter().enumerate().map(move |h| (point, h)));
    for (point, (index, hook)) in each {
        let field = |name| format!("hooks.{point}[{index}].{name}");
        if !hook.path.is_absolute() {
            let reason = format!("`{}` is not absolute", hook.path.display());
            return Err(invalid(&field("path"), &reason, "start it with `/`"));
        }
        if let Some(timeout) = hook.timeout.filter(|&seconds| seconds <= 0) {
            let reason = format!("{timeout} is not positive");
            let remedy = "give whole seconds from 1 on, or leave it out to wait for ever";
            return Err(invalid(&field("timeout"), &reason, remedy));
        }
    }
    Ok(())
}

fn check_namespaces(spec: &Spec, linux: &Linux) -> Result<()> {
    let field = "linux.namespaces";
    let has = |kind| linux.namespaces.iter().any(|n| n.kind == kind);
    for (index, namespace) in linux.namespaces.iter().enumerate() {
        let kind = namespace.kind.name();
        if linux.namespaces[..index]
            .iter()
            .any(|n| n.kind == namespace.kind)
        {
            return Err(invalid(
                field,
                &format!("`{kind}` is given twice"),
                "keep one",
            ));
        }
        let needs_more = matches!(
            namespace.kind,
            NamespaceType::User | NamespaceType::Pid | NamespaceType::Mount
        );
        if namespace.path.is_some() && needs_more {
            return Err(unsupported(
                field,
                &format!("joining a {kind} namespace by path"),
                "leave out `path` to make a new one",
            ));
        }
    }
    if !has(NamespaceType::Mount) {
        let remedy = "add {\"type\": \"mount\"}";
        return Err(invalid(
            field,
            "there is no mount namespace: the host's root would change",
            remedy,
        ));
    }
    if spec.hostname.is_some() && !has(NamespaceType::Uts) {
        return Err(invalid(
            "hostname",
            "without a uts namespace it is the host's",
            "add {\"type\": \"uts\"}",
        ));
    }
    if spec.domainname.is_some() && !has(NamespaceType::Uts) {
        return Err(invalid(
            "domainname",
            "without a uts namespace it is the host's",
            "add {\"type\": \"uts\"}",
        ));
    }
    let mapped = !linux.uid_mappings.is_empty() && !linux.gid_mappings.is_empty();
    if has(NamespaceType::User) && !mapped {
        return Err(invalid(
            "linux.uidMappings",
            "a user namespace needs maps of user and group ids",
            "map containerID 0 to your own id (`id -u`, `id -g`), size 1",
        ));
    }
    if !has(NamespaceType::User)
        && (!linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty())
    {
        return Err(invalid(
            "linux.uidMappings",
            "there is no user namespace to map",
            "add {\"type\": \"user\"}",
        ));
    }
    if !linux.time_offsets.is_empty() && !has(NamespaceType::Time) {
        return Err(invalid(
            "linux.timeOffsets",
            "there is no time namespace",
            "add {\"type\": \"time\"}",
        ));
    }
    Ok(())
}

/// Refuses by name what is asked for and not done.
fn refuse(spec: &Spec, process: &Process, linux: &Linux) -> Result<()> {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
    let is = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .is_some_and(|v| !v.is_null() && *v != serde_json::json!({}))
    };
    let resources = linux.resources.as_ref();
    let refusals = [
        (
            process.terminal,
            "process.terminal",
            "a terminal",
            "set it to false",
        ),
        (
            set(&process.apparmor_profile),
            "process.apparmorProfile",
            "AppArmor profiles",
            "remove it",
        ),
        (
            set(&process.selinux_label),
            "process.selinuxLabel",
            "SELinux labels",
            "remove it",
        ),
        (
            is(&process.scheduler),
            "process.scheduler",
            "scheduler attributes",
            "remove it",
        ),
        (
            is(&process.io_priority),
            "process.ioPriority",
            "I/O priorities",
            "remove it",
        ),
        (
            is(&process.exec_cpu_affinity),
            "process.execCPUAffinity",
            "CPU affinity",
            "use linux.resources.cpu.cpus",
        ),
        (
            spec.hooks.as_ref().is_some_and(|h| !h.is_empty()),
            "hooks",
            "hooks",
            "remove them",
        ),
        (
            set(&linux.mount_label),
            "linux.mountLabel",
            "SELinux labels",
            "remove it",
        ),
        (
            is(&linux.intel_rdt),
            "linux.intelRdt",
            "Intel RDT",
            "remove it",
        ),
        (
            is(&linux.personality),
            "linux.personality",
            "execution domains",
            "remove it",
        ),
        (
            resources.is_some_and(|r| is(&r.block_io)),
            "linux.resources.blockIO",
            "block I/O limits",
            "remove them",
        ),
        (
            resources.is_some_and(|r| is(&r.network)),
            "linux.resources.network",
            "network classes and priorities",
            "remove them",
        ),
        (
            resources.is_some_and(|r| !r.hugepage_limits.is_empty()),
            "linux.resources.hugepageLimits",
            "huge page limits",
            "remove them",
        ),
        (
            resources.is_some_and(|r| !r.rdma.is_empty()),
            "linux.resources.rdma",
            "RDMA limits",
            "remove them",
        ),
    ];
    match refusals.into_iter().find(|(asked, ..)| *asked) {
        Some((_, field, what, remedy)) => Err(unsupported(field, what, remedy)),
        None => Ok(()),
    }
}

/// Checks a container's id: it names directories.
///
/// # Errors
/// [`Error::Invalid`] for an id that is empty or not made of letters, digits, `_`, `+`, `-`, `.`.
pub fn check_id(id: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    if !id.is_empty()
        && id.len() <= 1024
        && id.chars().all(good)
        && !Path::new(id).ends_with("..")
        && id != "."
    {
        return Ok(());
    }
    Err(invalid(
        "the container's id",
        &format!("`{id}` is no valid id"),
        "use letters, digits, `_`, `+`, `-` and `.` only",
    ))
}

fn invalid(field: &str, reason: &str, remedy: &str) -> Error {
    Error::Invalid {
        field: field.to_owned(),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}

fn unsupported(field: &str, reason: &str, remedy: &str) -> Error {
    Error::Unsupported {
        field: field.to_owned(),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}
