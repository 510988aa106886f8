//! The command line as engines use it: the same lines typed at isorun, runc and
//! crun, so that a test that asks too much fails at the peers.
//!
//! A test that cannot run here is reported as ignored, with the reason in its
//! name; none passes silently.

mod errors;
mod exec;
mod flags;
mod lifecycle;
mod output;
mod readme;
mod runtime;
mod states;
mod terminal;

use libtest_mimic::{Arguments, Trial};

use runtime::Runtime;

/// A test: its name as a claim, whom it holds for, what it does.
type Claim = (&'static str, &'static [&'static str], fn(&Runtime));

/// All three do it this way.
const ALL: &[&str] = &["isorun", "runc", "crun"];
/// crun does it otherwise, or not at all.
const NOT_CRUN: &[&str] = &["isorun", "runc"];
/// Ours alone.
const OURS: &[&str] = &["isorun"];

fn main() {
    let claims = [
        lifecycle::CLAIMS,
        states::CLAIMS,
        exec::CLAIMS,
        flags::CLAIMS,
        output::CLAIMS,
        errors::CLAIMS,
        readme::CLAIMS,
        terminal::CLAIMS,
    ];
    let mut trials = Vec::new();
    for name in ALL {
        let runtime = Runtime::find(name);
        for &(claim, holds_for, test) in claims.into_iter().flatten() {
            if !holds_for.contains(name) {
                continue;
            }
            let title = format!("{name}::{claim}");
            trials.push(match runtime.clone() {
                Ok(runtime) => Trial::test(title, move || {
                    test(&runtime);
                    Ok(())
                }),
                Err(why) => Trial::test(format!("{title} (not here: {why})"), || Ok(()))
                    .with_ignored_flag(true),
            });
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
