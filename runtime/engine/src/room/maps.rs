//! Which ids there are in a user namespace of this user's.

use std::env;
use std::path::Path;
use std::process::Command;

use isolab_oci::spec::IdMapping;
use isolab_oci::sys::process::effective_ids;

use super::subordinate::{self, Range};
use crate::account;

/// The maps of a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maps {
    /// User ids inside and outside.
    pub uids: Vec<IdMapping>,
    /// Group ids.
    pub gids: Vec<IdMapping>,
    /// Why there is one id only, where that is so, with what would help.
    pub why_single: Option<String>,
}

impl Maps {
    /// Those of whoever runs this: an ordinary user is 0 inside, and the ids that
    /// `/etc/subuid` and `/etc/subgid` grant him are 1, 2 and so on, as in podman.
    #[must_use]
    pub fn find() -> Self {
        match effective_ids() {
            (0, _) => Self::of_root(),
            (uid, gid) => Self::of_user(uid, gid),
        }
    }

    /// Every id that this process has: for a root that may not mount.
    fn of_root() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            uids: same(&read("/proc/self/uid_map")),
            gids: same(&read("/proc/self/gid_map")),
            why_single: None,
        }
    }

    fn of_user(uid: u32, gid: u32) -> Self {
        match granted(uid, gid) {
            Ok((uids, gids)) => Self {
                uids: one_after_the_other(uid, &uids),
                gids: one_after_the_other(gid, &gids),
                why_single: None,
            },
            Err(why) => Self {
                uids: one_after_the_other(uid, &[]),
                gids: one_after_the_other(gid, &[]),
                why_single: Some(why),
            },
        }
    }

    /// Whether other ids than the user's own are mapped.
    #[must_use]
    pub fn has_many(&self) -> bool {
        self.uids.len() + self.gids.len() > 2 || self.uids.iter().any(|map| map.size > 1)
    }
}

/// What the two files grant, or why that is not to be had.
fn granted(uid: u32, gid: u32) -> Result<(Vec<Range>, Vec<Range>), String> {
    for mapper in ["newuidmap", "newgidmap"] {
        if !is_installed(mapper) {
            return Err(format!(
                "{mapper} is not installed (Debian, Ubuntu: `apt install uidmap`)"
            ));
        }
    }
    let name = name_of(uid);
    let read = |path: &'static str, own| {
        let found = subordinate::read(Path::new(path), name.as_deref(), own);
        let found = found.map_err(|error| format!("{path} cannot be read: {error}"))?;
        match found.is_empty() {
            false => Ok(found),
            true => Err(none_granted(path, name.as_deref(), uid)),
        }
    };
    // Groups are granted to the user, too: the second file names users.
    let uids = read("/etc/subuid", uid)?;
    let gids = read("/etc/subgid", uid)?;
    let gids = gids.into_iter().filter(|range| !contains(*range, gid));
    Ok((uids, gids.collect()))
}

fn contains(range: Range, id: u32) -> bool {
    id.checked_sub(range.first)
        .is_some_and(|offset| offset < range.count)
}

fn none_granted(path: &str, name: Option<&str>, uid: u32) -> String {
    let who = name.map_or_else(|| uid.to_string(), str::to_owned);
    format!(
        "{path} grants `{who}` no ids (an administrator can: `usermod --add-subuids \
         100000-165535 --add-subgids 100000-165535 {who}`)"
    )
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The user's name: from `/etc/passwd`, or where other services know him from
/// `id`, which asks them.
fn name_of(uid: u32) -> Option<String> {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    if let Some(user) = account::users(&passwd).find(|user| user.uid == uid) {
        return String::from_utf8(user.name.to_vec()).ok();
    }
    let output = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (output.status.success() && !name.is_empty()).then(|| name.to_owned())
}

/// `own` as 0, and the ranges as 1, 2 and so on.
fn one_after_the_other(own: u32, ranges: &[Range]) -> Vec<IdMapping> {
    let mut maps = vec![IdMapping {
        container_id: 0,
        host_id: own,
        size: 1,
    }];
    let mut next: u32 = 1;
    for range in ranges {
        let Some(after) = next.checked_add(range.count) else {
            break;
        };
        maps.push(IdMapping {
            container_id: next,
            host_id: range.first,
            size: range.count,
        });
        next = after;
    }
    maps
}

/// Each id of a map of the kernel's as itself (`/proc/self/uid_map`: inside,
/// outside, how many).
fn same(map: &str) -> Vec<IdMapping> {
    let extents = map.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        let (inside, _outside, size) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let id = inside.ok()?;
        Some(IdMapping {
            container_id: id,
            host_id: id,
            size: size.ok()?,
        })
    });
    extents.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_root_inside_and_what_is_granted_follows() {
        let range = |first, count| Range { first, count };
        let maps = one_after_the_other(1000, &[range(100_000, 65_536), range(500, 3)]);
        let maps: Vec<_> = maps
            .iter()
            .map(|m| (m.container_id, m.host_id, m.size))
            .collect();
        assert_eq!(maps, [(0, 1000, 1), (1, 100_000, 65_536), (65_537, 500, 3)]);
    }

    #[test]
    fn a_root_without_privilege_maps_what_it_has_to_itself() {
        let maps = same("         0       1000          1\n         1     100000      65536\n");
        let maps: Vec<_> = maps
            .iter()
            .map(|m| (m.container_id, m.host_id, m.size))
            .collect();
        assert_eq!(maps, [(0, 0, 1), (1, 1, 65_536)]);
        assert_eq!(same("0 0 4294967295\n")[0].size, u32::MAX);
    }
}
