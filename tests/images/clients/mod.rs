//! One image, and everybody's programs: what is built here and pushed to Debian's
//! registry runs under podman, docker, runc and crun, and says what it says here;
//! what podman, docker and skopeo push runs here.
//!
//! Where the environment says `CI`, what these need is installed: there a test that
//! cannot run has failed.

// What other tests use of them, these need not.
#[allow(dead_code)]
#[path = "../../../runtime/engine/tests/registry/debian.rs"]
mod debian;
#[allow(dead_code)]
#[path = "../../../runtime/engine/tests/registry/docker.rs"]
mod docker;
mod others;

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::place::{Home, no, no_busybox, said, trial};
use debian::Registry;
use docker::Docker;
use others::{Podman, bundle_of, skopeo_copies};

/// What is seen of its files, owners, modes and links, of its variables and words,
/// and of what a later layer took away or changed.
const FILE: &str = "FROM busybox
ENV WHO=\"one of ours\" PATH=/bin:/usr/bin
WORKDIR /app
COPY --chown=5:6 --chmod=640 src .
RUN cat one > two && ln -s two three && ln two four && mkdir -m 1777 shared
RUN rm one && chmod 4755 two && chown 7:8 four
USER 5:6
ENTRYPOINT [\"/bin/sh\", \"-c\"]
CMD [\"cat three; echo \\\"$WHO\\\"; pwd; id -u; id -g; stat -c '%n %a %u:%g %F' /app /app/*; \
ls one 2>&1; exit 3\"]
";

/// What that is, by the reference of Dockerfiles.
const SAYS: &str = "content
one of ours
/app
5
6
/app 755 0:0 directory
/app/four 644 7:8 regular file
/app/shared 1777 0:0 directory
/app/three 777 0:0 symbolic link
/app/two 4755 0:0 regular file
ls: one: No such file or directory
";
const CODE: i32 = 3;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        all_or_none("what is built runs under every runtime", runtimes),
        all_or_none("what is pushed runs under podman", podman),
        all_or_none("what is pushed runs under docker", docker),
        all_or_none("what podman, docker and skopeo push runs", back),
    ]
}

/// A test for which everything has to be there.
fn all_or_none(claim: &'static str, run: fn() -> Result<(), Failed>) -> Trial {
    let peers = [
        "docker-registry",
        "podman",
        "skopeo",
        "umoci",
        "runc",
        "crun",
    ];
    let lacking = peers.into_iter().find_map(no);
    let lacking = no_busybox().or(lacking).or_else(Docker::why_not);
    match lacking {
        Some(why) if std::env::var_os("CI").is_some() => {
            Trial::test(claim, move || Err(format!("cannot be tried: {why}").into()))
        }
        lacking => trial(claim, lacking, run),
    }
}

/// A home with the image, and a registry that has it, too; its name there.
fn pushed() -> Result<(Home, Registry, String), Failed> {
    let home = Home::new();
    home.says(&["image", "bootstrap", "busybox"])?;
    fs::create_dir_all(home.path().join("context/src"))?;
    fs::write(home.path().join("context/Dockerfile"), FILE)?;
    fs::write(home.path().join("context/src/one"), "content\n")?;
    home.says(&["build", "-q", "-t", "app:1", "context"])?;
    let registry = Registry::start();
    let name = format!("{}/team/app:1", registry.address);
    home.says(&["tag", "app:1", &name])?;
    home.says(&["push", &name])?;
    Ok((home, registry, name))
}

/// That a container of the image says and ends as it must.
fn same(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    match (&*out, output.status.code()) {
        (SAYS, Some(CODE)) => Ok(()),
        (_, code) => Err(format!("{command:?} ends with {code:?}: {out}{err}").into()),
    }
}

fn runtimes() -> Result<(), Failed> {
    let (home, _registry, _) = pushed()?;
    for runtime in ["isorun", "runc", "crun"] {
        same(&mut home.isolab(&["run", "--runtime", runtime, "app:1"]))?;
    }
    // The same without us: umoci reads the store and writes a bundle of it.
    let bundle = bundle_of(&home, "docker.io/library/app:1")?;
    for runtime in ["runc", "crun"] {
        same(&mut others::run_bundle(runtime, &bundle, &home))?;
    }
    Ok(())
}

fn podman() -> Result<(), Failed> {
    let (_home, _registry, name) = pushed()?;
    let podman = Podman::new();
    podman.says(&["pull", "-q", "--tls-verify=false", &name])?;
    same(&mut podman.run(&["--rm", &name]))
}

fn docker() -> Result<(), Failed> {
    let (_home, _registry, name) = pushed()?;
    let docker = Docker::start();
    docker.says(&["pull", "-q", &name]);
    same(&mut docker.command(&["run", "--rm", "--network", "none", &name]))
}

/// Each adds a layer of its own and pushes; skopeo packs anew, by other means and
/// under docker's types.
fn back() -> Result<(), Failed> {
    let (home, registry, name) = pushed()?;
    let there = |name: &str| format!("{}/{name}:1", registry.address);
    let adds = ["--name", "adds", "--user", "0", &name];
    let words = |who: &str| format!("echo {who} >/by; rm -r /app/shared");
    let podman = Podman::new();
    podman.says(&["pull", "-q", "--tls-verify=false", &name])?;
    said(podman.run(&adds).arg(words("podman")))?;
    for (format, name) in [("oci", there("podman-oci")), ("docker", there("podman"))] {
        podman.says(&["commit", "-q", "-f", format, "adds", &name])?;
        podman.says(&["push", "-q", "--tls-verify=false", &name])?;
    }
    let docker = Docker::start();
    let run = ["run", "--network", "none"];
    docker.says(&[&run[..], &adds, &[&*words("docker")]].concat());
    docker.says(&["commit", "adds", &there("docker")]);
    docker.says(&["push", "-q", &there("docker")]);
    for (who, name) in [
        ("podman", there("podman")),
        ("podman", there("podman-oci")),
        ("docker", there("docker")),
    ] {
        let by = home.says(&["run", &name, "cat /by; ls /app"])?;
        assert_eq!(by, format!("{who}\nfour\nthree\ntwo\n"), "{name}");
        same(&mut Home::new().isolab(&["run", &there("team/app")]))?;
    }
    home.says(&["save", "app:1", "-o", "app.tar"])?;
    let archive = format!("docker-archive:{}", home.path().join("app.tar").display());
    for (name, how) in [
        ("skopeo", &["--format", "v2s2"][..]),
        (
            "skopeo-zstd",
            &["--format", "oci", "--dest-compress-format", "zstd"],
        ),
    ] {
        skopeo_copies(&archive, &format!("docker://{}", there(name)), how)?;
        same(&mut Home::new().isolab(&["run", &there(name)]))?;
    }
    Ok(())
}
