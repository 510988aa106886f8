//! config.md: versions, the root, and what a runtime does not know.

use std::fs;

use serde_json::{Value, json};

use crate::case::{Case, fresh_id};
use crate::subject::Subject;
use crate::{Claim, anyone, config};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "every_version_of_the_first_major_one_is_accepted",
        section: "config.md, Specification version",
        level: "MUST",
        gist: "a bundle of 1.0.0 to 1.2.1, or of a pre-release of one, is accepted",
        need: anyone,
        test: versions,
    },
    Claim {
        name: "a_version_that_is_none_is_refused",
        section: "config.md, Specification version",
        level: "MUST",
        gist: "`ociVersion` is there, is in the format of SemVer, and its major number is one that the runtime knows",
        need: anyone,
        test: no_version,
    },
    Claim {
        name: "the_configuration_lies_in_the_bundle",
        section: "bundle.md and config.md",
        level: "MUST",
        gist: "`config.json` is at the top of the bundle, is JSON, and an object",
        need: anyone,
        test: file,
    },
    Claim {
        name: "a_root_is_found_by_absolute_and_relative_path",
        section: "config.md, Root",
        level: "REQUIRED",
        gist: "`root.path` is absolute, or relative to the bundle",
        need: anyone,
        test: root_path,
    },
    Claim {
        name: "a_root_must_be_a_directory_that_exists",
        section: "config.md, Root",
        level: "MUST",
        gist: "no `root`, no `path`, a path that leads nowhere or to a file: an error",
        need: anyone,
        test: no_root,
    },
    Claim {
        name: "a_read_only_root_cannot_be_written",
        section: "config.md, Root",
        level: "MUST",
        gist: "with `readonly` the root cannot be written; without it, it can",
        need: anyone,
        test: readonly,
    },
    Claim {
        name: "properties_that_are_unknown_are_ignored",
        section: "config.md, Extensibility",
        level: "MUST",
        gist: "an unknown property is no error, wherever it stands",
        need: anyone,
        test: unknown,
    },
    Claim {
        name: "a_value_of_the_wrong_type_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "invalid values are an error: here a value of another type than the property's",
        need: anyone,
        test: wrong_types,
    },
    Claim {
        name: "a_value_that_is_not_in_the_list_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "invalid values are an error: here a word that is none of those that are defined",
        need: anyone,
        test: wrong_words,
    },
    Claim {
        name: "a_hostname_is_that_of_the_container",
        section: "config.md, Hostname",
        level: "OPTIONAL",
        gist: "`hostname` is what the program sees, and the host's own stays",
        need: anyone,
        test: hostname,
    },
    Claim {
        name: "a_domainname_is_that_of_the_container",
        section: "config.md, Domainname",
        level: "OPTIONAL",
        gist: "`domainname` is what the program sees, and the host's own stays",
        need: anyone,
        test: domainname,
    },
];

fn versions(subject: Subject) {
    let case = Case::new(subject);
    for version in [
        "1.0.0",
        "1.0.1",
        "1.0.2",
        "1.0.2-dev",
        "1.1.0",
        "1.1.0+dev",
        "1.2.0",
        "1.2.1",
    ] {
        let mut config = case.config("echo up");
        config["ociVersion"] = json!(version);
        let container = case.try_create(&config);
        let container = container.unwrap_or_else(|error| panic!("{version}: {error}"));
        let state = container.state();
        assert!(state["ociVersion"].is_string(), "{state}");
    }
}

fn no_version(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    for version in [
        json!(""),
        json!("one"),
        json!("1"),
        json!("2.0.0"),
        json!(null),
        json!(1),
    ] {
        config["ociVersion"] = version.clone();
        case.refused(version, &config);
    }
    config::without(&mut config, "ociVersion");
    case.refused("no version", &config);
}

/// Tries to create a container of what stands in `config.json`.
fn refused_text(case: &Case, text: &str) {
    fs::write(case.beside("config.json"), text).unwrap();
    case.give(&case.beside("config.json"));
    let id = fresh_id();
    let created = case.try_create_as(&id, &[]);
    assert!(created.is_err(), "accepted: {text:?}");
    assert!(!case.runtime(&["state", &id]).status.success(), "{text:?}");
}

fn file(subject: Subject) {
    let case = Case::new(subject);
    let whole = case.config("true").to_string();
    for text in [
        "",
        "{",
        "[]",
        "null",
        "true",
        &whole[..whole.len() - 1],
        "\u{0}",
        "{} {}",
    ] {
        refused_text(&case, text);
    }
    fs::remove_file(case.beside("config.json")).unwrap();
    let missing = case.try_create_as(&fresh_id(), &[]);
    assert!(missing.is_err(), "created without config.json");
}

