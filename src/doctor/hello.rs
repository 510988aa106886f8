//! What `/dev/kvm` is worth, by the smallest guest in a process of its own.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use vm_model::kvm::{self, Asked, Grade};

/// The word for it after `isolab __probe`.
pub(super) const STAGE: &str = "kvm-hello";

/// Grades it. Must be called in the `isolab` binary, as [`run`](super::run).
///
/// # Errors
/// If no process can be started.
pub fn kvm_grade() -> io::Result<Grade> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("isolab").args(["__probe", STAGE]);
    kvm::grade(&mut command)
}

/// The probed side: prints what became of the guest.
pub(super) fn probe() -> ExitCode {
    let hello = kvm::hello(Asked::default()).map_err(|error| error.to_string());
    match serde_json::to_string(&hello) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
