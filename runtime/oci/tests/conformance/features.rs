//! features.md and features-linux.md: what a runtime says of itself is true.

use serde_json::{Value, json};

use crate::case::Case;
use crate::subject::Subject;
use crate::{Claim, Need, config};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_features_document_names_its_versions",
        section: "features.md, Specification version",
        level: "REQUIRED",
        gist: "`ociVersionMin` and `ociVersionMax` are there, the latter not less than the former",
        need: document,
        test: versions,
    },
    Claim {
        name: "the_versions_of_the_features_document_are_accepted",
        section: "features.md, Specification version",
        level: "MUST",
        gist: "both are accepted as `ociVersion`",
        need: document,
        test: accepted,
    },
    Claim {
        name: "every_property_of_the_features_document_has_its_type",
        section: "features.md, Specification version",
        level: "MUST NOT",
        gist: "lists are lists of strings, switches are booleans, annotations map strings to strings; an absent one is absent or null",
        need: document,
        test: types,
    },
    Claim {
        name: "every_hook_of_the_features_document_is_supported",
        section: "features.md, Hooks",
        level: "MUST",
        gist: "a hook of each kind in `hooks` is accepted and called",
        need: document,
        test: hooks,
    },
    Claim {
        name: "every_mount_option_of_the_features_document_is_recognised",
        section: "features.md, Mount options",
        level: "MUST",
        gist: "no option in `mountOptions` is handed to the file system as one that is unknown",
        need: document,
        test: mount_options,
    },
    Claim {
        name: "the_mount_options_of_the_features_document_are_those_demanded",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`mountOptions` has every option that a runtime must implement",
        need: document,
        test: demanded_options,
    },
    Claim {
        name: "every_namespace_of_the_features_document_is_recognised",
        section: "features-linux.md, Namespaces",
        level: "MUST",
        gist: "each type in `linux.namespaces` is accepted",
        need: document,
        test: namespaces,
    },
    Claim {
        name: "every_capability_of_the_features_document_is_recognised",
        section: "features-linux.md, Capabilities",
        level: "MUST",
        gist: "each name in `linux.capabilities` is accepted",
        need: document,
        test: capabilities,
    },
    Claim {
        name: "every_word_of_seccomp_in_the_features_document_is_recognised",
        section: "features-linux.md, Seccomp",
        level: "MUST",
        gist: "each action, operator, architecture and flag is accepted",
        need: document,
        test: seccomp,
    },
    Claim {
        name: "the_features_document_has_no_other_properties",
        section: "features.md, Specification version",
        level: "MUST NOT",
        gist: "there is no property but those that the specification defines in the version of `ociVersionMax`",
        need: document,
        test: no_others,
    },
    Claim {
        name: "the_features_document_tells_of_mapped_mounts",
        section: "features-linux.md, MountExtensions",
        level: "MUST",
        gist: "`mountExtensions.idmap.enabled` is true where mappings of a mount are recognised",
        need: root_document,
        test: mapped_mounts,
    },
];

fn text(subject: Subject) -> Option<Vec<u8>> {
    let case = Case::new(subject);
    let output = case.runtime(&["features"]);
    output.status.success().then_some(output.stdout)
}

fn document(subject: Subject) -> Need {
    // It is the same for every user.
    if subject.rootless && crate::subject::am_root() {
        return Err("is the same as root's".to_owned());
    }
    text(subject)
        .map(drop)
        .ok_or_else(|| format!("{} has no `features`", subject.runtime.name()))
}

fn root_document(subject: Subject) -> Need {
    crate::root(subject)?;
    document(subject)
}

fn features(subject: Subject) -> Value {
    serde_json::from_slice(&text(subject).unwrap()).unwrap()
}

