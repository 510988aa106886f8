//! The environment while it is being changed.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::journal;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
pub(crate) use crate::occupancy::Found;
use crate::occupancy::Occupied;

/// Where everything is built and everything goes through; gone between changes.
pub(crate) const STAGING: &str = ".isolab";

/// A locked environment.
#[derive(Debug)]
pub(crate) struct Ground {
    occupied: Occupied,
    /// Where packages go, from the top: `lib/python3.11/site-packages`.
    pub(crate) site: String,
    /// `bin/python` with its whole path.
    pub(crate) python: PathBuf,
    /// Whether what is installed may name no directory of the environment.
    pub(crate) relocatable: bool,
    /// Whether `lib64` is another name for `lib`.
    lib64: bool,
    /// Whether a killed process had left something.
    pub(crate) recovered: bool,
}

impl Ground {
    /// Locks `environment`, waiting `patience` for whoever has it, and clears up after the dead.
    pub(crate) fn take(
        environment: &Environment,
        patience: Duration,
        say: fn(&str),
    ) -> Result<Self> {
        let dir = &environment.dir;
        let occupied = Occupied::take(dir, patience, say)?;
        let not_text = || Error::NotAnEnvironment {
            dir: dir.clone(),
            cause: "its site-packages is not below it".to_owned(),
        };
        let site = environment.site_packages.strip_prefix(dir).ok();
        let site = site.and_then(Path::to_str).ok_or_else(not_text)?;
        let mut ground = Self {
            occupied,
            site: site.to_owned(),
            python: environment.python.clone(),
            relocatable: environment.relocatable,
            lib64: fs::read_link(dir.join("lib64")).is_ok_and(|to| to == Path::new("lib")),
            recovered: false,
        };
        ground.recovered = journal::recover(&ground)?;
        // Every path that is made later begins with these.
        if ground.look(site)? != Found::Directory {
            return Err(not_text());
        }
        Ok(ground)
    }

    /// A directory with nothing in it that makes it an environment.
    #[cfg(test)]
    pub(crate) fn bare(dir: &Path) -> Self {
        Self {
            occupied: Occupied::take(dir, Duration::ZERO, |_| {}).expect("free"),
            site: "site".to_owned(),
            python: dir.join("bin/python"),
            relocatable: false,
            lib64: false,
            recovered: false,
        }
    }

    /// The one name of a path that may have two: `lib64/x` is `lib/x`.
    pub(crate) fn one_name(&self, path: &str) -> String {
        match path.strip_prefix("lib64/") {
            Some(rest) if self.lib64 => format!("lib/{rest}"),
            _ => path.to_owned(),
        }
    }

    /// `include/site/pythonX.Y`, where headers go.
    pub(crate) fn headers(python: &Interpreter) -> String {
        let (major, minor, _) = python.version;
        format!("include/site/python{major}.{minor}")
    }
}

impl Deref for Ground {
    type Target = Occupied;

    fn deref(&self) -> &Occupied {
        &self.occupied
    }
}
