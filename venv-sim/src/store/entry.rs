//! One wheel of the store.

use std::fs;
use std::path::PathBuf;

use pep440_rs::VersionSpecifiers;

use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::wheel::{Digest, Metadata, WheelName};

/// A wheel that is unpacked, and was what it said when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// What its file is called: project, version, and whom it is for.
    pub name: WheelName,
    /// The SHA-256 of its file.
    pub sha256: Digest,
    /// Its directory in the store.
    pub(crate) directory: PathBuf,
    pub(crate) manifest: Manifest,
}

/// What the links into an entry are written down in, beside its tree.
pub(super) const USERS: &str = "users";

impl Stored {
    pub(super) fn new(sha256: Digest, directory: PathBuf, manifest: Manifest) -> Self {
        Self {
            name: manifest.name.clone(),
            sha256,
            directory,
            manifest,
        }
    }

    /// The same wheel under the name that its file has here: the store knows it by its content,
    /// and whom it is for stands in the name.
    pub(crate) fn called(mut self, name: WheelName) -> Result<Self, Refusal> {
        let inside = &self.manifest.name;
        if (&name.project, &name.version) != (&inside.project, &inside.version) {
            return Err(Refusal::new(format!(
                "its name says {} {}, and its METADATA {} {}",
                name.project, name.version, inside.project, inside.version
            )));
        }
        self.name = name;
        Ok(self)
    }

    /// The interpreters that it is for, where it says.
    #[must_use]
    pub fn requires_python(&self) -> Option<&VersionSpecifiers> {
        self.manifest.requires_python.as_ref()
    }

    /// What its METADATA says.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadWheel`] where someone changed it in the store.
    pub fn metadata(&self) -> Result<Metadata> {
        let info = self.tree().join(&self.manifest.dist_info);
        let path = info.join("METADATA");
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        Metadata::parse(&text).map_err(|cause| Error::BadWheel { path, cause })
    }

    /// Where its files lie, in the wheel's own layout. They are for reading.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// As [`Stored::tree`], absolute and without a link on the way, for links to lead to.
    pub(crate) fn real_tree(&self) -> Result<PathBuf> {
        let tree = self.tree();
        fs::canonicalize(&tree).map_err(Error::io("find", tree))
    }

    /// The file with the links that lead into its tree.
    pub(crate) fn users(&self) -> PathBuf {
        self.directory.join(USERS)
    }
}
