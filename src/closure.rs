//! The closure of an interpreter: the files that the Python workload needs, and
//! nothing else.
//!
//! Container and guest run Python from a root file system of their own, made of
//! this closure. Running it from the host's root would make their disk and
//! their page cache look free. The interpreter itself says what it has loaded:
//! no package list could know it better.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Asked of the interpreter, after the workload's own imports.
const QUESTION: &str = include_str!("closure.py");

/// What has to be in a root file system for the interpreter to run.
#[derive(Clone, Debug, Deserialize)]
pub struct Closure {
    /// The interpreter's own path, all symbolic links resolved.
    pub binary: PathBuf,
    /// Folders that must exist, even if empty.
    pub folders: Vec<PathBuf>,
    /// Files, each at the path it has on the host.
    pub files: Vec<PathBuf>,
    /// Symbolic links: path to target.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Names of `.pth` files through which packages of the interpreter's own
    /// run code at every start. No other subject sees them.
    pub start_up_code: Vec<String>,
}

/// Asks `interpreter` (a path) for its closure.
///
/// # Errors
/// If it does not run, lacks one of the workload's modules, or answers with
/// something else than its closure.
pub fn of(interpreter: &Path) -> Result<Closure> {
    let shown = interpreter.display();
    let output = Command::new(interpreter)
        .args(["-I", "-c", QUESTION])
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    ensure!(
        output.status.success(),
        "cannot import json, ssl and sqlite3 in {shown}: {}",
        String::from_utf8_lossy(&output.stderr)
            .trim()
            .lines()
            .last()
            .unwrap_or("no reason given")
    );
    let closure: Closure = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cannot read what {shown} says of its files"))?;
    let named = closure
        .files
        .iter()
        .chain(closure.links.keys())
        .chain([&closure.binary]);
    let all_absolute = named.into_iter().all(|path| path.is_absolute());
    ensure!(all_absolute, "{shown} names a file by a relative path");
    Ok(closure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_no_interpreter_is_an_error_that_names_it() {
        let error = of(Path::new("/bin/false")).unwrap_err().to_string();
        assert!(error.contains("/bin/false"), "{error}");
    }
}
