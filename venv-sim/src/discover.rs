//! Which Python? The one asked for, else the one that typing `python3` would start.
//!
//! A *place* is a file that may be an interpreter. Places are tried in a fixed order, and each
//! is followed to the real program behind it: through a pyenv shim to the version it would
//! start, through an environment to the interpreter it was made for.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::pyenv::{Lead, Pyenv};

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

/// A file that may be an interpreter, and what it turned out to be.
#[derive(Debug)]
pub struct Candidate {
    /// The file as found: perhaps a shim or a link.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// The interpreter that it is or leads to, or why it is none.
    pub interpreter: Result<Interpreter>,
}

/// Finds the interpreter for `request`, in the surroundings of this process.
///
/// `None` is what `python3` would start. A request is a version (`3`, `3.11`, `3.11.7`), a path
/// (of a program, or of an environment or a prefix), or a name to look for on `PATH`.
///
/// # Errors
/// [`Error::NoInterpreter`] if nothing fits; what was found wrong with the file if the
/// request names just one.
pub fn discover(request: Option<&str>) -> Result<Interpreter> {
    Search::of_process().discover(request)
}

/// Every interpreter that [`discover`] could choose, each real program once, and the files
/// that look like one but are not.
#[must_use]
pub fn interpreters() -> Vec<Candidate> {
    Search::of_process().interpreters()
}

/// The surroundings in which interpreters are looked for.
#[derive(Debug, Clone)]
pub struct Search {
    path: Vec<PathBuf>,
    pyenv: Option<Pyenv>,
    system: Vec<PathBuf>,
    directory: PathBuf,
    cache: Cache,
}

/// A place to try, not yet looked at.
struct Place {
    path: PathBuf,
    origin: Origin,
}

