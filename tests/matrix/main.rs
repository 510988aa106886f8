//! The matrix on this machine: what is claimed of each place holds, every attempt
//! is harmless, what comes from inside is not trusted, and nothing is left behind.
//!
//! A place that this machine lacks is reported as ignored, with the reason that
//! the matrix itself gives.

mod harmless;
mod hostile;
mod lab;
mod real;
mod schema;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut trials = real::trials();
    trials.extend(schema::trials());
    trials.extend(harmless::trials());
    trials.extend(hostile::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A trial that asserts.
fn trial(name: &str, check: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        check();
        Ok(())
    })
}
