//! Directories for containers and builds, which last as long as their process.

use std::fs;
use std::path::{Path, PathBuf};

use super::Store;
use super::ingest::{self, Pending};
use crate::error::{Error, Result};
use crate::image::Digest;

/// A directory of its own; removed with all that is in it when this is dropped, or
/// by whoever opens the store next.
#[derive(Debug)]
pub struct Place(Pending);

impl Place {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Store {
    /// Makes one.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new_place(&self) -> Result<Place> {
        Ok(Place(Pending::directory(&self.ingest())?))
    }

    /// Removes what builds' cache mounts hold.
    pub fn forget_caches(&self) {
        ingest::remove(&self.root().join("caches"));
    }

    /// The directory of a build's cache mount, and whether it was made just now.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn cache_directory(&self, id: &str) -> Result<(PathBuf, bool)> {
        let caches = self.root().join("caches");
        // An id is anything.
        let path = caches.join(Digest::of(id.as_bytes()).hex());
        let is_new = !path.exists();
        fs::create_dir_all(&path).map_err(Error::write(&path))?;
        Ok((path, is_new))
    }
}
