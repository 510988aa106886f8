//! What a `config.json` must and must not say, checked before anything is done.

mod hooks;
mod linux;
mod process;
mod resources;

pub(crate) use resources::check as check_resources;

use super::{Linux, NamespaceType, Process, Spec};
use crate::error::{Error, Result};

/// Checks `spec`; returns its process, which a container need not have before it
/// is started (`config.md`, "Process").
///
/// # Errors
/// [`Error::Invalid`] for a value that contradicts the specification or
/// another field; [`Error::Unsupported`] for what this runtime does not do.
/// Both name the field and a remedy.
pub fn check(spec: &Spec) -> Result<Option<&Process>> {
    version(&spec.oci_version)?;
    let Some(root) = &spec.root else {
        return Err(invalid(
            "root",
            "root must be specified",
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
    hooks::check(spec)?;
    let linux = spec.linux();
    names(spec)?;
    linux::check(linux)?;
    check_namespaces(spec, linux)?;
    let process = spec.process.as_ref();
    process.map_or(Ok(()), process::check)?;
    refuse(process.unwrap_or(&Process::default()), linux)?;
    Ok(process)
}

/// The error of a container that is to be started and has no process.
pub(crate) fn no_process() -> Error {
    let reason = "process property must not be empty";
    invalid("process", reason, "say what to run")
}

/// Checks the process of a container that exists already.
///
/// # Errors
/// As for [`check`].
pub fn check_process(process: &Process) -> Result<()> {
    refuse(process, &Linux::default())?;
    process::check(process)
}

/// `major.minor`, and what may follow.
fn version(version: &str) -> Result<()> {
    let mut parts = version.split(['.', '-', '+']);
    let number = |part: Option<&str>| part.is_some_and(|p| p.parse::<u32>().is_ok());
    if parts.next() == Some("1") && number(parts.next()) {
        return Ok(());
    }
    Err(invalid(
        "ociVersion",
        &format!("unknown version specified: `{}` is not 1.x", shown(version)),
        "write \"1.0.2\", or up to \"1.3.0\"",
    ))
}

/// The kernel's names are at most 64 bytes long (`uts_namespaces(7)`).
fn names(spec: &Spec) -> Result<()> {
    let names = [
        ("hostname", &spec.hostname),
        ("domainname", &spec.domainname),
    ];
    for (field, name) in names {
        if let Some(name) = name
            && name.len() > 64
        {
            let reason = format!("`{}` has {} bytes", shown(name), name.len());
            return Err(invalid(field, &reason, "at most 64"));
        }
    }
    if spec.annotations.contains_key("") {
        let remedy = "name it, or remove it";
        return Err(invalid("annotations", "a key is empty", remedy));
    }
    Ok(())
}

fn check_namespaces(spec: &Spec, linux: &Linux) -> Result<()> {
    let field = "linux.namespaces";
    let has = |kind| linux.namespaces.iter().any(|n| n.kind == kind);
    for (index, namespace) in linux.namespaces.iter().enumerate() {
        let kind = namespace.kind.name();
        if let Some(path) = &namespace.path
            && !path.is_absolute()
        {
            let reason = format!("`{}` is not absolute", path.display());
            let field = format!("{field}[{index}].path");
            return Err(invalid(&field, &reason, "as in /proc/PID/ns/net"));
        }
        if linux.namespaces[..index]
            .iter()
            .any(|n| n.kind == namespace.kind)
        {
            return Err(invalid(
                field,
                &format!("duplicated ns: `{kind}` is given twice"),
                "keep one",
            ));
        }
    }
    let hides = !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty();
    if hides && !has(NamespaceType::Mount) {
        return Err(invalid(
            field,
            "unable to restrict sys entries without a private MNT namespace: maskedPaths and \
             readonlyPaths would change the host's",
            "add {\"type\": \"mount\"}",
        ));
    }
    if spec.hostname.is_some() && !has(NamespaceType::Uts) {
        return Err(invalid(
            "hostname",
            "unable to set hostname without a private UTS namespace",
            "add {\"type\": \"uts\"}",
        ));
    }
    if spec.domainname.is_some() && !has(NamespaceType::Uts) {
        return Err(invalid(
            "domainname",
            "unable to set domainname without a private UTS namespace",
            "add {\"type\": \"uts\"}",
        ));
    }
    let mapped = !linux.uid_mappings.is_empty() && !linux.gid_mappings.is_empty();
    // One that exists has its maps already.
    let is_new = |n: &super::Namespace| n.kind == NamespaceType::User && n.path.is_none();
    if linux.namespaces.iter().any(is_new) && !mapped {
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
    if !linux.net_devices.is_empty() && !has(NamespaceType::Network) {
        return Err(invalid(
            "linux.netDevices",
            "there is no network namespace to move them to",
            "add {\"type\": \"network\"}",
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
fn refuse(process: &Process, linux: &Linux) -> Result<()> {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
    let is = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .is_some_and(|v| !v.is_null() && *v != serde_json::json!({}))
    };
    let refusals = [
        (
            set(&process.selinux_label),
            "process.selinuxLabel",
            "SELinux labels",
            "remove it",
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
            is(&linux.memory_policy),
            "linux.memoryPolicy",
            "NUMA memory policies",
            "remove it, or use linux.resources.cpu.mems",
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
/// [`Error::Invalid`] for an id that is empty, longer than 1024 bytes, `.` or
/// `..`, or not made of letters, digits, `_`, `+`, `-`, `.`.
pub fn check_id(id: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
    if (1..=1024).contains(&id.len()) && id.chars().all(good) && id != "." && id != ".." {
        return Ok(());
    }
    Err(invalid(
        "the container's id",
        &format!("invalid container ID format: `{}`", shown(id)),
        "use 1 to 1024 letters, digits, `_`, `+`, `-` and `.`, and not `.` or `..` alone",
    ))
}

/// A value as an error may show it: on one line, of bounded length.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
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