/// The strings at `pointer`; none where the property is absent or null.
fn strings(document: &Value, pointer: &str) -> Vec<String> {
    let list = match document.pointer(pointer) {
        None | Some(Value::Null) => return Vec::new(),
        Some(list) => list
            .as_array()
            .unwrap_or_else(|| panic!("{pointer} is no list")),
    };
    list.iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn numbers(version: &str) -> Vec<u32> {
    let release = version.split(['-', '+']).next().unwrap();
    release
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect()
}

fn versions(subject: Subject) {
    let document = features(subject);
    let version = |name: &str| numbers(document[name].as_str().unwrap());
    let (least, most) = (version("ociVersionMin"), version("ociVersionMax"));
    assert_eq!((least.len(), most.len()), (3, 3), "not SemVer");
    assert!(least <= most, "{least:?} {most:?}");
}

fn accepted(subject: Subject) {
    let document = features(subject);
    let case = Case::new(subject);
    for name in ["ociVersionMin", "ociVersionMax"] {
        let mut config = case.config("echo up");
        config["ociVersion"] = document[name].clone();
        assert_eq!(case.output(&config), "up\n", "{name}");
    }
}

fn types(subject: Subject) {
    let document = features(subject);
    for pointer in [
        "/hooks",
        "/mountOptions",
        "/potentiallyUnsafeConfigAnnotations",
        "/linux/namespaces",
        "/linux/capabilities",
        "/linux/seccomp/actions",
        "/linux/seccomp/operators",
        "/linux/seccomp/archs",
        "/linux/seccomp/knownFlags",
        "/linux/seccomp/supportedFlags",
    ] {
        strings(&document, pointer);
    }
    for pointer in [
        "/linux/cgroup/v1",
        "/linux/cgroup/v2",
        "/linux/cgroup/systemd",
        "/linux/cgroup/systemdUser",
        "/linux/cgroup/rdma",
        "/linux/seccomp/enabled",
        "/linux/apparmor/enabled",
        "/linux/selinux/enabled",
        "/linux/intelRdt/enabled",
        "/linux/mountExtensions/idmap/enabled",
    ] {
        let value = document.pointer(pointer).unwrap_or(&Value::Null);
        assert!(value.is_null() || value.is_boolean(), "{pointer}: {value}");
    }
    let annotations = &document["annotations"];
    if !annotations.is_null() {
        assert!(
            annotations
                .as_object()
                .unwrap()
                .values()
                .all(Value::is_string),
            "{annotations}"
        );
    }
}

fn hooks(subject: Subject) {
    let kinds = strings(&features(subject), "/hooks");
    let case = Case::new(subject);
    let mut config = case.config("true");
    let busybox = crate::busybox::find().unwrap();
    for kind in &kinds {
        let (program, log) = match &**kind {
            "startContainer" => ("/bin/busybox".as_ref(), "/log".into()),
            _ => (busybox, case.rootfs().join("log")),
        };
        let script = format!("echo {kind} >>{}; cat >/dev/null", log.display());
        config["hooks"][kind] =
            json!([{ "path": program, "args": ["sh", "-c", script], "env": ["PATH=/bin"] }]);
    }
    let container = case.create(&config);
    container.start();
    container.wait_stopped();
    container.delete().unwrap();
    let log = std::fs::read_to_string(case.rootfs().join("log")).unwrap_or_default();
    for kind in &kinds {
        assert!(
            log.lines().any(|line| line == kind),
            "{kind} was not called: {log}"
        );
    }
}

fn mount_options(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    for option in strings(&features(subject), "/mountOptions") {
        // Some are of no use on a new tmpfs, or need what it is not given; the
        // names of access control lists belong to other file systems.
        let idle = [
            "bind", "rbind", "remount", "idmap", "ridmap", "acl", "noacl",
        ];
        if !idle.contains(&&*option) {
            let mount = json!({
                "destination": format!("/mnt/{option}"), "type": "tmpfs", "source": "tmpfs",
                "options": [option]
            });
            config::mount(&mut config, mount);
        }
    }
    case.create(&config);
}

/// What `config.md` demands, without what it leaves open.
const DEMANDED: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "iversion",
    "lazytime",
    "loud",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "private",
    "rbind",
    "relatime",
    "remount",
    "ro",
    "rprivate",
    "rshared",
    "rslave",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "sync",
    "unbindable",
];

fn demanded_options(subject: Subject) {
    let listed = strings(&features(subject), "/mountOptions");
    if listed.is_empty() {
        return; // the property is optional
    }
    for option in DEMANDED {
        assert!(listed.iter().any(|found| found == option), "{option}");
    }
}

