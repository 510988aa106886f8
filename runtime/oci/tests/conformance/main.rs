//! The OCI runtime specification, sentence by sentence: what it demands of a
//! runtime for Linux, each group of sentences as a test of a command line.
//!
//! Nothing here uses the runtime's library. The same tests are run against every
//! other runtime that is installed, so that they are judged themselves: where
//! both peers fail one, it is probably wrong. Where a peer is known to deviate,
//! `deviations` says so with the reason, and the trial expects the failure.
//!
//! `docs/CONFORMANCE.md` lists the sentences, the tests and the results;
//! `ISOLAB_CONFORMANCE=write cargo test -p isolab-oci --test conformance` writes it.

mod annotations;
#[path = "../support/busybox.rs"]
mod busybox;
mod case;
mod config;
mod configuration;
mod controllers;
#[path = "../support/crun.rs"]
mod crun;
mod deviations;
mod devices;
mod document;
#[path = "../support/eventually.rs"]
mod eventually;
mod features;
mod group_paths;
mod groups;
mod holder;
mod hook_failures;
mod hook_namespaces;
mod hooks;
mod host;
mod id_mapped;
mod joining;
mod lifecycle;
mod mount_options;
mod mount_table;
mod mounts;
mod namespaces;
mod operations;
mod ownership;
mod paths;
mod process;
mod receive;
mod scope;
mod seccomp;
mod subject;
mod terminal;
mod text;
mod values;

use libtest_mimic::{Arguments, Failed, Trial};

use subject::{Runtime, Subject};

/// A group of sentences of the specification, and the test that holds a runtime to it.
pub(crate) struct Claim {
    /// The test's name, as a claim.
    pub(crate) name: &'static str,
    /// The document and section of the specification.
    pub(crate) section: &'static str,
    /// The requirement's level, in the words of RFC 2119.
    pub(crate) level: &'static str,
    /// What is demanded, in our words.
    pub(crate) gist: &'static str,
    /// Whether it can be tried here.
    pub(crate) need: fn(Subject) -> Need,
    pub(crate) test: fn(Subject),
}

/// `Ok`, or why a test cannot run here.
pub(crate) type Need = Result<(), String>;

/// Every runtime can try it, as root and as an ordinary user.
pub(crate) fn anyone(_: Subject) -> Need {
    Ok(())
}

/// Only root can do what the test prepares or asks for.
pub(crate) fn root(subject: Subject) -> Need {
    if subject.rootless {
        Err("needs root".to_owned())
    } else {
        Ok(())
    }
}

/// All claims, in the order of the specification.
const CLAIMS: &[&[Claim]] = &[
    lifecycle::CLAIMS,
    operations::CLAIMS,
    configuration::CLAIMS,
    text::CLAIMS,
    mounts::CLAIMS,
    mount_options::CLAIMS,
    id_mapped::CLAIMS,
    process::CLAIMS,
    terminal::CLAIMS,
    hooks::CLAIMS,
    hook_namespaces::CLAIMS,
    hook_failures::CLAIMS,
    annotations::CLAIMS,
    namespaces::CLAIMS,
    joining::CLAIMS,
    devices::CLAIMS,
    group_paths::CLAIMS,
    groups::CLAIMS,
    ownership::CLAIMS,
    seccomp::CLAIMS,
    paths::CLAIMS,
    values::CLAIMS,
    scope::CLAIMS,
    features::CLAIMS,
];

fn claims() -> Vec<&'static Claim> {
    CLAIMS.iter().copied().flatten().collect()
}

/// The runtimes that can run a container here, and why the others cannot.
fn subjects() -> Vec<(Subject, Need)> {
    let mut found = Vec::new();
    for runtime in Runtime::ALL {
        for rootless in [false, true] {
            if rootless || subject::am_root() {
                let subject = Subject { runtime, rootless };
                found.push((subject, probe(subject)));
            }
        }
    }
    found
}

/// Finds out by doing whether `subject` can run a container here.
fn probe(subject: Subject) -> Need {
    busybox::find().ok_or(busybox::MISSING)?;
    let name = subject.runtime.name();
    subject
        .runtime
        .version()
        .ok_or_else(|| format!("{name} is not installed"))?;
    let case = case::Case::new(subject);
    let one_line = |said: String| said.replace('\n', ";");
    let container = case.try_create(&case.config("echo up")).map_err(one_line)?;
    container.try_start().map_err(one_line)?;
    container.wait();
    match container.output().contains("up") {
        true => Ok(()),
        false => Err(format!("{name} runs nothing: {}", container.output())),
    }
}

fn trial(claim: &'static Claim, subject: Subject, able: &Need) -> Trial {
    let name = format!("{}::{}", subject.name(), claim.name);
    if let Err(why) = able.clone().and_then(|()| (claim.need)(subject)) {
        return Trial::test(format!("{name} (not here: {why})"), || Ok(())).with_ignored_flag(true);
    }
    match deviations::of(subject, claim.name) {
        None => Trial::test(name, move || {
            judge(claim, subject);
            Ok(())
        }),
        Some((why, race)) => {
            let name = format!("{name} (known to deviate: {why})");
            Trial::test(name, move || still_deviates(claim, subject, race)).with_ignored_flag(true)
        }
    }
}

/// Tries it. A peer that fails once and not again says that the machine is busy,
/// and nothing about the test; ours has one try.
pub(crate) fn judge(claim: &Claim, subject: Subject) {
    let tries = match subject.runtime {
        Runtime::Isorun => 0,
        Runtime::Runc | Runtime::Crun => 2,
    };
    for _ in 0..tries {
        if std::panic::catch_unwind(|| (claim.test)(subject)).is_ok() {
            return;
        }
    }
    (claim.test)(subject);
}

/// A deviation that is gone must leave the table.
fn still_deviates(claim: &Claim, subject: Subject, race: bool) -> Result<(), Failed> {
    let outcome = std::panic::catch_unwind(|| (claim.test)(subject));
    match outcome {
        Err(_) => Ok(()),
        Ok(()) if race => Ok(()),
        Ok(()) => Err("it conforms now: take it out of the table".into()),
    }
}

fn main() {
    let mut arguments = Arguments::from_args();
    // They wait for the kernel more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(6));
    let subjects = subjects();
    if document::is_asked_for() {
        document::write(&claims(), &subjects);
        subject::clean();
        return;
    }
    let mut trials = vec![Trial::test(
        "the_document_lists_every_claim_and_no_other",
        || document::is_complete(&claims()),
    )];
    for (subject, able) in &subjects {
        trials.extend(
            claims()
                .into_iter()
                .map(|claim| trial(claim, *subject, able)),
        );
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    subject::clean();
    conclusion.exit();
}