fn root_path(subject: Subject) {
    let case = Case::new(subject);
    let absolute = case.rootfs().to_string_lossy().into_owned();
    for path in ["rootfs", "./rootfs/", &absolute] {
        let mut config = case.config("ls /bin/sh");
        config["root"]["path"] = json!(path);
        assert_eq!(case.output(&config), "/bin/sh\n", "{path}");
    }
}

fn no_root(subject: Subject) {
    let case = Case::new(subject);
    case.file("plain", "");
    for path in ["missing", "plain"] {
        let mut config = case.config("true");
        config["root"]["path"] = json!(path);
        case.refused(path, &config);
    }
    let mut config = case.config("true");
    config::without(&mut config["root"], "path");
    case.refused("no path", &config);
    let mut config = case.config("true");
    config::without(&mut config, "root");
    case.refused("no root", &config);
}

fn readonly(subject: Subject) {
    let case = Case::new(subject);
    let script = "touch /written 2>&1 && echo written";
    let mut config = case.config(script);
    config["root"]["readonly"] = json!(true);
    let said = case.output(&config);
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(!case.rootfs().join("written").exists());
    for readonly in [Some(false), None] {
        let mut config = case.config(script);
        if let Some(readonly) = readonly {
            config["root"]["readonly"] = json!(readonly);
        }
        assert_eq!(case.output(&config), "written\n");
    }
}

/// Puts an unknown property into every object of `value`, but not into maps.
fn sprinkle(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(sprinkle);
            object.insert("org.example.unknown".to_owned(), json!({ "a": [1, null] }));
        }
        Value::Array(array) => array.iter_mut().for_each(sprinkle),
        _ => {}
    }
}

fn unknown(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("echo up");
    config["linux"]["resources"] = json!({ "pids": { "limit": 100 } });
    if subject.rootless {
        config["linux"]["resources"] = json!({});
    }
    config["hooks"] = json!({ "poststop": [{ "path": "/bin/true" }] });
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["acct"], "action": "SCMP_ACT_ERRNO" }]
    });
    sprinkle(&mut config);
    assert_eq!(case.output(&config), "up\n");
}

fn wrong_types(subject: Subject) {
    let case = Case::new(subject);
    for (pointer, value) in [
        ("/process", json!([])),
        ("/process/args", json!("sh")),
        ("/process/args/0", json!(1)),
        ("/process/cwd", json!(1)),
        ("/process/env", json!({})),
        ("/process/user/uid", json!("root")),
        ("/process/user/uid", json!(-1)),
        ("/root", json!("rootfs")),
        ("/root/path", json!(["rootfs"])),
        ("/mounts", json!({})),
        ("/mounts/0/destination", json!(1)),
        ("/mounts/1/options", json!("nosuid")),
        ("/linux", json!([])),
        ("/linux/namespaces", json!({ "type": "pid" })),
        ("/linux/namespaces/0/type", json!(1)),
    ] {
        let mut config = case.config("true");
        *config.pointer_mut(pointer).unwrap() = value.clone();
        case.write(&config);
        let id = fresh_id();
        let created = case.try_create_as(&id, &[]);
        assert!(created.is_err(), "{pointer} = {value} was accepted");
    }
}

fn wrong_words(subject: Subject) {
    let case = Case::new(subject);
    let seccomp = |action: &str, op: &str| {
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{
                "names": ["acct"], "action": action,
                "args": [{ "index": 0, "value": 1, "op": op }]
            }]
        })
    };
    for (name, value) in [
        ("rootfsPropagation", json!("sideways")),
        ("seccomp", seccomp("SCMP_ACT_PRAISE", "SCMP_CMP_EQ")),
        ("seccomp", seccomp("SCMP_ACT_ERRNO", "SCMP_CMP_LIKE")),
        ("seccomp", json!({ "defaultAction": "ALLOW" })),
        (
            "devices",
            json!([{ "path": "/dev/x", "type": "x", "major": 1, "minor": 3 }]),
        ),
    ] {
        let mut config = case.config("true");
        config["linux"][name] = value.clone();
        case.write(&config);
        let created = case.try_create_as(&fresh_id(), &[]);
        assert!(created.is_err(), "{name} = {value} was accepted");
    }
}

fn hostname(subject: Subject) {
    let case = Case::new(subject);
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut config = case.config("hostname");
    config["hostname"] = json!("inside.example");
    assert_eq!(case.output(&config), "inside.example\n");
    let after = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(after, before);
}

fn domainname(subject: Subject) {
    let case = Case::new(subject);
    let before = fs::read_to_string("/proc/sys/kernel/domainname").unwrap();
    let mut config = case.config("cat /proc/sys/kernel/domainname");
    config["domainname"] = json!("inside.example");
    assert_eq!(case.output(&config), "inside.example\n");
    let after = fs::read_to_string("/proc/sys/kernel/domainname").unwrap();
    assert_eq!(after, before);
}
