//! `isorun spec`: a config.json to start from.

use std::io::{self, Write as _};
use std::path::Path;

use isolab_oci::Spec;
use isolab_oci::spec::NamespaceType;

use crate::arguments::{Given, Key};
use crate::exit::ExitCode;
use crate::failure::Failure;

/// Writes it; one that is there is never overwritten.
pub(crate) fn write(given: &Given<'_>) -> Result<ExitCode, Failure> {
    let mut spec = if given.flag(Key::SpecRootless) {
        let (uid, gid) = isolab_oci::sys::process::effective_ids();
        Spec::example_rootless(uid, gid)
    } else {
        Spec::example()
    };
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        // As `runc spec`: the hierarchies of version 1 are shown from their roots.
        let linux = spec.linux.get_or_insert_default();
        linux.namespaces.retain(|n| n.kind != NamespaceType::Cgroup);
    }
    let mut text = serde_json::to_string_pretty(&spec)
        .map_err(|error| Failure::plain(format!("cannot write the spec: {error}")))?;
    text.push('\n');
    let name = given.value(Key::File).unwrap_or("config.json");
    if name == "-" {
        return super::print(text);
    }
    let path = given.path(Key::Bundle).unwrap_or(Path::new("")).join(name);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            format!("cannot write {}: it exists", path.display()),
            "remove it first, or name another directory with --bundle",
        ),
        _ => Failure::file("write", &path, &error),
    };
    // `create_new`: two commands at once cannot overwrite each other either.
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
