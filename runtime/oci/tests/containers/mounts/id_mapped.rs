//! Mounts whose owners are others inside than outside.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use isolab_oci::spec::IdMapping;
use isolab_oci::{Cgroup, Options, Spec};

use super::{mount, with};
use crate::support::{Place, linux, options, root};
use crate::{Claim, example};

pub(crate) const CLAIMS: &[Claim] = &[
    ("an_id_mapped_mount_shows_other_owners", root, id_mapped),
    (
        "a_source_that_only_root_may_reach_is_bound_in_a_user_namespace",
        root,
        unreachable_source,
    ),
];

fn id_mapped() {
    let map = |host_id| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size: 1000,
        }]
    };
    let script = "stat -c %u:%g /m /m/file; touch /m/made";
    // By maps of its own.
    let mut entry = mount("/m", "bind", "data", &["bind"]);
    entry.uid_mappings = map(70_000);
    entry.gid_mappings = map(80_000);
    let (place, spec) = with(script, vec![entry.clone()]);
    fs::write(place.path().join("data/file"), "").unwrap();
    match place.try_start(&spec, &options()) {
        // The file system of this machine's temporary files may not have them.
        Err(error) if error.hint().is_some_and(|h| h.contains("file system")) => {
            println!("not tried: {error}");
            return;
        }
        other => drop(other),
    }
    assert_eq!(place.run(&spec).0.lines().next(), Some("70000:80000"));

    // By the container's user namespace: the files are its root's.
    for word in ["idmap", "ridmap"] {
        let (place, _) = with(script, Vec::new());
        let mut spec = example::rootless(0, 0, &["sh", "-c", script]);
        linux(&mut spec).uid_mappings = map(300_000);
        linux(&mut spec).gid_mappings = map(300_000);
        spec.mounts
            .push(mount("/m", "bind", "data", &["rbind", word]));
        fs::write(place.path().join("data/file"), "").unwrap();
        chown_tree(&place);
        assert_eq!(run(&place, &spec), "0:0\n0:0\n", "{word}");
        // What it made is root's on the host's side.
        let made = fs::metadata(place.path().join("data/made")).unwrap();
        assert_eq!(made.uid(), 0, "{word}");
    }

    // Half a map, and a map for what is no bind mount.
    entry.gid_mappings.clear();
    let (place, spec) = with("true", vec![entry]);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("gidMappings"), "{error}");
    let (place, spec) = with("true", vec![mount("/m", "tmpfs", "tmpfs", &["idmap"])]);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("mapped"), "{error}");
    let (place, spec) = with(
        "true",
        vec![mount("/m", "bind", "data", &["idmap", "bind"])],
    );
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("idmap"), "{error}");
}

fn unreachable_source() {
    let (place, _) = with("", Vec::new());
    let closed = place.path().join("data/closed");
    fs::create_dir_all(closed.join("inner")).unwrap();
    fs::write(closed.join("inner/file"), "reached\n").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut spec = example::rootless(0, 0, &["cat", "/m/file"]);
    let linux = linux(&mut spec);
    linux.uid_mappings[0].host_id = 300_000;
    linux.uid_mappings[0].size = 1000;
    linux.gid_mappings = linux.uid_mappings.clone();
    spec.mounts
        .push(mount("/m", "bind", "data/closed/inner", &["rbind"]));
    chown_tree(&place);
    assert_eq!(run(&place, &spec), "reached\n");
}

/// In the control group of the tests.
fn run(place: &Place, spec: &Spec) -> String {
    let options = Options {
        cgroup: Cgroup::Inherit,
        ..options()
    };
    place.run_with(spec, &options).0
}

/// Gives the root file system to the first id of the range.
pub(crate) fn chown_tree(place: &Place) {
    let status = std::process::Command::new("chown")
        .args(["-R", "300000:300000"])
        .arg(place.root())
        .status();
    assert!(status.unwrap().success());
}
