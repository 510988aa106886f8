//! Containers from layers, as root and as an ordinary user: what needs a kernel, a
//! privilege or another runtime.
//!
//! A test that cannot run here is reported as ignored, with the reason in its
//! name; none passes silently.

#[path = "../../../oci/tests/support/busybox.rs"]
mod busybox;
mod driver;
mod ends;
mod kills;
mod layers;
mod terminal;
mod users;

use libtest_mimic::{Arguments, Trial};

use driver::Asked;
use users::{Lab, Need, User};

/// A test: its name as a claim, and what it does.
type Check = (&'static str, fn(&Lab, &Asked));

/// A check as one of the users, with our runtime or another.
fn trial(check: &Check, user: User, runtime: Option<&'static str>, need: &Need) -> Trial {
    let &(claim, perform) = check;
    let by = runtime.map_or_else(String::new, |runtime| format!("_by_{runtime}"));
    let name = format!("{claim}_{}{by}", user.name());
    match need {
        Ok(()) => Trial::test(name, move || {
            let asked = match runtime {
                Some(runtime) => Asked::new().with(&["--runtime", runtime]),
                None => Asked::new(),
            };
            perform(&Lab::new(user)?, &asked);
            Ok(())
        }),
        Err(why) => {
            Trial::test(format!("{name} (not here: {why})"), || Ok(())).with_ignored_flag(true)
        }
    }
}

fn is_here(runtime: &str) -> Need {
    let asked = std::process::Command::new(runtime)
        .arg("--version")
        .output();
    asked
        .map(drop)
        .map_err(|error| format!("{runtime}: {error}"))
}

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
        let all = [
            ends::CHECKS,
            layers::CHECKS,
            terminal::CHECKS,
            kills::CHECKS,
        ];
        for check in all.into_iter().flatten() {
            trials.push(trial(check, user, None, &need));
        }
        for runtime in ["runc", "crun"] {
            let need = need.clone().and_then(|()| is_here(runtime));
            let all = [ends::CHECKS, terminal::CHECKS, kills::CHECKS];
            for check in all.into_iter().flatten() {
                trials.push(trial(check, user, Some(runtime), &need));
            }
        }
    }
    let mut arguments = Arguments::from_args();
    // One after the other: several look at what the others would leave behind.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit();
}
