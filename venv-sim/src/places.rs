//! Where interpreters may lie, in the order in which they are tried.

use std::cmp::Reverse;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::pyenv::Pyenv;

/// Where a place was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Given by the caller.
    Asked,
    /// In a directory of `PATH`.
    Path,
    /// Installed by pyenv.
    Pyenv,
    /// Where distributions put it, `PATH` or not.
    System,
}

/// A place to try, not yet looked at.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
}

impl Place {
    /// What the caller named is always tried, to be refused with its reason.
    pub(crate) fn is_worth_a_try(&self) -> bool {
        self.origin == Origin::Asked || self.path.is_file()
    }
}

/// The surroundings in which interpreters are looked for.
#[derive(Debug, Clone)]
pub struct Search {
    path: Vec<PathBuf>,
    pub(crate) pyenv: Option<Pyenv>,
    system: Vec<PathBuf>,
    pub(crate) directory: PathBuf,
    pub(crate) cache: Cache,
}

impl Search {
    /// As this process sees them: `PATH`, pyenv's variables, the working directory, the user's
    /// cache.
    #[must_use]
    pub fn of_process() -> Self {
        let path: Vec<_> = env::var_os("PATH")
            .map(|path| env::split_paths(&path).collect())
            .unwrap_or_default();
        let root = env::var_os("PYENV_ROOT")
            .map(PathBuf::from)
            .filter(|root| root.is_absolute());
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
        Self::new(path)
            .pyenv(root.or_else(home), env::var_os("PYENV_VERSION"))
            .system(["/usr/local/bin", "/usr/bin"])
            .directory(env::current_dir().unwrap_or_else(|_| "/".into()))
            .cache(Cache::of_user())
    }

    /// Only the directories of `path`, in this order.
    pub fn new(path: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self {
            // A relative entry would make the choice depend on the working directory.
            path: path
                .into_iter()
                .map(Into::into)
                .filter(|entry: &PathBuf| entry.is_absolute() && !is_of_the_store(entry))
                .collect(),
            pyenv: None,
            system: Vec::new(),
            directory: "/".into(),
            cache: Cache::none(),
        }
    }

    /// Also pyenv's versions under `root`; `version` is `PYENV_VERSION`.
    #[must_use]
    pub fn pyenv(mut self, root: Option<PathBuf>, version: Option<OsString>) -> Self {
        let directory = self.directory.clone();
        self.pyenv = root.map(|root| Pyenv {
            root,
            version_asked: version,
            directory,
        });
        self
    }

    /// Also these directories, last.
    #[must_use]
    pub fn system(mut self, directories: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.system = directories.into_iter().map(Into::into).collect();
        self
    }

    /// The working directory, where pyenv looks for `.python-version` first.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        if let Some(pyenv) = &mut self.pyenv {
            pyenv.directory.clone_from(&self.directory);
        }
        self
    }

    /// Where facts about interpreters are remembered.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// The places of these names: on PATH, each name through all of it; then pyenv's, the
    /// newest version first; then the system's.
    pub(crate) fn places(&self, names: &[&str]) -> Vec<Place> {
        let on = |directories: &[PathBuf], origin| {
            let mut found = Vec::new();
            for name in names {
                found.extend(directories.iter().map(|directory| Place {
                    path: directory.join(name),
                    origin,
                }));
            }
            found
        };
        let installed = self.pyenv.iter().flat_map(Pyenv::installed);
        let pyenv: Vec<_> = installed
            .map(|(_, directory)| directory.join("bin"))
            .collect();
        let mut places = on(&self.path, Origin::Path);
        places.extend(on(&pyenv, Origin::Pyenv));
        places.extend(on(&self.system, Origin::System));
        places
    }

    pub(crate) fn places_of_version(&self, version: &[u8]) -> Vec<Place> {
        let name = match version {
            [major, minor, ..] => format!("python{major}.{minor}"),
            _ => format!("python{}", version.first().copied().unwrap_or(3)),
        };
        let mut places = self.places(&[&name]);
        // An environment, or an oddly named build, answers to the plain names alone. Shims are
        // left out: they lead to what was just listed.
        let mut plain = self.places(&["python3", "python"]);
        plain.retain(|place| place.origin == Origin::Path && !self.is_shim(&place.path));
        places.extend(plain);
        places
    }

    /// Everything called `pythonX.Y` or `pypyX.Y`.
    pub(crate) fn places_with_version(&self) -> Vec<Place> {
        let mut names: Vec<OsString> = Vec::new();
        let installed = self.pyenv.iter().flat_map(Pyenv::installed);
        let pyenv = installed.map(|(_, directory)| directory.join("bin"));
        for directory in self
            .path
            .iter()
            .cloned()
            .chain(pyenv)
            .chain(self.system.iter().cloned())
        {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if has_version(&name) && !self.is_shim(&entry.path()) && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let mut names: Vec<&str> = names.iter().filter_map(|name| name.to_str()).collect();
        // The newest first, and 3.10 is newer than 3.9; CPython before others of its version.
        names.sort_by_key(|name| (Reverse(numbers(name)), Reverse(*name)));
        let mut places = self.places(&names);
        places.retain(|place| !self.is_shim(&place.path));
        places
    }

    pub(crate) fn is_shim(&self, path: &Path) -> bool {
        self.pyenv.as_ref().is_some_and(|pyenv| pyenv.is_shim(path))
    }
}

/// The numbers in a name, in order.
fn numbers(name: &str) -> Vec<u32> {
    let digits = name.split(|character: char| !character.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// Under WSL, PATH holds a directory of Windows whose `python3` only opens the Microsoft Store.
fn is_of_the_store(directory: &Path) -> bool {
    directory
        .components()
        .any(|part| part.as_os_str().eq_ignore_ascii_case("WindowsApps"))
}

fn has_version(name: &OsStr) -> bool {
    let rest = name
        .to_str()
        .and_then(|name| name.strip_prefix("python").or(name.strip_prefix("pypy")));
    rest.and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| {
            [major, minor]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_as_a_number() {
        let home = tempfile::tempdir().expect("a directory");
        for name in [
            "python3.9",
            "python3.10",
            "pypy3.10",
            "python3",
            "python3.x",
        ] {
            fs::write(home.path().join(name), "").expect("written");
        }
        let places = Search::new([home.path()]).places_with_version();
        let names: Vec<_> = places.iter().map(|place| place.path.file_name()).collect();
        let expected = ["python3.10", "pypy3.10", "python3.9"].map(|name| Some(OsStr::new(name)));
        assert_eq!(names, expected);
    }
}
