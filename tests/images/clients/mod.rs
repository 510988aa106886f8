//! One image, and everybody's programs: what is built here and pushed to Debian's
//! registry runs under podman, docker, runc and crun, and says what it says here;
//! what podman, docker and skopeo push runs here. All of it by whoever tests, and,
//! if that is root, by an ordinary user as well.
//!
//! Where the environment says `CI` and root tests, what these need is installed:
//! there a test that cannot run has failed.

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

use isolab_oci::sys::process::effective_ids;
use libtest_mimic::{Failed, Trial};

use crate::kills::party::{Party, User};
use crate::place::{no, no_busybox, said, trial};
use debian::Registry;
use docker::Docker;
use others::{Bundle, Podman, skopeo_copies};

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
    let mut trials = Vec::new();
    for user in [User::Myself, User::Granted] {
        let lacking = lacking(user);
        // Its daemon is root's, whoever pushed.
        let docker = lacking.clone().or_else(Docker::why_not);
        for (claim, lacking, run) in [
            (
                "what is built runs under every runtime",
                &lacking,
                runtimes as fn(User) -> Result<(), Failed>,
            ),
            ("what is pushed runs under podman", &lacking, runs_podman),
            ("what is pushed runs under docker", &docker, runs_docker),
            ("what podman pushes runs", &lacking, podman_pushes),
            ("what docker pushes runs", &docker, docker_pushes),
            ("what skopeo pushes runs", &lacking, skopeo_pushes),
        ] {
            let claim = format!("{claim}, {}", user.name());
            trials.push(demanded(&claim, lacking.clone(), move || run(user)));
        }
    }
    trials
}

/// What is missing of all that `user` needs.
fn lacking(user: User) -> Option<String> {
    let peers = [
        "docker-registry",
        "podman",
        "skopeo",
        "umoci",
        "runc",
        "crun",
    ];
    let lacking = peers.into_iter().find_map(no);
    lacking.or_else(no_busybox).or_else(|| user.why_not())
}

/// A test that may not be left out where everything can be installed.
fn demanded(
    claim: &str,
    lacking: Option<String>,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let everything = std::env::var_os("CI").is_some() && effective_ids().0 == 0;
    match lacking {
        Some(why) if everything => {
            Trial::test(claim, move || Err(format!("cannot be tried: {why}").into()))
        }
        lacking => trial(claim, lacking, run),
    }
}

/// Somebody who has the image, and a registry that has it, too; its name there.
fn pushed(user: User) -> Result<(Party, Registry, String), Failed> {
    let party = Party::alone(user)?;
    party.says(&["image", "bootstrap", "busybox"])?;
    fs::create_dir_all(party.home().join("context/src"))?;
    fs::write(party.home().join("context/Dockerfile"), FILE)?;
    fs::write(party.home().join("context/src/one"), "content\n")?;
    party.says(&["build", "-q", "-t", "app:1", "context"])?;
    let registry = Registry::start();
    let name = format!("{}/team/app:1", registry.address);
    party.says(&["tag", "app:1", &name])?;
    party.says(&["push", &name])?;
    Ok((party, registry, name))
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

fn runtimes(user: User) -> Result<(), Failed> {
    let (party, _registry, _) = pushed(user)?;
    for runtime in ["isorun", "runc", "crun"] {
        same(&mut party.isolab(&["run", "--runtime", runtime, "app:1"]))?;
    }
    // The same without us: umoci reads the store and writes a bundle of it.
    let bundle = Bundle::of(&party, "docker.io/library/app:1")?;
    for runtime in ["runc", "crun"] {
        same(&mut bundle.run(runtime))?;
    }
    Ok(())
}

fn runs_podman(user: User) -> Result<(), Failed> {
    let (party, _registry, name) = pushed(user)?;
    let podman = Podman::of(&party);
    podman.says(&["pull", "-q", "--tls-verify=false", &name])?;
    same(&mut podman.run(&["--rm", &name]))
}

fn runs_docker(user: User) -> Result<(), Failed> {
    let (_party, _registry, name) = pushed(user)?;
    let docker = Docker::start();
    docker.says(&["pull", "-q", &name]);
    same(&mut docker.command(&["run", "--rm", "--network", "none", &name]))
}

/// The command of a container that adds a layer to the image and takes from it.
fn adds(who: &str) -> String {
    format!("echo {who} >/by; rm -r /app/shared")
}

/// That `name` is the image with such a layer.
fn is_by(who: &str, party: &Party, name: &str) -> Result<(), Failed> {
    let by = party.says(&["run", name, "cat /by; ls /app"])?;
    assert_eq!(by, format!("{who}\nfour\nthree\ntwo\n"), "{name}");
    Ok(())
}

fn podman_pushes(user: User) -> Result<(), Failed> {
    let (party, registry, name) = pushed(user)?;
    let podman = Podman::of(&party);
    podman.says(&["pull", "-q", "--tls-verify=false", &name])?;
    let words = adds("podman");
    said(&mut podman.run(&["--name", "adds", "--user", "0", &name, &words]))?;
    for format in ["oci", "docker"] {
        let name = format!("{}/podman-{format}:1", registry.address);
        podman.says(&["commit", "-q", "-f", format, "adds", &name])?;
        podman.says(&["push", "-q", "--tls-verify=false", &name])?;
        is_by("podman", &party, &name)?;
    }
    Ok(())
}

fn docker_pushes(user: User) -> Result<(), Failed> {
    let (party, registry, name) = pushed(user)?;
    let docker = Docker::start();
    let words = adds("docker");
    docker.says(&[
        "run",
        "--network",
        "none",
        "--name",
        "adds",
        "--user",
        "0",
        &name,
        &words,
    ]);
    let name = format!("{}/docker:1", registry.address);
    docker.says(&["commit", "adds", &name]);
    docker.says(&["push", "-q", &name]);
    is_by("docker", &party, &name)
}

/// Skopeo packs anew, by other means and under docker's types; another who has
/// nothing of it runs what came of it, and what was pushed first.
fn skopeo_pushes(user: User) -> Result<(), Failed> {
    let (party, registry, name) = pushed(user)?;
    let other = Party::alone(user)?;
    same(&mut other.isolab(&["run", &name]))?;
    party.says(&["save", "app:1", "-o", "app.tar"])?;
    let archive = format!("docker-archive:{}", party.home().join("app.tar").display());
    for (name, how) in [
        ("skopeo", &["--format", "v2s2"][..]),
        (
            "skopeo-zstd",
            &["--format", "oci", "--dest-compress-format", "zstd"],
        ),
    ] {
        let there = format!("{}/{name}:1", registry.address);
        skopeo_copies(&party, &archive, &format!("docker://{there}"), how)?;
        same(&mut Party::alone(user)?.isolab(&["run", &there]))?;
    }
    Ok(())
}
