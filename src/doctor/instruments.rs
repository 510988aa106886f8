//! What the lab measures with and does not make itself: an interpreter, the
//! emulator, hardware virtualization and a guest's kernel.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::facts::{Found, Program, Python};
use crate::environment::bounded::{self, Ended};
use crate::environment::tools;

/// The longest that an interpreter may take to import the workload's modules,
/// from a cold disk.
const PYTHON_BOUND: Duration = Duration::from_secs(3);

/// Prints the version, and then each module of the workload that is missing.
const ASK_PYTHON: &str = "\
import platform
print(platform.python_version())
for module in ('json', 'ssl', 'sqlite3', 'venv'):
    try:
        __import__(module)
    except ImportError:
        print(module)
";

fn missing<T>(why: impl Into<String>) -> Found<T> {
    Found::Missing { why: why.into() }
}

/// The interpreter that `python3` names, and what it lacks.
pub(super) fn python() -> Found<Python> {
    let Some(path) = tools::find("python3") else {
        return missing("no python3 is on PATH");
    };
    let name = path.display().to_string();
    let mut command = Command::new(&path);
    command.args(["-I", "-c", ASK_PYTHON]);
    match bounded::run(&mut command, PYTHON_BOUND) {
        Ok(Ended::Exited {
            code: Some(0),
            stdout,
            ..
        }) => {
            let mut lines = stdout.lines().map(str::to_owned);
            Found::Here(Python {
                path,
                version: lines.next().unwrap_or_default(),
                lacks: lines.collect(),
            })
        }
        Ok(Ended::TimedOut) => missing(format!("{name} did not answer within 3 s")),
        Ok(Ended::Exited { stderr, .. }) => {
            let said = stderr.lines().last().unwrap_or("nothing");
            missing(format!("{name} does not run: it said {said}"))
        }
        Err(error) => missing(format!("{name} does not run: {error}")),
    }
}

/// The emulator, whether a guest runs under KVM, and a kernel for guests.
pub(super) fn guests() -> (Found<Program>, Found<String>, Found<Program>) {
    (qemu(), Found::NotAsked, guest_kernel())
}

fn qemu() -> Found<Program> {
    let Some(path) = tools::find(tools::QEMU) else {
        return missing(format!("no {} is on PATH", tools::QEMU));
    };
    match tools::version(&path) {
        Some(version) => Found::Here(Program { path, version }),
        None => missing(format!("{} does not say its version", path.display())),
    }
}

/// The newest kernel image of the host that this user can read.
fn guest_kernel() -> Found<Program> {
    let mut images: Vec<PathBuf> = fs::read_dir("/boot")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        })
        .collect();
    images.sort();
    if images.is_empty() {
        return missing("this machine has no kernel image in /boot");
    }
    let Some(path) = images
        .into_iter()
        .rev()
        .find(|path| File::open(path).is_ok())
    else {
        return missing("the kernel images in /boot are readable by root alone");
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let version = name.trim_start_matches("vmlinuz-").to_owned();
    Found::Here(Program { path, version })
}
