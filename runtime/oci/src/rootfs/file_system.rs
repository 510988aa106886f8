//! Mounts of a file system's own: proc, tmpfs, devpts and the like.

use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::context::Context;
use super::copy_up;
use super::mounts::mount_on;
use super::options::Options;
use super::site::Point;
use crate::error::{Error, Result, c_string};
use crate::spec::{self, IdMapping};
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Descriptor, Errno, file};

/// A new instance of a file system.
#[derive(Debug)]
pub(super) struct FileSystem {
    pub(super) fstype: CString,
    source: CString,
    flags: u64,
    data: CString,
    /// The host's own, bound instead where the kernel lets nobody mount one.
    otherwise: Option<&'static CStr>,
    /// Where relative paths in the options start.
    directory: Option<CString>,
    /// A tmpfs is given the permissions of the directory that it covers.
    keep_mode: bool,
    /// A tmpfs begins with what that directory holds.
    copy_up: bool,
}

impl FileSystem {
    /// Prepares entry `index` of `mounts`.
    pub(super) fn prepare(
        index: usize,
        entry: &spec::Mount,
        options: &Options,
        context: &Context<'_>,
    ) -> Result<Self> {
        let fstype = entry.fstype.as_deref().unwrap_or("");
        let invalid = |name: &str, reason: String, remedy: &str| Error::Invalid {
            field: format!("mounts[{index}].{name}"),
            reason,
            remedy: remedy.to_owned(),
        };
        if matches!(fstype, "" | "none") {
            let reason = "there is none, and no `bind` among the options".to_owned();
            return Err(invalid("type", reason, "name a file system, or add `bind`"));
        }
        if options.id_map.is_some() || !entry.uid_mappings.is_empty() {
            let reason = format!("`{fstype}` cannot be mapped: only a bind mount can");
            return Err(invalid("uidMappings", reason, "remove the maps"));
        }
        let text =
            |name: &str, bytes: &[u8]| c_string(format_args!("mounts[{index}].{name}"), bytes);
        if let Some(word) = unmapped(&options.data, context) {
            let reason = format!("`{word}`: the container's user namespace does not map this id");
            return Err(invalid(
                "options",
                reason,
                "map it, or leave the option out",
            ));
        }
        let is_tmpfs = fstype == "tmpfs";
        if options.copy_up && !is_tmpfs {
            let reason = format!("`tmpcopyup` means nothing to {fstype}");
            return Err(invalid("options", reason, "use it with a tmpfs"));
        }
        let source = entry.source.as_deref().unwrap_or(Path::new(fstype));
        let own = ["proc", "sysfs", "tmpfs", "devpts", "mqueue"].contains(&fstype);
        let has_mode = options.data.iter().any(|word| word.starts_with("mode="));
        Ok(Self {
            fstype: text("type", fstype.as_bytes())?,
            source: text("source", source.as_os_str().as_bytes())?,
            flags: options.flags,
            data: text("options", options.data.join(",").as_bytes())?,
            otherwise: match fstype {
                // A sysfs shows a network namespace, a queue file system an
                // IPC namespace, a procfs a pid namespace: only who owns that
                // may mount one.
                "sysfs" => Some(c"/sys"),
                "mqueue" => Some(c"/dev/mqueue"),
                "proc" if !context.has_pid_namespace() => Some(c"/proc"),
                _ => None,
            },
            directory: (!own)
                .then(|| text("options", context.bundle.as_os_str().as_bytes()))
                .transpose()?,
            keep_mode: is_tmpfs && !has_mode,
            copy_up: options.copy_up,
        })
    }

    /// Mounts it onto `point`. `reopen` opens what is mounted there.
    pub(super) fn perform(
        &self,
        point: &Point<'_>,
        reopen: impl Fn() -> sys::Result<Descriptor>,
    ) -> sys::Result<()> {
        if let Some(directory) = &self.directory {
            // Where it may not be entered, absolute paths still lead somewhere.
            let _ = file::chdir(directory);
        }
        let mut data = (!self.data.is_empty()).then_some(self.data.as_c_str());
        let mut buffer = [0; libc::PATH_MAX as usize];
        if self.keep_mode && !point.made {
            let mode = file::stat_at(point.dir, point.name)?.mode & 0o7777;
            data = with_mode(mode, &self.data, &mut buffer);
        }
        let flags = self.flags;
        match mount_on(point, Some(&self.source), Some(&self.fstype), flags, data) {
            Err(Errno(libc::EPERM)) => self.bind_the_hosts(point),
            Ok(()) if self.copy_up => {
                // `point` still leads to the directory below.
                if point.made {
                    return Ok(());
                }
                copy_up::copy(point.dir, reopen()?.as_raw_fd(), !self.keep_mode)
            }
            result => result,
        }
    }

    fn bind_the_hosts(&self, point: &Point<'_>) -> sys::Result<()> {
        let host = self.otherwise.ok_or(Errno(libc::EPERM))?;
        let tree = mount::clone_tree(libc::AT_FDCWD, host, true)?;
        if self.flags & libc::MS_RDONLY != 0 || host == c"/sys" {
            mount::set_attr(tree.as_raw_fd(), &MountAttr::READ_ONLY, true)?;
        }
        mount::attach(tree.as_raw_fd(), point.dir, point.name)
    }
}

/// `data` with `mode=` before it.
fn with_mode<'b>(mode: u32, data: &CStr, buffer: &'b mut [u8; 4096]) -> Option<&'b CStr> {
    let start = b"mode=";
    let data = data.to_bytes();
    let mut end = start.len();
    buffer[..end].copy_from_slice(start);
    for shift in [9, 6, 3, 0] {
        buffer[end] = b'0' + (mode >> shift & 7) as u8;
        end += 1;
    }
    if !data.is_empty() {
        buffer[end] = b',';
        end += 1;
        let room = buffer.get_mut(end..end + data.len())?;
        room.copy_from_slice(data);
        end += data.len();
    }
    CStr::from_bytes_with_nul(buffer.get(..=end)?).ok()
}

/// The first of `words` that names an id which the container's new user
/// namespace does not have: the kernel would answer `EINVAL`, and not say why.
fn unmapped<'w>(words: &'w [String], context: &Context<'_>) -> Option<&'w str> {
    if !context.has_user_namespace() || context.joined_user_namespace().is_some() {
        return None;
    }
    let (uids, gids) = context.maps();
    let has = |map: &[IdMapping], id: u32| {
        map.iter()
            .any(|m| id >= m.container_id && id - m.container_id < m.size)
    };
    let lacks = |word: &str| {
        let (name, id) = word.split_once('=')?;
        let id: u32 = id.parse().ok()?;
        match name {
            "uid" => Some(!has(uids, id)),
            "gid" => Some(!has(gids, id)),
            _ => None,
        }
    };
    let found = words.iter().find(|word| lacks(word) == Some(true));
    found.map(String::as_str)
}
