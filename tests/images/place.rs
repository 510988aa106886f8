//! A home with a store of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::shared::once;

/// A test that runs if it can: `Err` says what is missing.
pub(crate) fn trial(
    name: &str,
    missing: Option<String>,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    match missing {
        None => Trial::test(name, run),
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), run).with_ignored_flag(true),
    }
}

/// Why a program cannot be had, if so.
pub(crate) fn no(program: &str) -> Option<String> {
    once(program, || {
        let tried = Command::new(program).arg("--version").output();
        let works = tried.is_ok_and(|output| output.status.success());
        (!works).then(|| format!("there is no {program}"))
    })
}

/// Why no base image can be made here, if so.
pub(crate) fn no_busybox() -> Option<String> {
    once("a base image", || {
        let home = Home::new();
        let made = home.isolab(&["image", "bootstrap", "busybox"]).output();
        let made = made.expect("isolab runs");
        let said = String::from_utf8_lossy(&made.stderr);
        (!made.status.success()).then(|| said.lines().next().unwrap_or_default().to_owned())
    })
}

pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The store, which is an OCI layout.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("data/isolab/images")
    }

    pub(crate) fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("NO_COLOR", "1");
        command
    }

    /// What it prints where it succeeds.
    pub(crate) fn says(&self, arguments: &[&str]) -> Result<String, Failed> {
        said(&mut self.isolab(arguments))
    }

    /// The same as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.says(arguments)?)?)
    }

    /// What it says on standard error where it fails, as it has to.
    pub(crate) fn fails(&self, arguments: &[&str]) -> Result<String, Failed> {
        let output = self.isolab(arguments).output()?;
        if output.status.success() {
            return Err(format!("{arguments:?} succeeded").into());
        }
        Ok(String::from_utf8(output.stderr)?)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The files of an ordinary user's layers are not his outside of the room.
        let _ = self.isolab(&["system", "clean", "--yes"]).output();
    }
}

/// What a command prints; an error with all that it said where it fails.
pub(crate) fn said(command: &mut Command) -> Result<String, Failed> {
    let output: Output = command.output()?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    match output.status.success() {
        true => Ok(out),
        false => Err(format!("{command:?}: {}: {out}{err}", output.status).into()),
    }
}
