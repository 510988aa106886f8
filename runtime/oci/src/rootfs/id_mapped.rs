//! Id-mapped mounts: the owners of files, seen through a user namespace's map.
//!
//! The kernel takes the map from a user namespace, given by descriptor. A
//! namespace lives as long as somebody holds it, so one is made by a child
//! that does nothing else, its maps are written, it is opened, and the child
//! is let go.
//!
//! Source: `mount_setattr(2)`, "ID-mapped mounts".

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicU32;

use super::context::Context;
use super::options::Options;
use crate::error::{Error, Result};
use crate::id_map;
use crate::namespace;
use crate::spec::{self, IdMapping, NamespaceType};
use crate::sys::clone::{Request, with_child};
use crate::sys::mount::{self, MountAttr, attr};
use crate::sys::{Descriptor, Errno, futex, process};

/// The user namespaces made so far: mounts with the same map share one.
#[derive(Debug, Default)]
pub(super) struct UserNamespaces(RefCell<Vec<Known>>);

#[derive(Debug)]
struct Known {
    uids: Vec<IdMapping>,
    gids: Vec<IdMapping>,
    namespace: OwnedFd,
}

impl UserNamespaces {
    /// One with these maps. It stays open as long as `self`.
    fn get(&self, uids: &[IdMapping], gids: &[IdMapping]) -> Result<RawFd> {
        let mut all = self.0.borrow_mut();
        if let Some(known) = all.iter().find(|n| n.uids == uids && n.gids == gids) {
            return Ok(known.namespace.as_raw_fd());
        }
        let namespace = make(uids, gids)?;
        let fd = namespace.as_raw_fd();
        all.push(Known {
            uids: uids.to_vec(),
            gids: gids.to_vec(),
            namespace,
        });
        Ok(fd)
    }
}

/// Makes a user namespace with these maps.
fn make(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd> {
    let failed = |errno: Errno| Error::Setup {
        step: "make a user namespace for an id-mapped mount".to_owned(),
        source: errno.into(),
        remedy: Some("id-mapped mounts need root and user namespaces".to_owned()),
    };
    let request = Request {
        namespaces: namespace::flag(NamespaceType::User),
        ..Request::default()
    };
    let held = AtomicU32::new(1);
    let hold = |held: &AtomicU32| {
        futex::wait_while(held, 1);
        0
    };
    let (child, opened) = with_child(request, &held, hold, |child| {
        let opened = id_map::write_for(child.pid, uids, gids).and_then(|()| {
            let path = format!("/proc/{}/ns/user", child.pid);
            File::open(&path)
                .map(OwnedFd::from)
                .map_err(|source| Error::Read {
                    path: path.into(),
                    source,
                })
        });
        futex::store_and_wake(&held, 0);
        opened
    })
    .map_err(failed)?;
    process::wait_for(child.pid, true).map_err(failed)?;
    opened
}

/// Maps the ids of the detached mount `tree`, where entry `index` asks for it.
pub(super) fn apply(
    index: usize,
    entry: &spec::Mount,
    options: &Options,
    tree: &Descriptor,
    context: &Context<'_>,
) -> Result<()> {
    let failed = |errno: Errno| Error::Setup {
        step: format!(
            "map the ids of {} (mounts[{index}])",
            entry.destination.display()
        ),
        source: errno.into(),
        remedy: Some(remedy(errno).to_owned()),
    };
    let joined;
    let (uids, gids) = (&entry.uid_mappings, &entry.gid_mappings);
    let (own_uids, own_gids) = context.maps();
    let fd = if !uids.is_empty() {
        context.user_namespaces.get(uids, gids)?
    } else if let Some(path) = context.joined_user_namespace() {
        joined = File::open(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        joined.as_raw_fd()
    } else {
        context.user_namespaces.get(own_uids, own_gids)?
    };
    let change = MountAttr {
        set: attr::IDMAP,
        userns_fd: u64::from(fd.cast_unsigned()),
        ..MountAttr::default()
    };
    mount::set_attr(tree.as_raw_fd(), &change, options.id_map == Some(true)).map_err(failed)
}

/// Whether the entry asks for it, checked.
pub(super) fn is_asked_for(
    index: usize,
    entry: &spec::Mount,
    options: &Options,
    context: &Context<'_>,
) -> Result<bool> {
    let invalid = |field: &str, reason: &str, remedy: &str| Error::Invalid {
        field: format!("mounts[{index}].{field}"),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    };
    let (uids, gids) = (&entry.uid_mappings, &entry.gid_mappings);
    if uids.is_empty() != gids.is_empty() {
        let (field, other) = if uids.is_empty() {
            ("uidMappings", "gidMappings")
        } else {
            ("gidMappings", "uidMappings")
        };
        let reason = format!("it is missing, and {other} is there");
        return Err(invalid(field, &reason, "give both, or neither"));
    }
    if uids.is_empty() && options.id_map.is_none() {
        return Ok(false);
    }
    if uids.is_empty() && !context.has_user_namespace() {
        let reason =
            "`idmap` without a map, and the container has no user namespace to take it from";
        return Err(invalid(
            "options",
            reason,
            "give uidMappings and gidMappings",
        ));
    }
    Ok(true)
}

fn remedy(errno: Errno) -> &'static str {
    match errno.code() {
        libc::EINVAL => {
            "its file system has no id-mapped mounts (ext4, xfs, btrfs and tmpfs have, \
             by kernel version), or it is mapped already"
        }
        libc::EPERM => "id-mapped mounts need root on the host",
        _ => "Linux 5.12 or newer is needed",
    }
}
