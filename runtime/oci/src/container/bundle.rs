//! Bundles: a `config.json` and what it speaks of.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::spec::Spec;

/// A directory with a `config.json` and, usually, a root file system: the seam
/// between who prepares containers and who runs them.
#[derive(Clone, Debug)]
pub struct Bundle {
    directory: PathBuf,
    spec: Spec,
    /// What the spec was read from.
    text: Option<Vec<u8>>,
}

impl Bundle {
    /// Reads `directory/config.json`.
    ///
    /// # Errors
    /// Those of [`Spec::load`].
    pub fn load(directory: &Path) -> Result<Self> {
        let (spec, text) = Spec::load_with_text(&directory.join("config.json"))?;
        let mut bundle = Self::new(directory, spec)?;
        bundle.text = Some(text);
        Ok(bundle)
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
        Ok(Self {
            directory,
            spec,
            text: None,
        })
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

    /// The spec as JSON, for the record.
    pub(super) fn text(&self) -> Result<Cow<'_, [u8]>> {
        if let Some(text) = &self.text {
            return Ok(text.into());
        }
        let text = serde_json::to_vec(&self.spec);
        text.map(Cow::from).map_err(|source| Error::Malformed {
            path: "config.json".into(),
            source,
        })
    }
}