enum Request<'a> {
    Any,
    Version(Vec<u8>),
    Name(&'a str),
    Path(&'a Path),
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
                .filter(|entry: &PathBuf| entry.is_absolute())
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

    /// As the function [`discover`], in these surroundings.
    ///
    /// # Errors
    /// As there.
    pub fn discover(&self, request: Option<&str>) -> Result<Interpreter> {
        let asked = parse(request);
        let places = match &asked {
            Request::Any => self.places(&["python3", "python"]),
            Request::Version(version) => self.places_of_version(version),
            Request::Name(name) => self.places(&[name]),
            Request::Path(path) => vec![Place {
                path: self.program_at(path),
                origin: Origin::Asked,
            }],
        };
        let mut refused = Vec::new();
        for place in places {
            match self.resolve(&place) {
                Ok(found) if asked.admits(&found) => return Ok(found),
                Ok(found) => {
                    let (major, minor, patch) = found.version;
                    let other =
                        format!("{} is {major}.{minor}.{patch}", found.executable.display());
                    refused.push((other, None));
                }
                Err(error) => refused.push((error.to_string(), Some(error))),
            }
        }
        // One file refused is the answer; so is a Python too old, named by what it is.
        let alone = refused.len() == 1;
        let telling = |(_, error): &mut (String, Option<Error>)| {
            error.take_if(|error| alone || matches!(error, Error::UnsupportedPython { .. }))
        };
        if let Some(error) = refused.iter_mut().find_map(telling) {
            return Err(error);
        }
        let mut tried: Vec<_> = refused.into_iter().map(|(text, _)| text).collect();
        tried.dedup();
        Err(Error::NoInterpreter {
            request: asked.in_words(),
            tried,
        })
    }

    /// As the function [`interpreters`], in these surroundings.
    #[must_use]
    pub fn interpreters(&self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        let mut places = self.places(&["python3", "python"]);
        places.extend(self.places_with_version());
        for Place { path, origin } in places {
            let interpreter = self.resolve(&Place {
                path: path.clone(),
                origin,
            });
            let known = |candidate: &Candidate| match (&candidate.interpreter, &interpreter) {
                (Ok(one), Ok(other)) => one.executable == other.executable,
                (Err(_), Err(_)) => same_file(&candidate.path, &path),
                _ => false,
            };
            if !found.iter().any(known) {
                found.push(Candidate {
                    path,
                    origin,
                    interpreter,
                });
            }
        }
        found
    }

    /// The places of these names: on PATH, each name through all of it; then pyenv's, the
    /// newest version first; then the system's.
    fn places(&self, names: &[&str]) -> Vec<Place> {
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
        places.retain(|place| place.path.is_file());
        places
    }

    fn places_of_version(&self, version: &[u8]) -> Vec<Place> {
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
    fn places_with_version(&self) -> Vec<Place> {
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
        names.sort();
        let names: Vec<&str> = names
            .iter()
            .filter_map(|name| name.to_str())
            .rev()
            .collect();
        let mut places = self.places(&names);
        places.retain(|place| !self.is_shim(&place.path));
        places
    }

    fn is_shim(&self, path: &Path) -> bool {
        self.pyenv.as_ref().is_some_and(|pyenv| pyenv.is_shim(path))
    }

    /// The program that a path names: itself, or the one in an environment or a prefix.
    fn program_at(&self, path: &Path) -> PathBuf {
        let path = self.directory.join(path);
        if path.is_dir() {
            let names = ["bin/python", "bin/python3"].map(|name| path.join(name));
            return names
                .into_iter()
                .find(|name| name.is_file())
                .unwrap_or_else(|| path.join("bin/python"));
        }
        path
    }

    /// Follows a place to the interpreter behind it.
    fn resolve(&self, place: &Place) -> Result<Interpreter> {
        let refused = |path: &Path, cause: String| Error::NotAnInterpreter {
            path: path.to_owned(),
            cause,
        };
        let mut path = place.path.clone();
        let mut why = match place.origin {
            Origin::Asked => format!("{} was asked for", path.display()),
            Origin::Path => format!("{} is on PATH", path.display()),
            Origin::Pyenv => format!("{} was installed by pyenv", path.display()),
            Origin::System => format!("{} is the system's", path.display()),
        };
        if let Some(pyenv) = self.pyenv.as_ref().filter(|pyenv| pyenv.is_shim(&path)) {
            match pyenv.follow(path.file_name().unwrap_or(OsStr::new("python3"))) {
                Lead::Program(program, reason) => {
                    why = format!(
                        "{why}, a shim that leads to {} ({reason})",
                        program.display()
                    );
                    path = program;
                }
                Lead::Next => {
                    return Err(refused(&path, "it is a pyenv shim set to `system`".into()));
                }
                Lead::Nowhere(reason) => {
                    return Err(refused(&path, format!("it is a pyenv shim and {reason}")));
                }
            }
        }
        // An environment may have been made from an environment; a circle never ends.
        for _ in 0..8 {
            let Some((environment, base)) = base_of(&path) else {
                return Interpreter::at(&path, &why, &self.cache);
            };
            let Some(base) = base else {
                let cause = format!(
                    "the base interpreter of the environment {} is gone",
                    environment.display()
                );
                return Err(refused(&path, cause));
            };
            why = format!("{why}, in an environment made for {}", base.display());
            path = base;
        }
        Err(refused(&path, "its environment is made from itself".into()))
    }
}

/// If `program` lies in an environment: which, and the program it was made for, if that exists.
///
/// Source: PEP 405: `pyvenv.cfg` next to the executable or one directory up, key `home`.
fn base_of(program: &Path) -> Option<(PathBuf, Option<PathBuf>)> {
    let bin = program.parent()?;
    let (directory, config) = [bin.parent()?, bin]
        .into_iter()
        .find_map(|at| Some((at, Config::read(at).ok()?)))?;
    let home = PathBuf::from(config.get("home")?);
    let by_version = config
        .version()
        .map(|(major, minor)| home.join(format!("python{major}.{minor}")));
    let names = ["executable", "base-executable"].map(|key| config.get(key).map(PathBuf::from));
    let mut bases = names.into_iter().flatten().chain(by_version);
    let mut plain = ["python3", "python"]
        .into_iter()
        .map(|name| home.join(name));
    let base = bases
        .find(|base| base.is_file())
        .or_else(|| plain.find(|base| base.is_file()));
    Some((directory.to_owned(), base))
}

fn same_file(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok() == fs::canonicalize(other).ok()
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

fn parse(request: Option<&str>) -> Request<'_> {
    let Some(request) = request else {
        return Request::Any;
    };
    let numbers: Option<Vec<u8>> = request.split('.').map(|part| part.parse().ok()).collect();
    match numbers {
        Some(version) if version.len() <= 3 => Request::Version(version),
        _ if request.contains('/') || Path::new(request).is_dir() => {
            Request::Path(Path::new(request))
        }
        _ => Request::Name(request),
    }
}

impl Request<'_> {
    fn admits(&self, found: &Interpreter) -> bool {
        let (major, minor, patch) = found.version;
        match self {
            Self::Version(version) => [major, minor, patch].starts_with(version),
            Self::Any | Self::Name(_) | Self::Path(_) => true,
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Any => "a Python interpreter".to_owned(),
            Self::Version(version) => {
                let parts: Vec<_> = version.iter().map(ToString::to_string).collect();
                format!("Python {}", parts.join("."))
            }
            Self::Name(name) => format!("`{name}`"),
            Self::Path(path) => path.display().to_string(),
        }
    }
}
