//! Containers from layers, as root and as an ordinary user: what needs a kernel, a
//! privilege or another runtime.
//!
//! A test that cannot run here is reported as ignored, with the reason in its
//! name; none passes silently.

#[path = "../../../oci/tests/support/busybox.rs"]
mod busybox;
mod driver;
mod ends;
mod users;

use libtest_mimic::{Arguments, Trial};

use driver::Asked;
use users::{Lab, User};

fn main() {
    if let Some(code) = isolab_engine::inside() {
        std::process::exit(code.into());
    }
    if let Some(code) = driver::perform() {
        std::process::exit(code);
    }
    let mut trials = Vec::new();
    for user in [User::Root, User::Granted, User::Single] {
        let need = user.can_run();
        for &(name, check) in ends::CHECKS {
            let name = format!("{name}_{}", user.name());
            trials.push(match &need {
                Ok(()) => Trial::test(name, move || {
                    check(&Lab::new(user)?, &Asked::new());
                    Ok(())
                }),
                Err(why) => Trial::test(format!("{name} (not here: {why})"), || Ok(()))
                    .with_ignored_flag(true),
            });
        }
    }
    let mut arguments = Arguments::from_args();
    // One after the other: several look at what the others would leave behind.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit();
}
