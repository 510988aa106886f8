//! User and group ids inside a user namespace, and who may write the maps.
//!
//! A process may map its own id, and nothing else, by itself: one id, size 1,
//! group changes given up (`/proc/self/setgroups`). For ranges the kernel wants
//! a privileged writer in the *parent* namespace: root, or for an ordinary user
//! the set-user-id programs `newuidmap` and `newgidmap`, which ask
//! `/etc/subuid` and `/etc/subgid`.
//!
//! Source: `user_namespaces(7)`, "Defining user and group ID mappings".

use std::fmt::Write as _;
use std::io;
use std::process::Command;

use crate::error::{Error, Result};
use crate::spec::IdMapping;
use crate::sys;

/// The maps of a user namespace, and their writer.
#[derive(Debug)]
pub(crate) enum IdMap {
    /// The child writes them itself.
    BySelf(SelfMap),
    /// The parent writes them, or has them written, while the child waits.
    ByParent {
        uids: Vec<IdMapping>,
        gids: Vec<IdMapping>,
    },
}

/// A map of one id to the runtime's own.
#[derive(Debug)]
pub(crate) struct SelfMap {
    uid_map: String,
    gid_map: String,
}

impl IdMap {
    /// Picks the writer: the child, wherever the kernel lets it.
    pub(crate) fn choose(uids: &[IdMapping], gids: &[IdMapping]) -> Self {
        let (uid, gid) = sys::process::effective_ids();
        if uid == 0 && keeps_groups() {
            return Self::ByParent {
                uids: uids.to_vec(),
                gids: gids.to_vec(),
            };
        }
        match (uids, gids) {
            ([u], [g]) if u.size == 1 && g.size == 1 && u.host_id == uid && g.host_id == gid => {
                Self::BySelf(SelfMap {
                    uid_map: lines(uids),
                    gid_map: lines(gids),
                })
            }
            _ => Self::ByParent {
                uids: uids.to_vec(),
                gids: gids.to_vec(),
            },
        }
    }
}

/// Whether this process has groups that it could give up, and its child could
/// not: who writes a map without privilege gives up to change groups first.
fn keeps_groups() -> bool {
    let may = || std::fs::read("/proc/self/setgroups");
    sys::credential::has_groups() && may().is_ok_and(|text| text.starts_with(b"allow"))
}

fn lines(map: &[IdMapping]) -> String {
    map.iter().fold(String::new(), |mut text, m| {
        let _ = writeln!(text, "{} {} {}", m.container_id, m.host_id, m.size);
        text
    })
}

impl SelfMap {
    // ANCHOR: id_map
    /// Maps one id, from inside the new namespace. Runs in the child.
    pub(crate) fn write(&self) -> sys::Result<()> {
        let write =
            |path, text: &str| sys::descriptor::write_file(libc::AT_FDCWD, path, text.as_bytes());
        // First: without it the kernel refuses the group map, since dropping a
        // group could open a file that its group was denied.
        write(c"/proc/self/setgroups", "deny")?;
        write(c"/proc/self/uid_map", &self.uid_map)?;
        write(c"/proc/self/gid_map", &self.gid_map)
    }
    // ANCHOR_END: id_map
}

/// Writes the maps of process `pid`. Runs in the parent.
pub(crate) fn write_for(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    if sys::process::effective_ids().0 == 0 {
        write_as_root(pid, "uid_map", uids)?;
        write_as_root(pid, "gid_map", gids)
    } else {
        run_mapper("newuidmap", pid, uids)?;
        run_mapper("newgidmap", pid, gids)
    }
}

fn write_as_root(pid: i32, file: &str, map: &[IdMapping]) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, lines(map)).map_err(|source| Error::Write {
        path: path.into(),
        source,
    })
}

fn run_mapper(program: &str, pid: i32, map: &[IdMapping]) -> Result<()> {
    let failed = |source, remedy: &str| Error::Setup {
        step: format!("map the ids of the user namespace with {program}"),
        source,
        remedy: Some(remedy.to_owned()),
    };
    let numbers = map.iter().flat_map(|m| [m.container_id, m.host_id, m.size]);
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(numbers.map(|n| n.to_string()))
        .output()
        .map_err(|source| {
            failed(
                source,
                "install it (Debian, Ubuntu: `apt install uidmap`), or map one id only",
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(
        io::Error::other(said),
        "map only ids that /etc/subuid and /etc/subgid grant to this user, and the user's own",
    ))
}