fn namespaces(subject: Subject) {
    let case = Case::new(subject);
    for kind in strings(&features(subject), "/linux/namespaces") {
        let mut config = case.config("true");
        config::namespace(&mut config, json!({ "type": kind }));
        if kind == "user" {
            config::map_ids(&mut config, subject);
        }
        let created = case.try_create(&config);
        created.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

fn capabilities(subject: Subject) {
    let names = strings(&features(subject), "/linux/capabilities");
    let case = Case::new(subject);
    let mut config = case.config("echo up");
    config["process"]["capabilities"] = json!({ "bounding": names });
    let text = case.output(&config);
    for name in &names {
        // One that this host cannot grant is named in a warning as what it is.
        assert!(
            !text.contains(&format!("unknown capability {name}")),
            "{text}"
        );
    }
    assert!(text.ends_with("up\n"), "{text}");
}

fn seccomp(subject: Subject) {
    let document = features(subject);
    let case = Case::new(subject);
    let words = |name: &str| strings(&document, &format!("/linux/seccomp/{name}"));
    let mut rules = Vec::new();
    // Calls that no runtime and no shell makes.
    let names = [
        "acct",
        "swapon",
        "swapoff",
        "reboot",
        "nfsservctl",
        "vhangup",
        "uselib",
        "ustat",
        "sysfs",
    ];
    let actions = words("actions");
    let actions = actions.iter().filter(|&action| action != "SCMP_ACT_NOTIFY"); // needs a listener
    for (action, name) in actions.zip(names) {
        rules.push(json!({ "names": [name], "action": action }));
    }
    for operator in words("operators") {
        rules.push(json!({
            "names": ["syslog"], "action": "SCMP_ACT_ERRNO",
            "args": [{ "index": 0, "value": 1, "valueTwo": 1, "op": operator }]
        }));
    }
    let mut config = case.config("echo up");
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": words("archs"),
        "flags": words("supportedFlags"), "syscalls": rules
    });
    assert_eq!(case.output(&config), "up\n");
}

/// The properties that are defined, each with the version that they came with.
const DEFINED: &[(&str, u32, &[&str])] = &[
    (
        "",
        1,
        &[
            "ociVersionMin",
            "ociVersionMax",
            "hooks",
            "mountOptions",
            "linux",
            "annotations",
            "potentiallyUnsafeConfigAnnotations",
        ],
    ),
    (
        "/linux",
        1,
        &[
            "namespaces",
            "capabilities",
            "cgroup",
            "seccomp",
            "apparmor",
            "selinux",
            "intelRdt",
            "mountExtensions",
        ],
    ),
    ("/linux", 3, &["netDevices", "memoryPolicy"]),
    (
        "/linux/cgroup",
        1,
        &["v1", "v2", "systemd", "systemdUser", "rdma"],
    ),
    (
        "/linux/seccomp",
        1,
        &[
            "enabled",
            "actions",
            "operators",
            "archs",
            "knownFlags",
            "supportedFlags",
        ],
    ),
    ("/linux/apparmor", 1, &["enabled"]),
    ("/linux/selinux", 1, &["enabled"]),
    ("/linux/intelRdt", 1, &["enabled"]),
    ("/linux/intelRdt", 3, &["schemata", "monitoring"]),
    ("/linux/mountExtensions", 1, &["idmap"]),
    ("/linux/mountExtensions/idmap", 1, &["enabled"]),
    ("/linux/netDevices", 3, &["enabled"]),
    ("/linux/memoryPolicy", 3, &["modes", "flags"]),
];

fn no_others(subject: Subject) {
    let document = features(subject);
    // The document itself came with 1.1; a pre-release has what its release will.
    let newest = numbers(document["ociVersionMax"].as_str().unwrap())[1].max(1);
    for (place, ..) in DEFINED {
        let Some(Value::Object(object)) = document.pointer(place) else {
            continue;
        };
        for name in object.keys() {
            let is_defined = DEFINED.iter().any(|(of, since, names)| {
                of == place && *since <= newest && names.contains(&&**name)
            });
            assert!(is_defined, "{place}/{name}");
        }
    }
}

fn mapped_mounts(subject: Subject) {
    let told = features(subject)["linux"]["mountExtensions"]["idmap"]["enabled"] == true;
    let case = Case::new(subject);
    let mut config = case.config("true");
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 10 }]);
    // Recognised, it is an error: the other half is missing.
    config::mount(
        &mut config,
        json!({
            "destination": "/mnt", "source": "rootfs", "options": ["bind", "idmap"], "uidMappings": map
        }),
    );
    let recognised = case.try_create(&config).is_err();
    assert_eq!(told, recognised);
}
