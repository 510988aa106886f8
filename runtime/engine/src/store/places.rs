//! Directories for containers and builds, which last as long as their process.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Store;
use super::ingest::Pending;
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

    /// The directory of a build's cache mount, made with `mode` where it is not
    /// there yet.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn cache_directory(&self, id: &str, mode: u32) -> Result<PathBuf> {
        let caches = self.root().join("caches");
        // An id is anything.
        let path = caches.join(Digest::of(id.as_bytes()).hex());
        if !path.exists() {
            fs::create_dir_all(&path).map_err(Error::write(&path))?;
            let mode = Permissions::from_mode(mode);
            fs::set_permissions(&path, mode).map_err(Error::write(&path))?;
        }
        Ok(path)
    }
}
