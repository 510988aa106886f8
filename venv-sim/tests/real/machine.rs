//! What this machine has to test with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use venv_sim::{Cache, Interpreter, Options, Search};

/// A test that runs if it can: `Err` says what is missing.
pub(crate) fn trial(
    name: impl Into<String>,
    missing: Option<String>,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    match missing {
        None => Trial::test(name, run),
        Some(why) => {
            Trial::test(format!("{} (ignored: {why})", name.into()), run).with_ignored_flag(true)
        }
    }
}

/// Fails with what was seen instead of what the claim says.
#[track_caller]
pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(
    what: &str,
    seen: &T,
    expected: &T,
) -> Result<(), Failed> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{what}: {seen:?}, not {expected:?}").into())
    }
}

static CACHE: OnceLock<PathBuf> = OnceLock::new();

/// Makes the cache that all tests of this run share; it lasts as long as what is given.
pub(crate) fn make_cache() -> TempDir {
    let directory = scratch();
    CACHE.set(directory.path().to_owned()).expect("made once");
    directory
}

/// The cache that all tests of this run share.
pub(crate) fn cache() -> Cache {
    Cache::at(CACHE.get().expect("made first"))
}

/// An empty directory on the file system of the cache, so that links are tested.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(crate) fn options() -> Options {
    Options {
        cache: cache(),
        ..Options::default()
    }
}

/// The interpreter of this version, wherever it is.
pub(crate) fn python(version: &str) -> venv_sim::Result<Interpreter> {
    Search::of_process().cache(cache()).discover(Some(version))
}

/// Any interpreter that can be used, and the reason if there is none.
pub(crate) fn any_python() -> Result<Interpreter, String> {
    Search::of_process()
        .cache(cache())
        .discover(None)
        .map_err(|error| error.to_string())
}

/// Where a program lies on PATH.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// What a command prints; its failure, with what it said, is the test's.
pub(crate) fn output(command: &mut Command) -> Result<String, Failed> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {said}", output.status).into());
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string().into())
}

/// Every file below `dir`, relative to it, in order.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                left.push(path.clone());
            }
            found.push(path.strip_prefix(dir).expect("below").to_owned());
        }
    }
    found.sort();
    found
}
