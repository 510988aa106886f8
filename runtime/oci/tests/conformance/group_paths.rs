//! config-linux.md: control groups, their place.

use std::fs;

use serde_json::json;

use crate::case::{Case, fresh_id};
use crate::controllers::controllers;
use crate::subject::Subject;
use crate::{Claim, host, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "an_absolute_group_begins_at_the_mount_point",
        section: "config-linux.md, Cgroups path",
        level: "MUST",
        gist: "an absolute `cgroupsPath` is below the mount point of each hierarchy, and is made where it is missing",
        need: root,
        test: absolute,
    },
    Claim {
        name: "a_group_is_at_the_same_place_each_time",
        section: "config-linux.md, Cgroups path",
        level: "MUST",
        gist: "the same `cgroupsPath`, absolute or relative, is the same place",
        need: root,
        test: same_place,
    },
    Claim {
        name: "a_group_does_not_leave_its_hierarchy",
        section: "config-linux.md, Cgroups path",
        level: "MUST",
        gist: "a path with `..` is an error, or is a place below the mount point",
        need: root,
        test: inside,
    },
];

fn absolute(subject: Subject) {
    let case = Case::new(subject);
    let path = format!("/{}/below/it", fresh_id());
    let mut config = case.config("sleep 100");
    config["linux"]["cgroupsPath"] = json!(path);
    let container = case.create(&config);
    for controller in controllers() {
        assert_eq!(
            host::group_of(container.pid, controller).unwrap(),
            path,
            "{controller}"
        );
    }
    drop(container);
    clean(&path);
}

/// Removes the parents, which every runtime here leaves.
fn clean(path: &str) {
    let first = path.trim_start_matches('/').split('/').next().unwrap();
    for group in host::groups(first) {
        let _ = fs::remove_dir(group.join("below/it"));
        let _ = fs::remove_dir(group.join("below"));
        let _ = fs::remove_dir(group);
    }
}

fn same_place(subject: Subject) {
    let case = Case::new(subject);
    for path in [
        format!("/{}/below", fresh_id()),
        format!("{}/below", fresh_id()),
    ] {
        let mut config = case.config("sleep 100");
        config["linux"]["cgroupsPath"] = json!(path);
        let places = || {
            let container = case.create(&config);
            let place = |name: &str| host::group_of(container.pid, name).unwrap();
            controllers().into_iter().map(place).collect::<Vec<_>>()
        };
        let first = places();
        let name = path.trim_start_matches('/');
        assert!(first.iter().all(|place| place.ends_with(name)), "{first:?}");
        assert_eq!(first, places(), "{path}");
        for place in first {
            let parent = place.trim_start_matches('/').trim_end_matches("/below");
            host::groups(parent)
                .iter()
                .for_each(|group| drop(fs::remove_dir(group)));
        }
    }
}

fn inside(subject: Subject) {
    let case = Case::new(subject);
    let id = fresh_id();
    let mut config = case.config("sleep 100");
    config["linux"]["cgroupsPath"] = json!(format!("/../../../../{id}"));
    if let Ok(container) = case.try_create(&config) {
        for controller in controllers() {
            let place = host::group_of(container.pid, controller).unwrap();
            assert!(
                !place.contains("..") && place.ends_with(&id),
                "{controller}: {place}"
            );
        }
    }
    let outside = ["/", "/sys", "/sys/fs"].map(|place| std::path::Path::new(place).join(&id));
    // What a runtime made there goes before the test says so.
    let made = outside.map(|path| fs::remove_dir_all(path).is_ok());
    assert_eq!(made, [false; 3], "it made a directory outside");
}
