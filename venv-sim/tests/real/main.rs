//! Environments under the real interpreters and shells of this machine.
//!
//! What is not installed here is reported as ignored, with the reason, never as passed.

mod activation;
mod creation;
mod discovery;
mod facts;
mod foreign;
mod hostile;
mod index;
mod installing;
mod interruption;
mod legacy;
mod linking;
mod machine;
mod mending;
mod occupied;
mod packaging;
mod peers;
mod python;
mod resolution_sets;
mod seeding;
mod seeing;
mod shells;
mod storing;
mod undoing;
mod upgrade;
mod wheels;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The children of the tests that kill creations and upgrades at random moments.
    if let Some(dir) = std::env::var_os(interruption::CHILD) {
        return interruption::create_for_ever(dir.as_ref());
    }
    if let Some(dir) = std::env::var_os(upgrade::CHILD) {
        return upgrade::upgrade_for_ever(dir.as_ref());
    }
    if let Some(dir) = std::env::var_os(storing::CHILD) {
        return storing::store_for_ever(dir.as_ref());
    }
    if let Some(dir) = std::env::var_os(undoing::CHILD) {
        return undoing::change_for_ever(dir.as_ref());
    }
    if let Some(dir) = std::env::var_os(linking::CHILD) {
        return linking::put_in(dir.as_ref());
    }
    if let Some(dir) = std::env::var_os(seeing::CHILD) {
        return seeing::ask(dir.as_ref());
    }
    if let Some(Ok(wanted)) = std::env::var_os(foreign::MAKER).map(std::ffi::OsString::into_string)
    {
        return foreign::make(&wanted);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let cache = machine::make_cache();
    // The one that waits ten seconds first, so that others run beside it.
    let mut trials = discovery::trials();
    trials.extend(python::trials());
    trials.extend(packaging::trials());
    trials.extend(resolution_sets::trials());
    trials.extend(activation::trials());
    trials.extend(facts::trials());
    trials.extend(foreign::trials());
    trials.extend(creation::trials());
    trials.extend(installing::trials());
    trials.extend(hostile::trials());
    trials.extend(peers::trials());
    trials.extend(storing::trials());
    trials.extend(undoing::trials());
    trials.extend(occupied::trials());
    trials.extend(mending::trials());
    trials.extend(linking::trials());
    trials.extend(index::trials());
    trials.extend(interruption::trials());
    trials.extend(legacy::trials());
    trials.extend(seeding::trials());
    trials.extend(seeing::trials());
    trials.extend(upgrade::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(cache); // a static would leave it behind
    conclusion.exit_code()
}
