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
use std::process::{Child, Command, Stdio};

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
        // Each takes milliseconds, to start and to ask who the user is.
        let users = start_mapper("newuidmap", pid, uids)?;
        let groups = start_mapper("newgidmap", pid, gids)?;
        users.finish()?;
        groups.finish()
    }
}

fn write_as_root(pid: i32, file: &str, map: &[IdMapping]) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, lines(map)).map_err(|source| Error::Write {
        path: path.into(),
        source,
    })
}

/// A set-user-id program that writes a map.
struct Mapper {
    program: &'static str,
    child: Child,
}

fn failed(program: &str, source: io::Error, remedy: &str) -> Error {
    Error::Setup {
        step: format!("map the ids of the user namespace with {program}"),
        source,
        remedy: Some(remedy.to_owned()),
    }
}

fn start_mapper(program: &'static str, pid: i32, map: &[IdMapping]) -> Result<Mapper> {
    let numbers = map.iter().flat_map(|m| [m.container_id, m.host_id, m.size]);
    let started = Command::new(program)
        .arg(pid.to_string())
        .args(numbers.map(|n| n.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let child = started.map_err(|source| {
        let remedy = "install it (Debian, Ubuntu: `apt install uidmap`), or map one id only";
        failed(program, source, remedy)
    })?;
    Ok(Mapper { program, child })
}

impl Mapper {
    fn finish(self) -> Result<()> {
        let program = self.program;
        let remedy =
            "map only ids that /etc/subuid and /etc/subgid grant to this user, and the user's own";
        let output = self.child.wait_with_output();
        let output = output.map_err(|source| failed(program, source, remedy))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(failed(program, io::Error::other(said), remedy))
    }
}
