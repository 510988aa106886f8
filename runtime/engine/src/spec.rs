//! The container that the lab starts: as isolated as Docker's, for root and
//! for an ordinary user alike.

use std::path::PathBuf;

use isolab_oci::Spec;
use isolab_oci::spec::{Capabilities, IdMapping, Linux, Namespace, NamespaceType, Process, Root};
use isolab_oci::sys::process::effective_ids;

use crate::seccomp;

/// Which capabilities a container keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privileges {
    /// None: a program that only computes, reads and serves needs none.
    #[default]
    None,
    /// The fourteen that Docker leaves to root in a container.
    Docker,
}

/// What differs from container to container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The root file system; relative to the bundle where it is not absolute.
    pub rootfs: PathBuf,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment, `KEY=value`.
    pub env: Vec<String>,
    /// The working directory inside.
    pub cwd: PathBuf,
    /// Whether the root file system may not be written to.
    pub read_only_root: bool,
    /// Which capabilities it keeps.
    pub privileges: Privileges,
    /// The host name inside.
    pub hostname: String,
}

impl Settings {
    /// A program in a read-only root, with no capability.
    #[must_use]
    pub fn new<A: Into<String>>(
        rootfs: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            rootfs: rootfs.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: vec!["PATH=/usr/local/bin:/usr/bin:/bin".to_owned()],
            cwd: "/".into(),
            read_only_root: true,
            privileges: Privileges::None,
            hostname: "isolab".to_owned(),
        }
    }
}

/// The container for `settings`: new user, pid, mount, UTS, IPC, network and
/// control group namespaces, fresh /proc and /dev, `no_new_privs`, masked
/// kernel interfaces and the default system call filter.
///
/// Root inside is the caller outside: one id is mapped, the caller's own, which
/// the kernel allows everybody.
#[must_use]
pub fn default_spec(settings: &Settings) -> Spec {
    let (uid, gid) = effective_ids();
    let map = |host_id| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size: 1,
        }]
    };
    let mut mounts = Spec::example_mounts();
    for mount in &mut mounts {
        mount.options.retain(|option| option != "gid=5"); // only one group is mapped
    }
    Spec {
        oci_version: "1.0.2".to_owned(),
        process: Some(Process {
            args: settings.args.clone(),
            env: settings.env.clone(),
            cwd: settings.cwd.clone(),
            capabilities: Some(capabilities(settings.privileges)),
            no_new_privileges: true,
            ..Process::default()
        }),
        root: Some(Root {
            path: settings.rootfs.clone(),
            readonly: settings.read_only_root,
        }),
        hostname: Some(settings.hostname.clone()),
        mounts,
        linux: Some(Linux {
            uid_mappings: map(uid),
            gid_mappings: map(gid),
            namespaces: [
                NamespaceType::User,
                NamespaceType::Pid,
                NamespaceType::Mount,
                NamespaceType::Uts,
                NamespaceType::Ipc,
                NamespaceType::Network,
                NamespaceType::Cgroup,
            ]
            .map(|kind| Namespace { kind, path: None })
            .to_vec(),
            seccomp: Some(seccomp::profile(
                &capabilities(settings.privileges).bounding,
            )),
            masked_paths: Spec::default_masked_paths(),
            readonly_paths: Spec::default_readonly_paths(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

/// Docker's set: what the programs of common images need to change users,
/// bind low ports and own their files.
pub(crate) const DOCKER: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

pub(crate) fn capabilities(privileges: Privileges) -> Capabilities {
    let names: Vec<String> = match privileges {
        Privileges::None => Vec::new(),
        Privileges::Docker => DOCKER.iter().map(|&name| name.to_owned()).collect(),
    };
    // Never inheritable: a program's file capabilities must not add to these.
    Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_container_is_one_that_the_runtime_takes() {
        for privileges in [Privileges::None, Privileges::Docker] {
            let settings = Settings {
                privileges,
                ..Settings::new("rootfs", ["/bin/true"])
            };
            isolab_oci::spec::validate::check(&default_spec(&settings)).unwrap();
        }
    }

    #[test]
    fn every_kind_of_namespace_but_time_is_new() {
        let spec = default_spec(&Settings::new("rootfs", ["/bin/true"]));
        let mut kinds: Vec<_> = spec
            .linux
            .unwrap()
            .namespaces
            .iter()
            .map(|n| n.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 7);
        assert!(!kinds.contains(&NamespaceType::Time));
    }

    #[test]
    fn every_capability_of_the_docker_set_exists() {
        for name in DOCKER {
            assert!(
                isolab_oci::security::capability::number(name).is_some(),
                "{name}"
            );
        }
    }
}
