//! A home with spaces in its name, in which `isolab` runs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

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

/// Why no environment can be made here, if so.
pub(crate) fn no_python() -> Option<String> {
    venv_sim::discover(None)
        .err()
        .map(|error| error.to_string())
}

pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir_all(home.project()).expect("made");
        home
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("a home")
    }

    /// The working directory.
    pub(crate) fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    /// `isolab venv` with these arguments, in the project.
    pub(crate) fn venv<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.isolab(&["venv"]);
        command.args(arguments);
        command
    }

    pub(crate) fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .current_dir(self.project())
            .env("HOME", self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("NO_COLOR", "1")
            .env_remove("VIRTUAL_ENV");
        command
    }

    /// An environment `.venv` in the project, and what is in it.
    pub(crate) fn environment(&self) -> Result<BTreeMap<PathBuf, String>, Failed> {
        // By its path: pyenv's shims look for pyenv in HOME.
        let python = venv_sim::discover(None)?.executable;
        ok(self.venv(&["create", "--python"]).arg(python))?;
        Ok(self.contents())
    }

    /// Every file of the environment, and what it holds or leads to.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, String> {
        let top = self.project().join(".venv");
        let (mut found, mut left) = (BTreeMap::new(), vec![top.clone()]);
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).expect("read").flatten() {
                let path = entry.path();
                let kind = entry.file_type().expect("a kind");
                let what = if kind.is_symlink() {
                    format!("-> {}", fs::read_link(&path).expect("read").display())
                } else if kind.is_dir() {
                    left.push(path.clone());
                    "directory".to_owned()
                } else {
                    String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned()
                };
                found.insert(path.strip_prefix(&top).expect("below").to_owned(), what);
            }
        }
        found
    }

    pub(crate) fn in_venv(&self, path: &str) -> PathBuf {
        self.project().join(".venv").join(path)
    }
}

/// What a command that succeeds prints.
#[track_caller]
pub(crate) fn ok(command: &mut Command) -> Result<String, Failed> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).map_err(|error| error.to_string())?),
        false => Err(format!("{command:?}: {}", complaint(&output)).into()),
    }
}

/// What a command that fails says, which has to hold all of `parts`.
#[track_caller]
pub(crate) fn fails(command: &mut Command, parts: &[&str]) -> Result<String, Failed> {
    let output = command.output()?;
    let said = complaint(&output);
    if output.status.code() != Some(1) {
        return Err(format!("{command:?} ended with {}: {said}", output.status).into());
    }
    match parts.iter().find(|part| !said.contains(**part)) {
        Some(part) => Err(format!("no `{part}` in: {said}").into()),
        None => Ok(said),
    }
}

fn complaint(output: &Output) -> String {
    let (said, printed) = (&output.stderr, &output.stdout);
    format!(
        "{}{}",
        String::from_utf8_lossy(said),
        String::from_utf8_lossy(printed)
    )
}

pub(crate) fn json(command: &mut Command) -> Result<Value, Failed> {
    Ok(serde_json::from_str(&ok(command)?)?)
}

/// Fails with what was seen instead of what the claim says.
#[track_caller]
#[allow(clippy::needless_pass_by_value)] // values are easier to read where it is called
pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(
    what: &str,
    seen: T,
    expected: T,
) -> Result<(), Failed> {
    match seen == expected {
        true => Ok(()),
        false => Err(format!("{what}: {seen:?}, not {expected:?}").into()),
    }
}

/// The names that `list` gives.
pub(crate) fn installed(home: &Home) -> Result<Vec<String>, Failed> {
    let list = json(&mut home.venv(&["list", "--json"]))?;
    let packages = list["packages"].as_array().cloned().unwrap_or_default();
    let line = |one: &Value| {
        Some(format!(
            "{}=={}",
            one["name"].as_str()?,
            one["version"].as_str()?
        ))
    };
    Ok(packages.iter().filter_map(line).collect())
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}
