//! The `config.json` that `isorun spec` writes: the one that runc writes, so
//! that bundles and timings can be compared.

use std::path::PathBuf;

use super::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceType, Process,
    Resources, Rlimit, Root, Spec,
};

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&s| s.to_owned()).collect()
}

fn paths(list: &[&str]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

fn mount(destination: &str, fstype: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        fstype: Some(fstype.to_owned()),
        source: Some(source.into()),
        options: texts(options),
        ..Mount::default()
    }
}

impl Spec {
    /// A shell in a read-only root, in new pid, network, IPC, UTS and mount
    /// namespaces, with three capabilities: what `runc spec` writes.
    #[must_use]
    pub fn example() -> Self {
        let capabilities = texts(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
        let new = |kind| Namespace { kind, path: None };
        Self {
            oci_version: "1.0.2".to_owned(),
            process: Some(Process {
                terminal: true,
                args: texts(&["sh"]),
                env: texts(&[
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "TERM=xterm",
                ]),
                cwd: "/".into(),
                capabilities: Some(Capabilities {
                    bounding: capabilities.clone(),
                    effective: capabilities.clone(),
                    permitted: capabilities.clone(),
                    ambient: capabilities,
                    inheritable: Vec::new(),
                }),
                rlimits: vec![Rlimit {
                    kind: "RLIMIT_NOFILE".to_owned(),
                    hard: 1024,
                    soft: 1024,
                }],
                no_new_privileges: true,
                ..Process::default()
            }),
            root: Some(Root {
                path: "rootfs".into(),
                readonly: true,
            }),
            hostname: Some("isorun".to_owned()),
            mounts: Self::example_mounts(),
            linux: Some(Linux {
                resources: Some(Resources {
                    devices: vec![DeviceRule {
                        allow: false,
                        kind: None,
                        major: None,
                        minor: None,
                        access: Some("rwm".to_owned()),
                    }],
                    ..Resources::default()
                }),
                namespaces: vec![
                    new(NamespaceType::Pid),
                    new(NamespaceType::Network),
                    new(NamespaceType::Ipc),
                    new(NamespaceType::Uts),
                    new(NamespaceType::Mount),
                    new(NamespaceType::Cgroup),
                ],
                masked_paths: Self::default_masked_paths(),
                readonly_paths: Self::default_readonly_paths(),
                ..Linux::default()
            }),
            ..Self::default()
        }
    }

    /// The example for an ordinary user: a user namespace in which `uid` and
    /// `gid` are root, the host's network, no control groups.
    #[must_use]
    pub fn example_rootless(uid: u32, gid: u32) -> Self {
        let mut spec = Self::example();
        for mount in &mut spec.mounts {
            if mount.fstype.as_deref() == Some("devpts") {
                mount.options.retain(|o| o != "gid=5"); // group 5 is not mapped
            }
        }
        // The kernel mounts a sysfs only for who owns the network namespace.
        spec.mounts.retain(|m| !m.destination.starts_with("/sys"));
        spec.mounts.push(mount(
            "/sys",
            "none",
            "/sys",
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        ));
        if let Some(linux) = &mut spec.linux {
            let map = |host_id| {
                vec![IdMapping {
                    container_id: 0,
                    host_id,
                    size: 1,
                }]
            };
            linux.uid_mappings = map(uid);
            linux.gid_mappings = map(gid);
            linux.resources = None;
            linux
                .namespaces
                .retain(|n| n.kind != NamespaceType::Network);
            linux.namespaces.push(Namespace {
                kind: NamespaceType::User,
                path: None,
            });
        }
        spec
    }

    /// `/proc`, `/dev` and below, `/sys` and the control groups.
    #[must_use]
    pub fn example_mounts() -> Vec<Mount> {
        vec![
            mount("/proc", "proc", "proc", &[]),
            mount(
                "/dev",
                "tmpfs",
                "tmpfs",
                &["nosuid", "strictatime", "mode=755", "size=65536k"],
            ),
            mount(
                "/dev/pts",
                "devpts",
                "devpts",
                &[
                    "nosuid",
                    "noexec",
                    "newinstance",
                    "ptmxmode=0666",
                    "mode=0620",
                    "gid=5",
                ],
            ),
            mount(
                "/dev/shm",
                "tmpfs",
                "shm",
                &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
            ),
            mount(
                "/dev/mqueue",
                "mqueue",
                "mqueue",
                &["nosuid", "noexec", "nodev"],
            ),
            mount(
                "/sys",
                "sysfs",
                "sysfs",
                &["nosuid", "noexec", "nodev", "ro"],
            ),
            mount(
                "/sys/fs/cgroup",
                "cgroup",
                "cgroup",
                &["nosuid", "noexec", "nodev", "relatime", "ro"],
            ),
        ]
    }

    /// Kernel interfaces that tell of the host, or reach it.
    #[must_use]
    pub fn default_masked_paths() -> Vec<PathBuf> {
        paths(&[
            "/proc/acpi",
            "/proc/asound",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/sys/firmware",
            "/proc/scsi",
        ])
    }

    /// Kernel interfaces that may be read but not written.
    #[must_use]
    pub fn default_readonly_paths() -> Vec<PathBuf> {
        paths(&[
            "/proc/bus",
            "/proc/fs",
            "/proc/irq",
            "/proc/sys",
            "/proc/sysrq-trigger",
        ])
    }
}
