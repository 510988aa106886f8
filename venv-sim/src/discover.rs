//! Which Python? The one asked for, else the one that typing `python3` would start.
//!
//! A *place* is a file that may be an interpreter. Places are tried in a fixed order, and each
//! is followed to the real program behind it: through a pyenv shim to the version it would
//! start, through an environment to the interpreter it was made for.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::places::{Origin, Place, Search};
use crate::pyenv::Lead;
use crate::request::Request;

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
/// `None` is what `python3` would start. A request is a version (`3`, `3.11`, `3.11.7`), versions
/// (`>=3.10`), a path
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

impl Search {
    /// As the function [`discover`], in these surroundings.
    ///
    /// # Errors
    /// As there.
    pub fn discover(&self, request: Option<&str>) -> Result<Interpreter> {
        let asked = Request::parse(request, &self.directory);
        let places = match &asked {
            Request::Any => self.places(&["python3", "python"]),
            Request::Version(version) => self.places_of_version(version),
            // That of PATH if it does, else the newest.
            Request::Versions(_) => {
                let mut places = self.places(&["python3", "python"]);
                places.extend(self.places_with_version());
                places
            }
            Request::Name(name) => self.places(&[name]),
            Request::Path(path) => vec![Place {
                path: self.program_at(path),
                origin: Origin::Asked,
            }],
        };
        let mut refused = Vec::new();
        for place in places.into_iter().filter(Place::is_worth_a_try) {
            match self.resolve(&place) {
                Ok(found) if asked.admits(&found) => return Ok(found),
                Ok(found) => {
                    let (major, minor, patch) = found.version;
                    let other =
                        format!("{} is {major}.{minor}.{patch}", found.executable.display());
                    refused.push((other, None));
                }
                Err(error) => refused.push((error.with_cause(), Some(error))),
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
        let mut tried: Vec<String> = Vec::new();
        for (text, _) in refused {
            if !tried.contains(&text) {
                tried.push(text);
            }
        }
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
        for place in places.into_iter().filter(Place::is_worth_a_try) {
            let interpreter = self.resolve(&place);
            let Place { path, origin } = place;
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

    /// The interpreter behind the program at `path`, as if that had been asked for.
    pub(crate) fn behind(&self, path: &Path) -> Result<Interpreter> {
        self.resolve(&Place {
            path: path.to_owned(),
            origin: Origin::Asked,
        })
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
