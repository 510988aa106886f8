//! Layers unpacked, each once, whatever number of images it is part of.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ingest::Pending;
use super::{Image, Store, is_full};
use crate::disk::allocated_bytes;
use crate::error::{Error, Result};
use crate::image::{Compression, Descriptor, Digest};
use crate::layer::{self, Checks, Expected, How, Limits, Ownership, Unpacked, Whiteouts};

/// Whose the files of an unpacked layer are. Layers unpacked one way are not used
/// the other: their owners and their overlay marks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owners {
    /// As the image says, on the machine itself; overlay's marks are root's.
    Real,
    /// As the image says, within a user namespace that maps many ids.
    Mapped,
    /// All one user's: no other id can be had.
    Single,
}

impl Owners {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Real, Self::Mapped, Self::Single];

    /// Its directory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Mapped => "mapped",
            Self::Single => "single",
        }
    }

    /// What becomes of owners where a layer is unpacked.
    pub(crate) fn ownership(self) -> Ownership {
        match self {
            Self::Real | Self::Mapped => Ownership::Keep,
            Self::Single => Ownership::Squash,
        }
    }

    pub(crate) fn whiteouts(self) -> Whiteouts {
        Whiteouts::Overlay {
            userxattr: self != Self::Real,
        }
    }
}

/// A layer that lies unpacked in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its files, with overlay's marks for what it takes away.
    pub path: PathBuf,
    /// What could not be had of it.
    pub facts: Facts,
}

/// What is known of an unpacked layer without looking at its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// How many entries its archive had.
    pub entries: u64,
    /// How long that was, in bytes.
    pub bytes: u64,
    /// Something has another owner than the image says.
    pub squashed: bool,
    /// How many devices are missing, which this user may not make.
    pub devices_left_out: u64,
}

impl From<&Unpacked> for Facts {
    fn from(unpacked: &Unpacked) -> Self {
        Self {
            entries: unpacked.entries,
            bytes: unpacked.diff_bytes,
            squashed: unpacked.squashed,
            devices_left_out: unpacked.devices_left_out,
        }
    }
}

impl Store {
    /// The layers of `image`, the lowest first; those that do not lie unpacked yet
    /// are unpacked from their blobs.
    ///
    /// # Errors
    /// [`Error::Missing`] for a blob that is not here; [`Error::Layer`] and
    /// [`Error::Untrusted`] for a layer that is refused.
    pub fn layers_of(&self, image: &Image, owners: Owners) -> Result<Vec<Layer>> {
        let by = image.descriptor.digest.to_string();
        let layers = image.layers();
        layers
            .map(|(blob, diff_id)| self.layer_for(blob, diff_id, owners, &by))
            .collect()
    }

    /// One layer, unpacked from its blob where it is not yet.
    ///
    /// # Errors
    /// As [`layers_of`](Self::layers_of).
    pub fn layer(&self, blob: &Descriptor, diff_id: &Digest, owners: Owners) -> Result<Layer> {
        self.layer_for(blob, diff_id, owners, "the image")
    }

    fn layer_for(
        &self,
        blob: &Descriptor,
        diff_id: &Digest,
        owners: Owners,
        by: &str,
    ) -> Result<Layer> {
        if let Some(layer) = self.unpacked(diff_id, owners) {
            return Ok(layer);
        }
        let packed = self.open_blob(blob, by)?;
        self.unpack(blob, diff_id, owners, Checks::Here, packed)
    }

