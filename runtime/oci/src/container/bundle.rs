//! Bundles: a `config.json` and what it speaks of.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::spec::Spec;

/// A directory with a `config.json` and, usually, a root file system: the seam
/// between who prepares containers and who runs them.
#[derive(Clone, Debug)]
pub struct Bundle {
    directory: PathBuf,
    spec: Spec,
}

impl Bundle {
    /// Reads `directory/config.json`.
    ///
    /// # Errors
    /// Those of [`Spec::load`].
    pub fn load(directory: &Path) -> Result<Self> {
        let spec = Spec::load(&directory.join("config.json"))?;
        Self::new(directory, spec)
    }

    /// A bundle whose spec exists in memory only.
    ///
    /// # Errors
    /// [`Error::Read`] where `directory` is empty, or relative and the working
    /// directory is gone. That it exists is found out by the start.
    pub fn new(directory: &Path, spec: Spec) -> Result<Self> {
        // Absolute: relative paths in the spec start here, wherever the
        // caller's working directory is by then.
        let directory = std::path::absolute(directory).map_err(|source| Error::Read {
            path: directory.to_owned(),
            source,
        })?;
        Ok(Self { directory, spec })
    }

    /// Its directory, absolute.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its spec.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }
}
