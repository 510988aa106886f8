//! The specification of a container from an image: as isolated as Docker's, as
//! root and as an ordinary user.
//!
//! Root's container has the host's ids, as Docker's has; an ordinary user's has a
//! user namespace with the room's ids. It is its own, with nothing between it and
//! the user's: so set-user-id programs, `chown` and package managers find the ids
//! that they know, and the namespace is gone with the container.

use std::path::Path;

use isolab_oci::Spec;
use isolab_oci::spec::{
    DeviceRule, Linux, Mount, Namespace, NamespaceType, Process, Resources, Root, User,
};

use super::files;
use super::settings::{Network, Settings, Tmpfs};
use crate::account::Account;
use crate::room::Room;
use crate::seccomp;
use crate::spec::capabilities;

/// Whose user namespace it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// Its own, where the user needs one.
    Own,
    /// That of the process that starts it, which is inside the room.
    Room,
}

/// The container for `settings`, whose root is mounted at or is `root`, and whose own files are in `place`.
pub(super) fn of(
    settings: &Settings,
    account: &Account,
    root: &Path,
    place: &Path,
    room: &Room,
    within: Within,
) -> Spec {
    let capabilities = capabilities(settings.privileges);
    let maps = room.maps();
    let of_room = |kind: fn(&crate::room::Maps) -> &Vec<_>| match within {
        Within::Own => maps.map(kind).cloned().unwrap_or_default(),
        Within::Room => Vec::new(),
    };
    let uid_mappings = of_room(|maps| &maps.uids);
    let namespaces = namespaces(settings.network, !uid_mappings.is_empty());
    Spec {
        oci_version: "1.0.2".to_owned(),
        process: Some(Process {
            terminal: settings.terminal,
            user: User {
                uid: account.uid,
                gid: account.gid,
                additional_gids: account.groups.clone(),
                ..User::default()
            },
            args: settings.args.clone(),
            env: settings.environment(account.home.as_deref()),
            cwd: settings.cwd.clone(),
            capabilities: Some(capabilities.clone()),
            // Set-user-id programs are the image's own business, as in Docker.
            no_new_privileges: false,
            ..Process::default()
        }),
        root: Some(Root {
            path: root.to_owned(),
            readonly: settings.read_only,
        }),
        hostname: Some(settings.hostname.clone()),
        mounts: mounts(settings, place, room, within),
        linux: Some(Linux {
            uid_mappings,
            gid_mappings: of_room(|maps| &maps.gids),
            namespaces,
            resources: maps.is_none().then(no_devices),
            seccomp: Some(seccomp::profile(&capabilities.bounding)),
            masked_paths: Spec::default_masked_paths(),
            readonly_paths: Spec::default_readonly_paths(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

fn namespaces(network: Network, user: bool) -> Vec<Namespace> {
    let always = [
        NamespaceType::Pid,
        NamespaceType::Mount,
        NamespaceType::Uts,
        NamespaceType::Ipc,
        NamespaceType::Cgroup,
    ];
    let user = user.then_some(NamespaceType::User);
    let network = (network == Network::None).then_some(NamespaceType::Network);
    let all = user.into_iter().chain(always).chain(network);
    all.map(|kind| Namespace { kind, path: None }).collect()
}

/// No device but the default ones: root in the container could make a node of any.
fn no_devices() -> Resources {
    Resources {
        devices: vec![DeviceRule {
            allow: false,
            kind: None,
            major: None,
            minor: None,
            access: Some("rwm".to_owned()),
        }],
        ..Resources::default()
    }
}

fn mounts(settings: &Settings, place: &Path, room: &Room, within: Within) -> Vec<Mount> {
    let mut mounts = Spec::example_mounts();
    let is_user = room.maps().is_some();
    if room.maps().is_some_and(|maps| !maps.has_many()) {
        for mount in &mut mounts {
            mount.options.retain(|option| option != "gid=5"); // only one group is mapped
        }
    }
    if is_user && within == Within::Room {
        // An ordinary user has no groups there to show.
        mounts.retain(|mount| mount.destination != Path::new("/sys/fs/cgroup"));
    }
    if settings.network == Network::Host && is_user {
        // The kernel mounts a sysfs only for who owns the network namespace.
        mounts.retain(|mount| !mount.destination.starts_with("/sys"));
        mounts.push(bind(
            Path::new("/sys"),
            Path::new("/sys"),
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        ));
    }
    mounts.extend(files::mounts(place));
    let mut own: Vec<Mount> = settings.tmpfs.iter().map(memory).collect();
    own.extend(settings.binds.iter().map(|volume| {
        let access = if volume.read_only { "ro" } else { "rw" };
        bind(
            &volume.source,
            &volume.destination,
            &["rbind", "rprivate", access],
        )
    }));
    // One may lie in another.
    own.sort_by_key(|mount| mount.destination.components().count());
    mounts.extend(own);
    mounts
}

fn memory(tmpfs: &Tmpfs) -> Mount {
    let usual = ["nosuid", "nodev", "mode=1777"].map(str::to_owned);
    let size = tmpfs.size.map(|bytes| format!("size={bytes}"));
    Mount {
        destination: tmpfs.destination.clone(),
        fstype: Some("tmpfs".to_owned()),
        source: Some("tmpfs".into()),
        options: usual.into_iter().chain(size).collect(),
        ..Mount::default()
    }
}

fn bind(source: &Path, destination: &Path, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        fstype: Some("bind".to_owned()),
        source: Some(source.to_owned()),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        ..Mount::default()
    }
}