    /// Takes `files`, an upper directory of overlay that was packed, as the unpacked
    /// layer of this diff id.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn adopt(
        &self,
        files: &Path,
        diff_id: &Digest,
        owners: Owners,
        facts: Facts,
    ) -> Result<Layer> {
        let pending = Pending::directory(&self.ingest())?;
        let to = pending.path().join(FILES);
        fs::rename(files, &to).map_err(Error::write(&to))?;
        self.place(pending, diff_id, owners, facts)
    }

    /// Unpacks a layer from its bytes while somebody else keeps them: he holds them to
    /// the digest of `blob`, and has reading fail, at the end too, where they are not
    /// what that promises.
    ///
    /// # Errors
    /// [`Error::Untrusted`] for bytes that are not what `diff_id` promises,
    /// [`Error::Layer`] for an archive that is refused, [`Error::Read`] where reading
    /// fails: nothing is unpacked then.
    pub fn take_layer(
        &self,
        blob: &Descriptor,
        diff_id: &Digest,
        owners: Owners,
        packed: impl Read + Send,
    ) -> Result<()> {
        let unpacked = self.unpack(blob, diff_id, owners, Checks::Elsewhere, packed);
        unpacked.map(drop)
    }

    /// The layer of this diff id, where it lies unpacked.
    #[must_use]
    pub fn unpacked(&self, diff_id: &Digest, owners: Owners) -> Option<Layer> {
        let directory = self.layer_path(diff_id, owners);
        let facts = fs::read(directory.join(FACTS)).ok()?;
        Some(Layer {
            path: directory.join(FILES),
            facts: serde_json::from_slice(&facts).ok()?,
        })
    }

    fn unpack(
        &self,
        blob: &Descriptor,
        diff_id: &Digest,
        owners: Owners,
        of_blob: Checks,
        packed: impl Read + Send,
    ) -> Result<Layer> {
        let compression = compression_of(blob)?;
        let pending = Pending::directory(&self.ingest())?;
        let files = pending.path().join(FILES);
        fs::create_dir(&files).map_err(Error::write(&files))?;
        let how = How {
            expected: Some(Expected {
                blob: blob.digest.clone(),
                blob_bytes: blob.size,
                diff_id: diff_id.clone(),
                checks: of_blob,
            }),
            limits: Limits::default(),
            ownership: owners.ownership(),
            whiteouts: owners.whiteouts(),
        };
        let unpacked = layer::unpack(packed, compression, &files, &how);
        let unpacked = unpacked.map_err(|error| match error {
            Error::Write { source, .. } if is_full(&source) => {
                let what = format!("the files of layer {}", blob.digest);
                // What lies there until it is given up is free again afterwards.
                let kept = allocated_bytes(&[&files]).unwrap_or(0);
                self.unwritten(what, self.plain_bytes(blob), kept)(source)
            }
            error => error,
        })?;
        let facts = Facts::from(&unpacked);
        self.place(pending, diff_id, owners, facts)
    }

    /// How many bytes the archive of a layer has whose blob is here.
    fn plain_bytes(&self, blob: &Descriptor) -> Option<u64> {
        let packed = self.open_blob(blob, "its files").ok()?;
        layer::plain_bytes(packed, compression_of(blob).ok()?, Limits::default().bytes)
    }

    /// Gives an unpacked layer its name.
    fn place(
        &self,
        pending: Pending,
        diff_id: &Digest,
        owners: Owners,
        facts: Facts,
    ) -> Result<Layer> {
        let told = pending.path().join(FACTS);
        let text = serde_json::to_vec(&facts);
        let text = text.map_err(|error| Error::write(&told)(error.into()))?;
        fs::write(&told, text).map_err(Error::write(&told))?;
        let directory = self.layer_path(diff_id, owners);
        let parent = directory.parent().unwrap_or(&directory);
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        // Of a layer that was not on the disk yet when the power failed, what is known may be
        // empty.
        pending.place_unless(&directory, || self.unpacked(diff_id, owners).is_some())?;
        Ok(Layer {
            path: directory.join(FILES),
            facts,
        })
    }

    /// Where the layer of this diff id lies unpacked, or would.
    pub(super) fn layer_path(&self, diff_id: &Digest, owners: Owners) -> PathBuf {
        let layers = self.root().join("layers").join(owners.name());
        layers.join(diff_id.hex())
    }
}

/// The files of a layer, in its directory.
const FILES: &str = "fs";
/// What is known of it, in its directory.
const FACTS: &str = "layer.json";

fn compression_of(blob: &Descriptor) -> Result<Compression> {
    blob.media_type.layer().ok_or_else(|| Error::Untrusted {
        what: format!("layer {}", blob.digest),
        reason: format!("it is of type {}, which is no layer's", blob.media_type),
    })
}
