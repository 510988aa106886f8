//! What may be mounted over a procfs: next to nothing.
//!
//! Programs and the runtime itself trust what /proc says, and switch security
//! on by writing there. A volume mounted over a part of it answers in the
//! kernel's name (CVE-2019-16884, CVE-2019-19921). The exceptions show numbers
//! alone: fuse servers such as lxcfs give a container its own.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use super::context::Context;
use super::target::Target;
use crate::error::{Error, Result};
use crate::spec;
use crate::sys::{self, Errno, file};

/// Below /proc.
const ALLOWED: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

/// Refuses a destination that is in /proc by its name. True where it is one
/// that may be mounted over.
pub(super) fn check(
    field: &str,
    target: &Target,
    entry: &spec::Mount,
    bind: bool,
    context: &Context<'_>,
) -> Result<bool> {
    let path = String::from_utf8_lossy(target.path.to_bytes());
    let inside = match path.strip_prefix("proc") {
        Some("") => {
            if is_procfs(entry, bind, context) {
                return Ok(true);
            }
            "nothing but a procfs belongs there"
        }
        Some(below) if below.starts_with('/') => {
            if entry.options.iter().any(|o| o == "remount") || ALLOWED.contains(&&below[1..]) {
                return Ok(true);
            }
            "programs trust what /proc says"
        }
        _ => return Ok(false),
    };
    Err(Error::Invalid {
        field: field.to_owned(),
        reason: format!("{} cannot be mounted over: {inside}", target.shown),
        remedy: "choose a path outside of /proc".to_owned(),
    })
}

/// Whether the entry mounts a procfs, or binds the root of one.
fn is_procfs(entry: &spec::Mount, bind: bool, context: &Context<'_>) -> bool {
    if !bind {
        return entry.fstype.as_deref() == Some("proc");
    }
    let Some(source) = &entry.source else {
        return false;
    };
    let source = context.bundle.join(source);
    let path = std::ffi::CString::new(source.as_os_str().as_bytes()).unwrap_or_default();
    file::file_system_magic_of(&path) == Ok(file::PROCFS)
        && fs::metadata(&source).is_ok_and(|meta| meta.ino() == file::PROCFS_ROOT)
}

/// Refuses a mount point that lies on a procfs, whatever symlink led there.
pub(super) fn refuse(point: RawFd) -> sys::Result<()> {
    if file::file_system_magic(point)? == file::PROCFS {
        return Err(Errno(libc::EXDEV));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Mount, Spec};

    fn check(destination: &str, source: &str, fstype: &str, expected: Option<bool>) {
        let spec = Spec::default();
        let context = Context::new(Path::new("/"), &spec);
        let target = Target::new("", Path::new(destination), false).unwrap();
        let entry = Mount {
            source: Some(source.into()),
            fstype: Some(fstype.to_owned()),
            ..Mount::default()
        };
        let found = super::check("", &target, &entry, fstype == "bind", &context);
        assert_eq!(found.ok(), expected, "{destination}");
    }

    #[test]
    fn nothing_is_mounted_over_proc_but_what_shows_numbers() {
        check("/proc", "proc", "proc", Some(true));
        check("/proc", "/proc", "bind", Some(true));
        check("/proc", "/tmp", "bind", None);
        check("/proc", "/proc/self", "bind", None);
        check("/proc", "tmpfs", "tmpfs", None);
        check("/x/../proc/", "tmpfs", "tmpfs", None);
        check("/proc/self/attr", "/tmp", "bind", None);
        check("/proc/net/dev", "/tmp/x", "bind", Some(true));
        check("/proc/meminfo", "/tmp/x", "bind", Some(true));
        check("/proc/meminfo/../kcore", "/tmp/x", "bind", None);
        check("/process", "/tmp", "bind", Some(false));
        check("/sys", "sysfs", "sysfs", Some(false));
    }
}
