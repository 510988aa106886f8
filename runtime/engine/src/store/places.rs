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

    /// The directory of a build's cache mount; one that is not there yet is whole,
    /// as `fill` makes it, before others see it.
    ///
    /// # Errors
    /// [`Error::Write`], and those of `fill`.
    pub(crate) fn cache_directory<E: From<Error>>(
        &self,
        id: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let caches = self.root().join("caches");
        // An id is anything.
        let path = caches.join(Digest::of(id.as_bytes()).hex());
        if !path.exists() {
            fs::create_dir_all(&caches).map_err(Error::write(&caches))?;
            let pending = Pending::directory(&self.ingest())?;
            fill(pending.path())?;
            pending.place_first(&path)?;
        }
        Ok(path)
    }
}
