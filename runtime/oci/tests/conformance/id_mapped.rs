//! config.md: mounts whose owners are others inside.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::mounts::bind;
use crate::subject::Subject;
use crate::{Claim, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "an_idmapped_mount_shows_other_owners",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`idmap` with `uidMappings` and `gidMappings` maps the owners of that mount by these",
        need: root,
        test: idmap,
    },
    Claim {
        name: "an_idmapped_mount_without_mappings_is_refused",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`idmap` and `ridmap` without mappings, in a container without a user namespace, are an error",
        need: root,
        test: no_mappings,
    },
    Claim {
        name: "an_idmapped_mount_may_take_the_containers_mapping",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`idmap` without mappings, in a container with a user namespace, takes the mappings of that, or is an error",
        need: root,
        test: containers_mapping,
    },
    Claim {
        name: "mappings_of_users_and_groups_come_together",
        section: "config.md, POSIX-platform mounts",
        level: "MUST",
        gist: "`uidMappings` of a mount without `gidMappings`, or the reverse, are an error",
        need: root,
        test: half_mapped,
    },
];

fn idmap(subject: Subject) {
    let case = Case::new(subject);
    let source = case.directory("source");
    fs::write(source.join("file"), "").unwrap();
    std::os::unix::fs::chown(source.join("file"), Some(1000), Some(1001)).unwrap();
    let source = source.to_string_lossy();
    let mut mount = bind(&source, "/to", &["rbind", "idmap"]);
    mount["uidMappings"] = json!([{ "containerID": 1000, "hostID": 5000, "size": 10 }]);
    mount["gidMappings"] = json!([{ "containerID": 1000, "hostID": 6000, "size": 10 }]);
    let config = case.with_mount("stat -c '%u %g' /to/file", mount);
    assert_eq!(case.output(&config), "5000 6001\n");
}

fn no_mappings(subject: Subject) {
    let case = Case::new(subject);
    case.directory("source");
    for option in ["idmap", "ridmap"] {
        let config = case.with_mount("true", bind("source", "/to", &["rbind", option]));
        case.refused(option, &config);
    }
}

fn containers_mapping(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.directory("source").join("file"), "").unwrap();
    let mount = bind("source", "/mnt", &["bind", "idmap"]);
    let mut config = case.with_mount("stat -c %u:%g /mnt/file", mount);
    config::namespace(&mut config, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    if let Ok(container) = case.try_create(&config) {
        container.start();
        container.wait();
        assert_eq!(container.output(), "0:0\n");
    }
}

fn half_mapped(subject: Subject) {
    let case = Case::new(subject);
    let source = case.directory("source").to_string_lossy().into_owned();
    for name in ["uidMappings", "gidMappings"] {
        let mut mount = bind(&source, "/to", &["rbind", "idmap"]);
        mount[name] = json!([{ "containerID": 0, "hostID": 5000, "size": 10 }]);
        case.refused(name, &case.with_mount("true", mount));
    }
}
