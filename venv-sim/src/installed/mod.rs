//! What is installed in an environment, whoever installed it.
//!
//! Each installer leaves a directory that says what it put there: a `.dist-info` of today, an
//! `.egg-info` of the days before wheels. Nothing else is a source here: no module is imported,
//! no interpreter started. One that cannot be read is named among the rest, and hides none.
//!
//! Source: *Recording installed projects* and *Recording the direct URL origin* of the Python
//! Packaging User Guide (PEP 376, 610, 627).

mod check;
mod direct_url;
mod dist_info;
mod egg_info;
mod files;
mod freeze;
mod needs;
mod tree;

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use check::{Finding, Problem};
pub(crate) use direct_url::recorded;
pub use direct_url::{DirectUrl, Origin as DirectOrigin};
pub use files::{FileState, Harm};
pub use freeze::Frozen;
pub use tree::{Mark, Node};

use pep440_rs::Version;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::requirement::Name;
use crate::sys_path::sys_path;
use crate::wheel::Metadata;

/// Everything that is installed in one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// What can be read, in the order of the names.
    pub distributions: Vec<Distribution>,
    /// What cannot, and why.
    pub unreadable: Vec<Unreadable>,
    /// What an interrupted pip left: directories whose names it began with `~`.
    pub leftovers: Vec<PathBuf>,
}

/// One project that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its name as its author writes it.
    pub written_name: String,
    /// What it says of itself, without the requirements that cannot be read.
    pub metadata: Metadata,
    /// Those that cannot.
    pub refused: Vec<Refusal>,
    /// What says all this: a `.dist-info`, an `.egg-info`.
    pub path: PathBuf,
    /// How it was recorded.
    pub form: Form,
    /// The directory that its packages lie in.
    pub location: PathBuf,
    /// Who installed it, as INSTALLER says.
    pub installer: Option<String>,
    /// Whether somebody asked for it by name, and did not get it for another's sake.
    pub is_requested: bool,
    /// Where it came from, if from no index.
    pub direct_url: Option<DirectUrl>,
}

/// The ways in which installers recorded what they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `.dist-info`, with a RECORD.
    DistInfo,
    /// `.egg-info`: by distutils or setuptools, before wheels.
    EggInfo,
    /// `.egg-link`: a directory of sources elsewhere, by `setup.py develop`.
    EggLink,
}

/// A directory that should say what is installed, and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Installed {
    /// What is installed in `environment` itself.
    ///
    /// # Errors
    /// [`Error::Io`] where its site-packages cannot be read.
    pub fn of(environment: &Environment) -> Result<Self> {
        Self::below(&environment.site_packages)
    }

    /// What `environment` sees besides, if it was made so: the packages of its base interpreter and
    /// of the user, in the order in which Python looks for them.
    ///
    /// # Errors
    /// [`Error::NotAnInterpreter`] where its interpreter cannot be asked where they are;
    /// [`Error::Io`].
    pub fn of_base(environment: &Environment) -> Result<Self> {
        let mut base = Self::default();
        if !environment.system_site_packages {
            return Ok(base);
        }
        for entry in sys_path(environment)?.entries {
            if entry.path == environment.site_packages || !entry.path.is_dir() {
                continue;
            }
            for one in Self::below(&entry.path)?.distributions {
                // The first hides the others.
                if base.find(one.name()).is_none() {
                    base.distributions.push(one);
                }
            }
        }
        Ok(base)
    }

    /// What is installed in `directory`, one of those that Python looks for packages in.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; one that is not there holds nothing.
    pub fn below(directory: &Path) -> Result<Self> {
        let mut installed = Self::default();
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(installed),
            entries => entries.map_err(Error::io("read directory", directory))?,
        };
        let names: std::io::Result<Vec<OsString>> = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect();
        let mut names = names.map_err(Error::io("read directory", directory))?;
        names.sort();
        for name in names {
            let path = directory.join(&name);
            let name = name.to_string_lossy();
            if name.starts_with('~') {
                installed.leftovers.push(path);
                continue;
            }
            let read = match () {
                () if name.ends_with(".dist-info") => dist_info::read(&path),
                () if name.ends_with(".egg-info") => egg_info::read(&path),
                () if name.ends_with(".egg-link") => egg_info::follow(&path),
                () => continue,
            };
            match read {
                Ok(distribution) => installed.distributions.push(distribution),
                Err(why) => installed.unreadable.push(Unreadable { path, why }),
            }
        }
        let order = |one: &Distribution| (one.metadata.name.clone(), one.path.clone());
        installed.distributions.sort_by_cached_key(order);
        Ok(installed)
    }

    /// The distribution called `name`; the first where there are two by mistake.
    #[must_use]
    pub fn find(&self, name: &Name) -> Option<&Distribution> {
        let mut found = self.distributions.iter();
        found.find(|one| one.name() == name)
    }
}

impl Distribution {
    /// Its name, normalized.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.metadata.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.metadata.version
    }

    /// Whether what is imported is a directory of sources elsewhere.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        self.form == Form::EggLink || self.direct_url.as_ref().is_some_and(DirectUrl::is_editable)
    }

    /// A header of its METADATA for people, such as `Author`; `None` where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let file = match self.form {
            Form::DistInfo => self.path.join("METADATA"),
            _ if self.path.is_dir() => self.path.join("PKG-INFO"),
            _ => self.path.clone(),
        };
        let text = text(&file).ok()?;
        let mut headers = crate::wheel::headers(&text).into_iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

/// The longest file that is read whole, in bytes.
const LONGEST: u64 = 64 << 20;

/// A regular file's text, whatever its bytes; the reason in words where it cannot be read.
fn text(path: &Path) -> Result<String, String> {
    let name = || path.file_name().unwrap_or_default().to_string_lossy();
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("it has no {}", name()),
        _ => format!("its {} cannot be read: {error}", name()),
    })?;
    // A pipe or a device would be read for ever.
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(format!("its {} is no file of sensible size", name()));
    }
    let bytes =
        fs::read(path).map_err(|error| format!("its {} cannot be read: {error}", name()))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests;
