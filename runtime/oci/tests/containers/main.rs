//! What needs a kernel: real containers from a busybox root, as root or as an
//! ordinary user, whoever runs the tests.
//!
//! A test that cannot run here is reported as ignored, with the reason in its
//! name; none passes silently.

mod attacks;
mod attacks_paths;
mod attacks_process;
#[path = "../support/busybox.rs"]
mod busybox;
mod cgroups;
mod command;
mod created;
#[path = "../support/eventually.rs"]
mod eventually;
#[path = "../support/example.rs"]
mod example;
mod filters;
mod hooks;
mod hostile;
mod inside;
mod joining;
mod lab;
mod lifecycle;
mod limits;
mod listener;
mod managers;
mod mounts;
mod paused;
mod peers;
mod privileges;
mod process;
mod security;
mod sleeper;
mod support;
mod watched;

use libtest_mimic::{Arguments, Trial};

/// A test: its name as a claim, what it needs, what it does.
type Claim = (&'static str, fn() -> Need, fn());

/// `Ok`, or why the test cannot run here.
type Need = Result<(), String>;

fn main() {
    let claims = [
        process::CLAIMS,
        inside::CLAIMS,
        mounts::options::CLAIMS,
        mounts::destinations::CLAIMS,
        mounts::tmpfs::CLAIMS,
        mounts::groups::CLAIMS,
        mounts::spread::CLAIMS,
        mounts::id_mapped::CLAIMS,
        attacks::CLAIMS,
        attacks_paths::CLAIMS,
        attacks_process::CLAIMS,
        cgroups::CLAIMS,
        lifecycle::CLAIMS,
        limits::CLAIMS,
        command::CLAIMS,
        created::CLAIMS,
        paused::CLAIMS,
        hooks::CLAIMS,
        joining::CLAIMS,
        peers::CLAIMS,
        filters::CLAIMS,
        security::CLAIMS,
        hostile::CLAIMS,
        privileges::CLAIMS,
        watched::CLAIMS,
        listener::CLAIMS,
        managers::CLAIMS,
    ];
    let trials = claims
        .into_iter()
        .flatten()
        .map(|&(name, need, claim)| match need() {
            Ok(()) => Trial::test(name, move || {
                claim();
                Ok(())
            }),
            Err(why) => {
                Trial::test(format!("{name} (not here: {why})"), || Ok(())).with_ignored_flag(true)
            }
        });
    let mut arguments = Arguments::from_args();
    // One after the other: several look at what the others would leave behind.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
