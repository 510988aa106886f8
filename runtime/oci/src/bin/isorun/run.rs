//! `isorun run`: starts a container and stays with it until it ends.

use std::process::ExitCode;

use isolab_oci::sys::signal::{self, SignalSet};
use isolab_oci::{Bundle, Cgroup, Container, Options, Running, Stdio};

use super::Failure;
use super::arguments::Run;

/// `SIGCHLD`, by its number on every architecture served (`signal(7)`).
const SIGCHLD: i32 = 17;
/// Signals that concern this process alone: it stops, continues, or faults.
const NOT_FORWARDED: [i32; 10] = [4, 5, 7, 8, 11, 18, 19, 20, 21, 22];

/// Runs the container; the exit code is its own.
pub(super) fn run(options: &Run) -> Result<ExitCode, Failure> {
    let bundle = Bundle::load(&options.bundle)?;
    // Blocked before the clone: a container that ends at once must not end
    // unnoticed, and a signal that comes meanwhile is for the container.
    let signals = NOT_FORWARDED
        .iter()
        .fold(SignalSet::ALL, |set, &s| set.without(s));
    signal::set_mask(signals);
    let how = Options {
        die_with_parent: true,
        cgroup: Cgroup::Named,
        keep_keyring: options.keep_keyring,
        ..Options::default()
    };
    let mut running = Container::run(&bundle, &options.id, Stdio::inherit(), &how)?;
    for warning in running.warnings() {
        eprintln!("warning: {warning}");
    }
    if let Some(file) = &options.pid_file {
        std::fs::write(file, running.pid().to_string()).map_err(|error| Failure {
            message: format!("cannot write {}: {error}", file.display()),
            hint: None,
        })?;
    }
    supervise(&mut running, signals)
}

/// Passes signals on until the container has ended.
fn supervise(running: &mut Running, signals: SignalSet) -> Result<ExitCode, Failure> {
    loop {
        match signal::wait_for(signals) {
            Ok(SIGCHLD) => {
                if let Some(status) = running.try_wait()? {
                    let code = u8::try_from(status.shell_code()).unwrap_or(1);
                    return Ok(ExitCode::from(code));
                }
            }
            Ok(signal) => running.kill(signal)?,
            Err(_) => {} // interrupted by a signal that is not forwarded
        }
    }
}
