//! What this runtime can do, as the specification's features document.
//!
//! It describes the program, not the host: a kernel without AppArmor changes
//! nothing here.
//!
//! Source: `features.md` and `features-linux.md` of the runtime specification.

use serde_json::{Value, json};

use crate::rootfs;
use crate::security::capability;

/// The oldest version of the specification whose `config.json` is understood.
pub const OCI_VERSION_MIN: &str = "1.0.0";
/// The newest one.
pub const OCI_VERSION_MAX: &str = "1.3.0";

/// The points of a container's life at which hooks are run.
const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

const NAMESPACES: [&str; 8] = [
    "cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts",
];

const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// Those whose calls have names and numbers here.
const ARCHITECTURES: &[&str] = if cfg!(target_arch = "x86_64") {
    &["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"]
} else {
    &["SCMP_ARCH_AARCH64"]
};

const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// The features document.
#[must_use]
pub fn features() -> Value {
    json!({
        "ociVersionMin": OCI_VERSION_MIN,
        "ociVersionMax": OCI_VERSION_MAX,
        "hooks": HOOKS,
        "mountOptions": rootfs::known_mount_options(),
        "linux": {
            "namespaces": NAMESPACES,
            "capabilities": capability::NAMES.as_slice(),
            "cgroup": {
                "v1": true,
                "v2": true,
                "systemd": true,
                "systemdUser": true,
                "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": ACTIONS,
                "operators": OPERATORS,
                "archs": ARCHITECTURES,
                "knownFlags": FLAGS,
                "supportedFlags": FLAGS,
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": false },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
        },
        "annotations": {
            "org.isolab.isorun.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.runc.checkpoint.enabled": "false",
        },
        // The dot at its end says that others follow: properties of the unit.
        "potentiallyUnsafeConfigAnnotations": ["org.systemd.property."],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::seccomp::Filter;
    use crate::spec::{Action, Comparison, NamespaceType, Seccomp};

    fn parses<T: serde::de::DeserializeOwned>(names: &[&str]) {
        for &name in names {
            let parsed = serde_json::from_value::<T>(name.into());
            assert!(parsed.is_ok(), "{name}");
        }
    }

    #[test]
    fn every_name_listed_is_one_that_config_json_may_use() {
        parses::<Action>(&ACTIONS);
        parses::<Comparison>(&OPERATORS);
        parses::<NamespaceType>(&NAMESPACES);
        for name in capability::NAMES {
            assert!(capability::number(name).is_some(), "{name}");
        }
        let hooks = HOOKS.map(|hook| (hook.to_owned(), json!([{"path": "/bin/true"}])));
        let hooks = Value::Object(hooks.into_iter().collect());
        let parsed: crate::spec::Hooks = serde_json::from_value(hooks.clone()).unwrap();
        assert_eq!(serde_json::to_value(parsed).unwrap(), hooks);
    }

    #[test]
    fn annotations_that_the_runtime_obeys_are_listed() {
        let listed = &features()["potentiallyUnsafeConfigAnnotations"];
        // `cgroup::systemd::annotations` takes every name with this beginning.
        assert_eq!(*listed, json!(["org.systemd.property."]));
    }

    #[test]
    fn every_architecture_and_flag_listed_is_one_that_a_filter_may_use() {
        let policy = Seccomp {
            default_action: Action::Allow,
            default_errno_ret: None,
            architectures: ARCHITECTURES.iter().map(|&a| a.to_owned()).collect(),
            flags: FLAGS.iter().map(|&f| f.to_owned()).collect(),
            listener_path: None,
            listener_metadata: None,
            syscalls: Vec::new(),
        };
        Filter::compile(&policy).unwrap();
    }
}
