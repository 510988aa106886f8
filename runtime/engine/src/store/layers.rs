//! Layers unpacked, each once, whatever number of images it is part of.

use std::path::PathBuf;

use super::Store;
use crate::image::Digest;

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
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Mapped => "mapped",
            Self::Single => "single",
        }
    }
}

impl Store {
    /// Where the layer of this diff id lies unpacked, or would.
    #[allow(dead_code)] // until layers are unpacked
    pub(super) fn layer_path(&self, diff_id: &Digest, owners: Owners) -> PathBuf {
        let layers = self.root().join("layers").join(owners.name());
        layers.join(diff_id.hex())
    }
}
