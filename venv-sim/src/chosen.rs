//! Which environment a command is about, and why that one.
//!
//! The one named; else the one that the shell has activated; else `.venv` in the working
//! directory or above it. The one activated is never passed over: a command that silently went
//! to another would install where nobody looks.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::{Error, Result};

/// The name under which an environment is found without being named.
const USUAL: &str = ".venv";

/// An environment, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The environment.
    pub environment: Environment,
    /// Why this one.
    pub why: Why,
}

/// Why an environment was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was named.
    Named,
    /// `VIRTUAL_ENV` names it: it is active in this shell.
    Active,
    /// It is the `.venv` of the working directory.
    Here,
    /// It is the `.venv` of a directory above.
    Above,
}

/// Where an environment can be found that was not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// `VIRTUAL_ENV`.
    pub active: Option<OsString>,
    /// The working directory, absolute.
    pub directory: PathBuf,
}

impl Surroundings {
    /// As this process sees them.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            active: env::var_os("VIRTUAL_ENV"),
            directory: env::current_dir().unwrap_or_else(|_| "/".into()),
        }
    }

    /// Where the environment is that a command is about, whether or not it is whole.
    ///
    /// # Errors
    /// [`Error::NoEnvironment`] where none was named, none is active, and none is found.
    pub fn place(&self, named: Option<&Path>) -> Result<(PathBuf, Why)> {
        if let Some(dir) = named {
            return Ok((self.directory.join(dir), Why::Named));
        }
        if let Some(active) = self.active.as_ref().filter(|active| !active.is_empty()) {
            return Ok((self.directory.join(active), Why::Active));
        }
        let mut places = self.directory.ancestors().map(|above| above.join(USUAL));
        // A `.venv` may also be a file, in which other tools write a name.
        let found = places.find(|place| place.join("pyvenv.cfg").is_file());
        let found = found.ok_or_else(|| Error::NoEnvironment {
            from: self.directory.clone(),
        })?;
        let is_here = found.parent() == Some(&self.directory);
        Ok((found, if is_here { Why::Here } else { Why::Above }))
    }

    /// The environment that a command is about: that at `named`, or the one of here.
    ///
    /// # Errors
    /// [`Error::NoEnvironment`] where there is none; [`Error::NotAnEnvironment`] and
    /// [`Error::BrokenActive`] where it is none, or a broken one.
    pub fn choose(&self, named: Option<&Path>) -> Result<Chosen> {
        self.chosen(named, Environment::open)
    }

    /// As [`choose`](Self::choose), also where its interpreter is gone: for what only reads.
    ///
    /// # Errors
    /// As there.
    pub fn choose_to_read(&self, named: Option<&Path>) -> Result<Chosen> {
        self.chosen(named, Environment::read)
    }

    fn chosen(
        &self,
        named: Option<&Path>,
        open: fn(&Path) -> Result<Environment>,
    ) -> Result<Chosen> {
        let (dir, why) = self.place(named)?;
        let environment = open(&dir).map_err(|error| match error {
            Error::NotAnEnvironment { dir, cause } if why == Why::Active => {
                Error::BrokenActive { dir, cause }
            }
            error => error,
        })?;
        Ok(Chosen { environment, why })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named => "it was named",
            Self::Active => "VIRTUAL_ENV names it: it is active in this shell",
            Self::Here => "it is .venv in the working directory, and none is active",
            Self::Above => "it is .venv above the working directory, and none is active",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An environment as far as it can be seen from outside.
    fn make(dir: &Path) {
        fs::create_dir_all(dir.join("bin")).expect("made");
        fs::create_dir_all(dir.join("lib/python3.11/site-packages")).expect("made");
        fs::write(dir.join("bin/python"), "").expect("written");
        let config = "home = /usr/bin\nversion = 3.11.2\n";
        fs::write(dir.join("pyvenv.cfg"), config).expect("written");
    }

    fn surroundings(directory: &Path, active: Option<&Path>) -> Surroundings {
        Surroundings {
            active: active.map(|dir| dir.as_os_str().to_owned()),
            directory: directory.to_owned(),
        }
    }

    #[test]
    fn the_named_comes_before_the_active_and_that_before_the_one_of_here() {
        let home = tempfile::tempdir().expect("a directory");
        let below = home.path().join("project/src");
        fs::create_dir_all(&below).expect("made");
        let here = home.path().join("project/.venv");
        let (named, active) = (below.join("other"), home.path().join("active"));
        for dir in [&here, &named, &active] {
            make(dir);
        }
        let check = |at: &Surroundings, name: Option<&str>, dir: &Path, why| {
            let chosen = at.choose(name.map(Path::new)).expect("chosen");
            assert_eq!((chosen.environment.dir.as_path(), chosen.why), (dir, why));
        };
        let both = surroundings(&below, Some(&active));
        check(&both, Some("other"), &named, Why::Named);
        check(&both, None, &active, Why::Active);
        check(&surroundings(&below, None), None, &here, Why::Above);
        check(
            &surroundings(&below, Some("".as_ref())),
            None,
            &here,
            Why::Above,
        );
        let project = home.path().join("project");
        check(&surroundings(&project, None), None, &here, Why::Here);
    }

    #[test]
    fn a_broken_active_environment_is_refused_and_never_passed_over() {
        let home = tempfile::tempdir().expect("a directory");
        make(&home.path().join(".venv"));
        let gone = home.path().join("gone");
        let refused = surroundings(home.path(), Some(&gone)).choose(None);
        assert!(
            matches!(&refused, Err(Error::BrokenActive { dir, .. }) if *dir == gone),
            "{refused:?}"
        );
    }

    #[test]
    fn where_there_is_none_the_error_says_where_it_looked() {
        let home = tempfile::tempdir().expect("a directory");
        let refused = surroundings(home.path(), None).choose(None);
        let error = refused.expect_err("none");
        assert!(error.to_string().contains(&*home.path().to_string_lossy()));
        assert!(error.hint().is_some());
    }
}
