//! Our server, driven by other people's programs.

use isolab_engine::image::{Descriptor, Platform};
use libtest_mimic::Trial;

use super::docker::Docker;
use super::images::{client, image, name, place, tag};
use super::own::Ours;
use super::peers::{needing, succeed, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("skopeo_copies_to_our_server_and_back", "skopeo", skopeo),
        trial(
            "podman_pushes_to_our_server_and_pulls_from_it",
            "podman",
            podman,
        ),
        needing(
            "docker_pulls_from_our_server_and_pushes_to_it",
            Docker::why_not(),
            docker,
        ),
    ]
}

fn skopeo() {
    let (ours, here) = (Ours::start(), place());
    let target = image(&here.store, &[1, 2], 300_000);
    tag(&here.store, "app:v1", &target);
    let home = here.directory.path();
    let layout = format!(
        "oci:{}:docker.io/library/app:v1",
        here.store.root().display()
    );
    let remote = format!("docker://{}/team/app:v1", ours.address);
    let copy = |from: &str, to: &str| {
        let flags = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
        succeed("skopeo", &[&flags[..], &[from, to]].concat(), home);
    };
    copy(&layout, &remote);
    let pushed = ours.store.tagged(&name("team/app:v1")).unwrap().unwrap();
    assert_eq!(pushed.descriptor.digest, target.digest);
    copy(&remote, &format!("docker://{}/other:v2", ours.address));
    copy(&remote, &format!("dir:{}", home.join("dir").display()));
    let said = succeed("skopeo", &["inspect", "--tls-verify=false", &remote], home);
    assert!(said.contains(&target.digest.to_string()), "{said}");
    let tags = succeed(
        "skopeo",
        &[
            "list-tags",
            "--tls-verify=false",
            &remote[..remote.len() - 3],
        ],
        home,
    );
    assert!(tags.contains("\"v1\""), "{tags}");
    succeed("skopeo", &["delete", "--tls-verify=false", &remote], home);
    assert!(ours.store.tagged(&name("team/app:v1")).unwrap().is_none());
}

fn podman() {
    let (ours, here) = (Ours::start(), place());
    let target = image(&here.store, &[3, 4], 300_000);
    client()
        .push(&here.store, &target, &ours.name("app:v1"), &())
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root").display().to_string();
    let run = home.path().join("run").display().to_string();
    let podman = |arguments: &[&str]| {
        let where_to = [
            "--root",
            &root,
            "--runroot",
            &run,
            "--storage-driver",
            "vfs",
        ];
        succeed("podman", &[&where_to[..], arguments].concat(), home.path())
    };
    let first = format!("{}/app:v1", ours.address);
    podman(&["pull", "--tls-verify=false", &first]);
    let second = format!("{}/team/copy:v2", ours.address);
    podman(&["tag", &first, &second]);
    podman(&["push", "--tls-verify=false", &second]);
    let there = place();
    let pulled = client().pull(
        &ours.name("team/copy:v2"),
        &Platform::host(),
        &there.store,
        &(),
    );
    let pulled = pulled.unwrap();
    let copy = there
        .store
        .image(&pulled.target, &Platform::host())
        .unwrap();
    let diff_ids = &here
        .store
        .image(&target, &Platform::host())
        .unwrap()
        .config
        .rootfs
        .diff_ids;
    assert_eq!(
        &copy.config.rootfs.diff_ids, diff_ids,
        "podman pushed what it pulled"
    );
}

fn docker() {
    let (ours, daemon) = (Ours::start(), Docker::start());
    let target = image(&ours.store, &[5], 100_000);
    tag(&ours.store, "app:v1", &target);
    let first = format!("{}/app:v1", ours.address);
    daemon.says(&["pull", &first]);
    let second = format!("{}/team/copy:v2", ours.address);
    daemon.says(&["tag", &first, &second]);
    daemon.says(&["push", &second]);
    let pushed = ours.store.tagged(&name("team/copy:v2")).unwrap().unwrap();
    let diff_ids = |target: &Descriptor| {
        let image = ours.store.image(target, &Platform::host()).unwrap();
        image.config.rootfs.diff_ids
    };
    assert_eq!(diff_ids(&pushed.descriptor), diff_ids(&target));
}
