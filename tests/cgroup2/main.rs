//! The runtime's own tests of real containers, on a machine that has version 2 of control
//! groups alone: a guest that we boot.
//!
//! Which version a machine has, it cannot say twice: on one with version 1 most of what
//! the runtime does with version 2 would never be tried. The guest has this machine's
//! test program, the runtime and busybox, and the tests are root's there.

mod guest;
mod suite;

use libtest_mimic::{Arguments, Failed, Trial};

/// Parts of the names of those that are about nothing else.
const GROUPS: [&str; 3] = ["group", "limit", "pause"];
/// An underscore is in the name of each.
const ALL: [&str; 1] = ["_"];

fn main() {
    let claims: [(_, &'static [&str], _); 2] = [
        (
            "the_tests_of_control_groups_hold_with_version_2_alone",
            &GROUPS,
            false,
        ),
        // Minutes, under an emulator.
        (
            "all_tests_of_containers_hold_with_version_2_alone",
            &ALL,
            true,
        ),
    ];
    let trials = claims.map(|(name, names, is_long)| match guest::Parts::find() {
        Ok(parts) => Trial::test(name, move || all_hold(&parts, names)).with_ignored_flag(is_long),
        // Where all of it is installed nothing may be missing.
        Err(why) => Trial::test(format!("{name} (not here: {why})"), move || Err(why.into()))
            .with_ignored_flag(is_long || std::env::var_os("CI").is_none()),
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.into()).exit();
}

fn all_hold(parts: &guest::Parts, names: &[&str]) -> Result<(), Failed> {
    let said = guest::run(
        parts,
        &suite::executable("isolab-oci", "containers")?,
        names,
    )?;
    suite::judge(&said, names.len())?;
    Ok(())
}
