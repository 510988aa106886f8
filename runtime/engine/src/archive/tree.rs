//! Images as one tree: an archive of files becomes an image of one layer, and an
//! image's layers become one archive.

use std::io::{self, Read, Write};

use super::unpacked;
use crate::bootstrap::{About, of_layer};
use crate::error::{Error, Result};
use crate::image::{Compression, Descriptor};
use crate::layer::{self, Content, Form, How, Limits, MergeHow, PackHow, Packing};
use crate::store::{Image, Owners, Store, is_full};

impl Store {
    /// Makes an image of a tar archive of files, which may be packed by gzip or zstd,
    /// of which the rest is as `about` says. It is read once, and the image has no name.
    /// Without owners nothing stays unpacked.
    ///
    /// # Errors
    /// [`Error::Layer`] for an archive that would write elsewhere or is none, and
    /// [`Error::Read`].
    pub fn import(
        &self,
        archive: impl Read,
        about: &About,
        owners: Option<Owners>,
    ) -> Result<Descriptor> {
        let failed = || Error::read("the archive".as_ref());
        let (mut archive, _) = unpacked(archive).map_err(failed())?;
        let mut layer = self.new_layer()?;
        io::copy(&mut archive, &mut layer).map_err(|error| match is_full(&error) {
            true => self.unwritten("the archive", None, 0)(error),
            false => failed()(error),
        })?;
        let (layer, diff_id) = layer.finish()?;
        // That it can be unpacked is known once it was.
        match owners {
            Some(owners) => drop(self.layer(&layer, &diff_id, owners)?),
            None => self.try_layer(&layer)?,
        }
        of_layer(self, layer, diff_id, about)
    }

    /// Unpacks a layer as files of whoever does it, and removes them again.
    fn try_layer(&self, layer: &Descriptor) -> Result<()> {
        let packed = self.open_blob(layer, "the import")?;
        let place = self.new_place()?;
        let how = How {
            expected: None,
            limits: Limits::default(),
            ownership: Owners::Single.ownership(),
            whiteouts: Owners::Single.whiteouts(),
        };
        layer::unpack(packed, Compression::Gzip, place.path(), &how).map(drop)
    }

    /// Writes all files of an image as one archive, without what its layers replaced
    /// and removed.
    ///
    /// # Errors
    /// Those of unpacking its layers, and [`Error::Write`].
    pub fn export(&self, image: &Image, owners: Owners, out: impl Write) -> Result<()> {
        let layers = self.layers_of(image, owners)?;
        let layers: Vec<_> = layers.iter().map(|layer| &*layer.path).collect();
        let place = self.new_place()?;
        let how = MergeHow {
            // Nobody writes to them.
            content: Content::HardLink,
            userxattr: owners != Owners::Real,
            ownership: owners.ownership(),
        };
        layer::merge(&layers, place.path(), &how)?;
        // A single user's files are root's in the image.
        let ids = move |uid, gid| match owners {
            Owners::Single => (0, 0),
            Owners::Real | Owners::Mapped => (uid, gid),
        };
        let how = PackHow {
            packing: Packing::None,
            form: Form::Tree,
            ids: &ids,
            source_date_epoch: None,
            limits: Limits::default(),
        };
        layer::pack(place.path(), out, &how).map(drop)
    }
}
