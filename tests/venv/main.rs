//! `isolab venv` as a user types it: environments filled, seen, mended and emptied again.
//!
//! What is not here (an interpreter, an index) is reported as ignored, with the reason, never as
//! passed.

mod filling;
mod flags;
mod mending;
mod place;
mod popular;
mod refusing;
mod telling;
mod wheels;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = popular::trials();
    trials.extend(filling::trials());
    trials.extend(refusing::trials());
    trials.extend(mending::trials());
    trials.extend(telling::trials());
    trials.extend(flags::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
