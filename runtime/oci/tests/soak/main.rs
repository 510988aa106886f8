//! What only many starts, or an unlucky end, can show. Takes minutes, so each
//! test is ignored unless asked for: `cargo test -p isolab-oci --test soak -- --ignored`.
//!
//! The command is used as a client uses it, and what must be left afterwards is
//! what was there before: control groups, mounts, processes, state.

#[path = "../support/busybox.rs"]
mod busybox;
#[path = "../support/example.rs"]
mod example;
mod killed;
mod lab;
mod many;

use libtest_mimic::{Arguments, Failed, Trial};

/// A test: its name as a claim, and what it does. The error says why it cannot.
type Claim = (&'static str, fn() -> Result<(), String>);

fn main() {
    let claims = [many::CLAIMS, killed::CLAIMS];
    let trials = claims.into_iter().flatten().map(|&(name, claim)| {
        Trial::test(name, move || claim().map_err(Failed::from)).with_ignored_flag(true)
    });
    let mut arguments = Arguments::from_args();
    // Each looks at what the others would leave behind.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
