//! The field's programs read what we write, and we what they write.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::place::{Home, no, no_busybox, said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let base = |peer| no_busybox().or_else(|| no(peer));
    vec![
        trial(
            "skopeo reads the store as a layout",
            base("skopeo"),
            skopeo_reads,
        ),
        trial(
            "what skopeo writes is loaded",
            base("skopeo"),
            skopeo_writes,
        ),
        trial("umoci unpacks from the store", base("umoci"), umoci_unpacks),
        trial(
            "podman loads what is saved, and saves what is loaded",
            base("podman"),
            podman,
        ),
    ]
}

fn with_busybox() -> Result<Home, Failed> {
    let home = Home::new();
    home.says(&["image", "bootstrap", "busybox"])?;
    Ok(home)
}

fn digest(home: &Home, name: &str) -> Result<String, Failed> {
    let listed = home.json(&["images", name, "--json"])?;
    let digest = listed["images"][0]["digest"].as_str();
    Ok(digest.ok_or("no digest")?.to_owned())
}

fn skopeo_reads() -> Result<(), Failed> {
    let home = with_busybox()?;
    let image = format!(
        "oci:{}:docker.io/library/busybox:latest",
        home.store().display()
    );
    let mut skopeo = Command::new("skopeo");
    let told = said(skopeo.args(["inspect", &image]))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    assert_eq!(told["Digest"], digest(&home, "busybox")?);
    Ok(())
}

fn skopeo_writes() -> Result<(), Failed> {
    let home = with_busybox()?;
    home.says(&["save", "busybox", "-o", "box.tar"])?;
    let from = format!("docker-archive:{}", home.path().join("box.tar").display());
    for kind in ["docker-archive", "oci-archive"] {
        let file = home.path().join(format!("{kind}.tar"));
        let to = format!("{kind}:{}:example/copied:{kind}", file.display());
        let mut skopeo = Command::new("skopeo");
        said(skopeo.args(["--insecure-policy", "copy", "-q", &from, &to]))?;
        let loaded = home.says(&["load", "-i", file.to_str().ok_or("a path")?])?;
        assert_eq!(loaded, format!("Loaded image: example/copied:{kind}\n"));
        // Repacked or not, it is the same image.
        let copied = home.json(&["image", "inspect", &format!("example/copied:{kind}")])?;
        let own = home.json(&["image", "inspect", "busybox"])?;
        assert_eq!(copied[0]["RootFS"], own[0]["RootFS"]);
    }
    Ok(())
}

fn umoci_unpacks() -> Result<(), Failed> {
    let home = with_busybox()?;
    let image = format!(
        "{}:docker.io/library/busybox:latest",
        home.store().display()
    );
    let bundle = home.path().join("bundle");
    let mut umoci = Command::new("umoci");
    let rootless = isolab_oci::sys::process::effective_ids().0 != 0;
    umoci.args(["unpack", "--image", &image]);
    umoci.args(rootless.then_some("--rootless")).arg(&bundle);
    said(&mut umoci)?;
    let unpacked = fs::read(bundle.join("rootfs/bin/busybox"))?;
    assert!(unpacked.starts_with(b"\x7fELF"));
    assert!(bundle.join("rootfs/bin/sh").is_symlink());
    Ok(())
}

fn podman() -> Result<(), Failed> {
    let home = with_busybox()?;
    home.says(&["tag", "busybox", "localhost/isolab-test:v1"])?;
    home.says(&["save", "localhost/isolab-test:v1", "-o", "box.tar"])?;
    let podman = |arguments: &[&str]| {
        let mut podman = Command::new("podman");
        // A store of its own: the user's stays as it is.
        podman.args(["--root", "podman/root", "--runroot", "podman/run"]);
        podman.args(["--storage-driver", "vfs"]);
        said(podman.args(arguments).current_dir(home.path()))
    };
    podman(&["load", "-q", "-i", "box.tar"])?;
    for format in ["docker-archive", "oci-archive"] {
        let file = format!("{format}.tar");
        podman(&[
            "save",
            "-q",
            "--format",
            format,
            "-o",
            &file,
            "localhost/isolab-test:v1",
        ])?;
        let other = Home::new();
        let path = home.path().join(&file);
        let loaded = other.says(&["load", "-i", path.to_str().ok_or("a path")?])?;
        assert_eq!(loaded, "Loaded image: localhost/isolab-test:v1\n");
        let (ours, theirs) = (
            home.json(&["image", "inspect", "busybox"])?,
            other.json(&["image", "inspect", "localhost/isolab-test:v1"])?,
        );
        assert_eq!(ours[0]["RootFS"], theirs[0]["RootFS"], "{format}");
        assert_eq!(
            ours[0]["Config"]["Cmd"], theirs[0]["Config"]["Cmd"],
            "{format}"
        );
    }
    podman(&["rmi", "-f", "localhost/isolab-test:v1"])?;
    Ok(())
}
