//! Version 2: a container that can write to its groups gets its own group.
//!
//! Where it has a control group namespace and a writable `/sys/fs/cgroup`, its
//! program's user may make groups below its own, and move processes between
//! them (a systemd inside does). Limits stay the runtime's: the kernel lists
//! which files say where processes are, and not how much they get.
//!
//! Source: `config-linux.md`, "Cgroup ownership"; `cgroups(7)`, "Cgroup delegation".

use std::fs;
use std::os::unix::fs::lchown;
use std::path::Path;

use crate::error::{Error, Result};
use crate::spec::{Mount, NamespaceType, Spec};

/// The kernel's list of the files that go with a group.
const LIST: &str = "/sys/kernel/cgroup/delegate";
/// As it was in Linux 4.14, the last without the list.
const WITHOUT_LIST: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads";

/// Whose the group of `spec`'s container is to be, in ids of the host, if not
/// the runtime's.
pub(crate) fn of_group(spec: &Spec) -> Option<u32> {
    let linux = spec.linux();
    let namespace = |kind| linux.namespaces.iter().find(|n| n.kind == kind);
    let is_new = namespace(NamespaceType::Cgroup).is_some_and(|n| n.path.is_none());
    if !is_new || !spec.mounts.iter().any(is_writable) {
        return None;
    }
    let uid = spec.process.as_ref()?.user.uid;
    let uid = match namespace(NamespaceType::User) {
        None => uid,
        // The maps of one that is joined are not in the configuration.
        Some(joined) if joined.path.is_some() => return None,
        Some(_) => linux.uid_mappings.iter().find_map(|map| {
            let within = uid.checked_sub(map.container_id)?;
            (within < map.size).then(|| map.host_id.checked_add(within))?
        })?,
    };
    (uid != crate::sys::process::effective_ids().0).then_some(uid)
}

fn is_writable(mount: &Mount) -> bool {
    mount.destination == Path::new("/sys/fs/cgroup")
        && mount.source.as_deref() == Some(Path::new("cgroup"))
        && !mount.options.iter().any(|option| option == "ro")
}

/// Gives the group `directory` to `uid`.
pub(super) fn give(directory: &Path, uid: u32) -> Result<()> {
    let list = fs::read_to_string(LIST).unwrap_or_else(|_| WITHOUT_LIST.to_owned());
    let files = list.lines().map(|name| directory.join(name));
    // Not every group has every file: the root of a tree has few.
    let files = files.filter(|file| file.exists());
    for path in std::iter::once(directory.to_owned()).chain(files) {
        lchown(&path, Some(uid), None).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(namespaces: &str, uid: u32, options: &str) -> Option<u32> {
        let text = format!(
            r#"{{"ociVersion":"1.3.0","root":{{"path":"r"}},
              "process":{{"cwd":"/","args":["a"],"user":{{"uid":{uid},"gid":0}}}},
              "mounts":[{{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup",
                         "options":[{options}]}}],
              "linux":{{"namespaces":[{namespaces}],
                "uidMappings":[{{"containerID":0,"hostID":700000,"size":10}},
                               {{"containerID":10,"hostID":900000,"size":10}}]}}}}"#
        );
        of_group(&Spec::from_slice(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_group_is_that_of_the_user_who_can_write_it() {
        let both = r#"{"type":"cgroup"},{"type":"user"}"#;
        assert_eq!(owner(both, 3, r#""rw""#), Some(700_003));
        assert_eq!(owner(both, 12, ""), Some(900_002));
        assert_eq!(owner(both, 20, ""), None);
        assert_eq!(owner(r#"{"type":"cgroup"}"#, 4321, ""), Some(4321));
        assert_eq!(owner(both, 3, r#""nosuid","ro""#), None);
        assert_eq!(owner(r#"{"type":"user"}"#, 3, ""), None);
        let joined = r#"{"type":"cgroup","path":"/proc/1/ns/cgroup"},{"type":"user"}"#;
        assert_eq!(owner(joined, 3, ""), None);
        let joined = r#"{"type":"cgroup"},{"type":"user","path":"/proc/1/ns/user"}"#;
        assert_eq!(owner(joined, 3, ""), None);
    }

    #[test]
    fn files_that_are_not_there_are_no_failure() {
        let group = tempfile::tempdir().unwrap();
        fs::write(group.path().join("cgroup.procs"), "").unwrap();
        give(group.path(), crate::sys::process::effective_ids().0).unwrap();
    }
}
