//! An environment that exists.

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::places::Search;

/// A virtual environment on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// Its directory, absolute: `sys.prefix` inside it.
    pub dir: PathBuf,
    /// Its interpreter, `bin/python`.
    pub python: PathBuf,
    /// Where its packages go, absolute.
    pub site_packages: PathBuf,
    /// Major and minor version of its Python.
    pub version: (u8, u8),
    /// The directory of the interpreter that it was made for, as `pyvenv.cfg` says.
    pub home: PathBuf,
    /// Whether it also sees the packages of that interpreter.
    pub system_site_packages: bool,
    /// The name shown when it is active, if not the directory's.
    pub prompt: Option<String>,
    /// Whether it may be moved, so that what is installed into it names no directory of its own
    /// (uv's key of `pyvenv.cfg`).
    pub relocatable: bool,
}

impl Environment {
    /// Reads the environment at `dir`, whoever made it.
    ///
    /// # Errors
    /// [`Error::NotAnEnvironment`] if there is no `pyvenv.cfg` with a `home` and a version, or no
    /// `bin/python` that leads to a program: the interpreter it was made for may be gone.
    pub fn open(dir: &Path) -> Result<Self> {
        let environment = Self::read(dir)?;
        let python = &environment.python;
        if python.is_file() {
            return Ok(environment);
        }
        let cause = match python.is_symlink() {
            true => {
                let home = environment.home.display();
                format!("its interpreter, once in {home}, is gone")
            }
            false => "it has no bin/python".to_owned(),
        };
        Err(Error::NotAnEnvironment {
            dir: environment.dir,
            cause,
        })
    }

    /// As [`open`](Self::open), also where its interpreter is gone: what is installed in it can
    /// be read all the same.
    ///
    /// # Errors
    /// [`Error::NotAnEnvironment`] if there is no `pyvenv.cfg` with a `home` and a version, or
    /// nothing for packages.
    pub fn read(dir: &Path) -> Result<Self> {
        let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
        let refused = |cause: String| Error::NotAnEnvironment {
            dir: dir.clone(),
            cause,
        };
        let config = Config::read(&dir).map_err(|error| refused(error.with_cause()))?;
        let home = config
            .get("home")
            .ok_or_else(|| refused("its pyvenv.cfg has no `home`".into()))?;
        let version = config.version();
        let version = version.ok_or_else(|| refused("its pyvenv.cfg has no `version`".into()))?;
        let python = dir.join("bin/python");
        let site_packages = site_packages(&dir, version)
            .ok_or_else(|| refused("it has no site-packages".into()))?;
        Ok(Self {
            python,
            site_packages,
            version,
            home: home.into(),
            system_site_packages: config.is("include-system-site-packages"),
            prompt: config.prompt(),
            relocatable: config.is("relocatable"),
            dir,
        })
    }

    /// Major and minor version of the Python of the environment at `dir`, also where its
    /// interpreter is gone.
    ///
    /// # Errors
    /// [`Error::NotAnEnvironment`] if there is no `pyvenv.cfg` with a version.
    pub fn version_at(dir: &Path) -> Result<(u8, u8)> {
        let refused = |cause: String| Error::NotAnEnvironment {
            dir: dir.to_owned(),
            cause,
        };
        let config = Config::read(dir).map_err(|error| refused(error.with_cause()))?;
        let version = config.version();
        version.ok_or_else(|| refused("its pyvenv.cfg has no `version`".into()))
    }

    /// The interpreter that it was made for, the real one also where that was asked for from
    /// inside another environment. Nothing is run where `cache` remembers it.
    ///
    /// # Errors
    /// [`Error::NotAnInterpreter`] if it is gone, or is one no more.
    pub fn interpreter(&self, cache: &Cache) -> Result<Interpreter> {
        Search::new(Vec::<PathBuf>::new())
            .cache(cache.clone())
            .behind(&self.python)
    }
}

/// CPython's place, its free-threaded build's, PyPy's, old PyPy's.
pub(crate) fn site_packages(dir: &Path, (major, minor): (u8, u8)) -> Option<PathBuf> {
    let version = format!("{major}.{minor}");
    let names = [
        format!("lib/python{version}"),
        format!("lib/python{version}t"),
        format!("lib/pypy{version}"),
        ".".into(),
    ];
    let mut places = names.into_iter().map(|name| match name.as_str() {
        "." => dir.join("site-packages"),
        name => dir.join(name).join("site-packages"),
    });
    places.find(|place| place.is_dir())
}
