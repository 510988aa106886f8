//! The registry's two sides, against each other, against other people's programs
//! and against a registry that lies.
//!
//! What is not installed here is reported as ignored, with the reason, never as
//! passed.

mod debian;
mod docker;
mod images;
mod liar;
mod operations;
mod others;
mod own;
mod peers;
mod real;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = liar::inside() {
        return code;
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = Vec::new();
    trials.extend(liar::trials());
    trials.extend(operations::trials());
    trials.extend(others::trials());
    trials.extend(own::trials());
    trials.extend(real::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
