//! The configuration that the tests begin with, as raw JSON: what our own types
//! cannot express must reach the runtime too.

use serde_json::{Value, json};

use crate::subject::Subject;

/// A shell in namespaces of its own, with the default file systems and the
/// capabilities that engines give.
pub(crate) fn base(subject: Subject) -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_NET_BIND_SERVICE"
    ]);
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities
            }
        },
        "root": { "path": "rootfs" },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            {
                "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]
            },
            {
                "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
            },
            {
                "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
            }
        ],
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "network" }
            ]
        }
    });
    if subject.rootless {
        namespace(&mut config, json!({ "type": "user" }));
        map_ids(&mut config, subject);
    } else {
        mount(
            &mut config,
            json!({
                "destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"]
            }),
        );
    }
    config
}

/// Makes the owner root inside, and maps nobody else.
pub(crate) fn map_ids(config: &mut Value, subject: Subject) {
    let (uid, gid) = subject.ids();
    let map = |id| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
    config["linux"]["uidMappings"] = map(uid);
    config["linux"]["gidMappings"] = map(gid);
}

/// Adds an entry to `mounts`.
pub(crate) fn mount(config: &mut Value, mount: Value) {
    config["mounts"].as_array_mut().unwrap().push(mount);
}

/// Puts an entry in `linux.namespaces` in the place of the one of its type.
pub(crate) fn namespace(config: &mut Value, namespace: Value) {
    without_namespace(config, namespace["type"].as_str().unwrap());
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(namespace);
}

/// Takes a type out of `linux.namespaces`.
pub(crate) fn without_namespace(config: &mut Value, kind: &str) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|entry| entry["type"] != kind);
}

/// Takes a key out of an object.
pub(crate) fn without(object: &mut Value, key: &str) {
    object.as_object_mut().unwrap().remove(key);
}
