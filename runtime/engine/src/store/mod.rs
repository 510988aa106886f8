//! Where images are kept: an OCI image layout, and each layer unpacked once.
//!
//! ```text
//! oci-layout              the layout's version
//! index.json              every tag, and every version that a tag had before
//! blobs/sha256/HEX        manifests, configurations, layers: named by their digest
//! layers/OWNERS/HEX/fs    a layer unpacked, by its diff id and by whose the files are
//! steps/                  what steps of builds made, by what each depends on
//! pins/                   layers below running containers, each with a lock on it
//! ingest/                 what is being written, each with a lock on it
//! repositories.json       which repository of a registry has which blob, as far as known
//! lock                    shared by whoever uses blobs, held alone by whoever sweeps
//! index.lock              held alone while `index.json` is replaced
//! ```
//!
//! The first three are what other programs read, too: `skopeo` and `umoci` take
//! the directory as it is. Everything that is named after its content is written
//! below `ingest/` and gets its name, whole, by a rename; everything else is one
//! file, `index.json`, which is replaced by a rename. So a process may be killed at
//! any moment: what it leaves is below `ingest/` without a lock, and whoever opens
//! the store next removes it, but for half a download, which waits a day for
//! somebody to go on with it. A blob that no entry of `index.json` leads to is
//! garbage: a sweep removes it.
//!
//! Nothing but `index.json` is flushed to the disk, which file by file would cost more
//! than the whole pull. After a power failure a blob may be short; its length is
//! compared with its descriptor's wherever it is opened, and it counts as absent then,
//! as an unpacked layer does of which nothing is known. What is fetched or unpacked
//! anew takes its place. Tags and versions stand nowhere else.
//!
//! Source: OCI image specification, `image-layout.md`.

mod blobs;
mod full;
mod index;
mod ingest;
mod known;
mod layers;
mod lock;
mod new_layer;
mod pins;
mod places;
mod provenance;
mod repositories;
mod resolve;
mod steps;
mod sweep;
mod usage;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};

pub use blobs::BlobWriter;
pub(crate) use full::is_full;
pub use layers::{Facts, Layer, Owners};
pub use new_layer::LayerWriter;
pub use pins::Pin;
pub use places::Place;
pub use provenance::{Origin, Provenance};
pub use repositories::Held;
pub(crate) use resolve::DEEPEST_INDEX;
pub use resolve::Image;
pub use steps::Step;
pub use sweep::Swept;
pub use usage::Usage;
pub use versions::Version;

use crate::error::{Error, Result};
use lock::Lock;

/// A store that is open: while this value lives, nothing is swept from it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    _in_use: Lock,
}

impl Store {
    /// Opens the store in `root`, which is made where it is missing, and clears
    /// away what killed processes left in it.
    ///
    /// Waits while somebody sweeps it.
    ///
    /// # Errors
    /// [`Error::Write`] where it cannot be made, [`Error::Untrusted`] for a
    /// directory that holds a layout of another version.
    pub fn open(root: &Path) -> Result<Self> {
        let store = Self {
            root: root.to_owned(),
            _in_use: prepare(root)?,
        };
        ingest::clear_abandoned(&store.ingest());
        Ok(store)
    }

    /// Its directory, an OCI image layout.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }
}

/// What `oci-layout` says.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

const LAYOUT_VERSION: &str = "1.0.0";

/// Makes what is missing of the layout, and takes the lock of those who use it.
fn prepare(root: &Path) -> Result<Lock> {
    for directory in ["blobs/sha256", "ingest", "layers"] {
        let path = root.join(directory);
        fs::create_dir_all(&path).map_err(Error::write(&path))?;
    }
    let lock = Lock::shared(&root.join("lock"))?;
    let marker = root.join("oci-layout");
    match fs::read(&marker) {
        Ok(text) => {
            let said: Option<Marker> = serde_json::from_slice(&text).ok();
            let said = said.map(|marker| marker.image_layout_version);
            if said.as_deref() != Some(LAYOUT_VERSION) {
                return Err(Error::Untrusted {
                    what: marker.display().to_string(),
                    reason: format!("it is no OCI image layout of version {LAYOUT_VERSION}"),
                });
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = serde_json::to_vec(&Marker {
                image_layout_version: LAYOUT_VERSION.to_owned(),
            });
            let text = text.map_err(|error| Error::write(&marker)(error.into()))?;
            ingest::spread(&root.join("ingest"));
            ingest::write_whole(&root.join("ingest"), &marker, &text)?;
        }
        Err(error) => return Err(Error::read(&marker)(error)),
    }
    Ok(lock)
}

#[cfg(test)]
pub(crate) mod tests;
