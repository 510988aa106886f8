//! Writing images as one archive that docker, podman, skopeo and umoci all read.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

use super::{CONTAINERD_NAME, DockerEntry, REF_NAME};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Index, Reference};
use crate::store::{Image, Store};

impl Store {
    /// Writes `images` as an archive, each under its names. The same images give
    /// the same bytes.
    ///
    /// # Errors
    /// [`Error::Missing`] for a blob that is not here; [`Error::Write`].
    pub fn save(&self, images: &[(Vec<Reference>, Image)], out: impl Write) -> Result<()> {
        let mut archive = Archive {
            store: self,
            builder: Builder::new(out),
            written: BTreeSet::new(),
        };
        archive.text("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        for (_, image) in images {
            let parts = std::iter::once(&image.manifest.config).chain(&image.manifest.layers);
            for blob in parts.chain([&image.descriptor]) {
                archive.blob(blob)?;
            }
        }
        archive.json("index.json", &index(images))?;
        archive.json("manifest.json", &docker(images))?;
        archive.builder.finish().map_err(not_written)?;
        Ok(())
    }
}

fn index(images: &[(Vec<Reference>, Image)]) -> Index {
    let mut manifests = Vec::new();
    for (names, image) in images {
        let mut bare = image.descriptor.clone();
        bare.platform = Some(image.config.platform.clone());
        if names.is_empty() {
            manifests.push(bare.clone());
        }
        for name in names {
            let mut entry = bare.clone();
            let mut say = |key: &str| entry.annotations.insert(key.to_owned(), name.name());
            say(CONTAINERD_NAME);
            say(REF_NAME);
            manifests.push(entry);
        }
    }
    Index::new(manifests)
}

fn docker(images: &[(Vec<Reference>, Image)]) -> Vec<DockerEntry> {
    let path = |blob: &Descriptor| path_of(&blob.digest);
    let entry = |(names, image): &(Vec<Reference>, Image)| DockerEntry {
        config: path(&image.manifest.config),
        repo_tags: Some(names.iter().map(ToString::to_string).collect()),
        layers: Some(image.manifest.layers.iter().map(path).collect()),
    };
    images.iter().map(entry).collect()
}

struct Archive<'a, W: Write> {
    store: &'a Store,
    builder: Builder<W>,
    written: BTreeSet<Digest>,
}

impl<W: Write> Archive<'_, W> {
    fn blob(&mut self, blob: &Descriptor) -> Result<()> {
        if !self.written.insert(blob.digest.clone()) {
            return Ok(());
        }
        let file = self.store.open_blob(blob, "the archive")?;
        self.entry(&path_of(&blob.digest), blob.size, file)
    }

    fn json<T: serde::Serialize>(&mut self, path: &str, value: &T) -> Result<()> {
        let text = serde_json::to_vec(value).map_err(|error| not_written(error.into()))?;
        self.text(path, &text)
    }

    fn text(&mut self, path: &str, text: &[u8]) -> Result<()> {
        self.entry(path, text.len() as u64, text)
    }

    fn entry(&mut self, path: &str, bytes: u64, content: impl Read) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let appended = self.builder.append_data(&mut header, path, content);
        appended.map_err(not_written)
    }
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn not_written(source: io::Error) -> Error {
    Error::Write {
        path: "the archive".into(),
        source,
    }
}
