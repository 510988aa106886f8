//! Guests' disks of images as a user types the verbs, looked at by the field's own programs:
//! `debugfs` and `e2fsck` read what was made, QEMU starts it.
//!
//! What is not here (QEMU, a kernel, a static busybox, another user to become) is reported as
//! ignored, with the reason, never as passed; with `CI=true` it fails.

#[path = "../images/kills/party.rs"]
#[allow(dead_code, reason = "the suite of images uses the rest")]
mod party;
#[path = "../images/place.rs"]
#[allow(dead_code, reason = "the suite of images uses the rest")]
mod place;
#[path = "../images/shared.rs"]
#[allow(dead_code, reason = "the suite of images uses the rest")]
mod shared;

mod content;
mod guests;
mod keeping;
mod library;
mod running;

use std::process::{Command, ExitCode};

use libtest_mimic::{Failed, Trial};
use party::{Party, User};

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = content::trials();
    trials.extend(keeping::trials());
    trials.extend(guests::trials());
    trials.extend(library::trials());
    let ended = libtest_mimic::run(&arguments, trials);
    shared::remove();
    ended.exit_code()
}

/// A test that runs if it can. In CI what is missing is a failure.
fn trial(
    name: &str,
    missing: Option<String>,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    match (in_ci, missing) {
        (true, Some(why)) => Trial::test(name, move || Err(why.into())),
        (_, missing) => place::trial(name, missing, run),
    }
}

/// Why a file system's programs cannot be had, if so.
fn no_e2fsprogs() -> Option<String> {
    ["mke2fs", "debugfs", "e2fsck"].iter().find_map(|program| {
        let tried = e2fs(program).arg("-V").output();
        tried.is_err().then(|| format!("there is no {program}"))
    })
}

/// One of the file system's programs, which an ordinary user's `PATH` may not lead to.
fn e2fs(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Why `user` can have no disk here, if so.
fn why_not(user: User) -> Option<String> {
    no_e2fsprogs()
        .or_else(place::no_busybox)
        .or_else(|| user.why_not())
}

/// An image `app`, whose `chown` a user with one id cannot do, with what a copy may lose: owners, modes, links of both kinds, holes, an odd
/// name; what a layer takes away; and a program.
const APP: &str = "FROM busybox\n\
    RUN mkdir -p /data/deep && echo one > /data/deep/a && ln /data/deep/a /data/b && \
        ln -s ../a /data/deep/link; chown 1000:1001 /data/b; chmod 4750 /data/b && \
        chmod 1777 /data && touch '/data/odd name' && touch /data/gone && \
        dd if=/dev/zero of=/data/zeros bs=1024 count=3000 2>/dev/null\n\
    RUN rm /data/gone\n\
    RUN echo 'ada:x:1000:1001::/home/ada:/bin/sh' >> /etc/passwd && mkdir -p /home/ada; \
        chown 1000:1001 /home/ada || true\n\
    ENV COLOUR=blue\n\
    WORKDIR /data\n\
    CMD [\"sh\", \"-c\", \"echo it is $COLOUR in $(pwd) as $(id -u); exit 7\"]\n";

/// A user with the image `app`.
fn with_app(place: &std::path::Path, user: User) -> Result<Party, Failed> {
    let party = Party::new(place, "home", user)?;
    party.says(&["image", "bootstrap", "busybox"])?;
    let context = party.home().join("context");
    std::fs::create_dir(&context)?;
    std::fs::write(context.join("Dockerfile"), APP)?;
    party.says(&["build", "-q", "-t", "app", "context"])?;
    Ok(party)
}
