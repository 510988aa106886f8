//! What a pyenv shim would start, found without starting it.
//!
//! A shim is a bash script that runs pyenv, itself bash: it takes 50 ms to reach Python.
//! Its rule is short, and is applied here.
//!
//! Source: pyenv's `COMMANDS.md`, sections `pyenv local`, `global` and `shell`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// One pyenv installation, as the current process sees it.
#[derive(Debug, Clone)]
pub(crate) struct Pyenv {
    pub(crate) root: PathBuf,
    /// `PYENV_VERSION`
    pub(crate) version_asked: Option<OsString>,
    /// Where the search for `.python-version` begins.
    pub(crate) directory: PathBuf,
}

/// Where a shim leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// To this program, for this reason.
    Program(PathBuf, String),
    /// To the next of that name on PATH: the version is `system`.
    Next,
    /// To nothing, for this reason.
    Nowhere(String),
}

impl Pyenv {
    pub(crate) fn is_shim(&self, path: &Path) -> bool {
        path.parent()
            .is_some_and(|parent| parent == self.root.join("shims"))
    }

    /// What the shim called `name` would start.
    pub(crate) fn follow(&self, name: &OsStr) -> Lead {
        let (versions, set_by) = self.versions_set();
        for version in versions
            .split([':', '\n', ' '])
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            if version == "system" {
                return Lead::Next;
            }
            // A version is one name: `..` or a path would lead out of pyenv.
            if version.contains('/') || version.starts_with('.') {
                continue;
            }
            let exact = self
                .root
                .join("versions")
                .join(version)
                .join("bin")
                .join(name);
            let found = Some(exact).filter(|path| path.is_file()).or_else(|| {
                let prefix = format!("{version}.");
                let (_, directory) = self
                    .installed()
                    .into_iter()
                    .find(|(found, _)| found.starts_with(&prefix))?;
                Some(directory.join("bin").join(name)).filter(|path| path.is_file())
            });
            if let Some(path) = found {
                return Lead::Program(path, format!("pyenv version {version}, set by {set_by}"));
            }
        }
        Lead::Nowhere(format!("no version set by {set_by} has it"))
    }

    fn versions_set(&self) -> (String, String) {
        if let Some(asked) = self
            .version_asked
            .as_ref()
            .filter(|asked| !asked.is_empty())
        {
            return (
                asked.to_string_lossy().into_owned(),
                "PYENV_VERSION".to_owned(),
            );
        }
        let local = self
            .directory
            .ancestors()
            .map(|directory| directory.join(".python-version"));
        for file in local.chain([self.root.join("version")]) {
            if let Ok(content) = fs::read_to_string(&file) {
                let lines = content
                    .lines()
                    .filter(|line| !line.trim_start().starts_with('#'));
                return (
                    lines.collect::<Vec<_>>().join("\n"),
                    file.display().to_string(),
                );
            }
        }
        ("system".to_owned(), "default".to_owned())
    }

    /// The versions installed, the newest first.
    pub(crate) fn installed(&self) -> Vec<(String, PathBuf)> {
        let Ok(entries) = fs::read_dir(self.root.join("versions")) else {
            return Vec::new();
        };
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
            .collect();
        found.sort_by(|(left, _), (right, _)| {
            numbers(right).cmp(&numbers(left)).then(left.cmp(right))
        });
        found
    }
}

/// The leading numbers of a version's name, for order; none for `pypy3.10-7.3`, which so
/// comes after every CPython.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}
