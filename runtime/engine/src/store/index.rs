//! `index.json`: what every name stands for, in one file that changes in one step.
//!
//! The version of a tag that counts carries the tag as the layout wants it, in
//! `org.opencontainers.image.ref.name`. The versions before it stand in the same
//! list without that mark: other tools see manifests without a name, keep them,
//! and a change of a tag and of its log is the same rename.

use std::fs;
use std::io::{ErrorKind, Read};

use super::lock::Lock;
use super::{Store, ingest};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Index};

/// The annotation that names a manifest in a layout.
///
/// Source: OCI image specification, `annotations.md`.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// More than the log of any store: tens of thousands of versions, in bytes.
const LONGEST: u64 = 64 << 20;

impl Store {
    /// Everything that has, or had, a name here.
    pub(super) fn entries(&self) -> Result<Vec<Descriptor>> {
        let path = self.root().join("index.json");
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(Error::read(&path))?,
        };
        let mut text = Vec::new();
        let read = file.take(LONGEST + 1).read_to_end(&mut text);
        read.map_err(Error::read(&path))?;
        let untrusted = |reason: String| Error::Untrusted {
            what: path.display().to_string(),
            reason,
        };
        if text.len() as u64 > LONGEST {
            return Err(untrusted(format!("it is longer than {LONGEST} bytes")));
        }
        let index: Index =
            serde_json::from_slice(&text).map_err(|error| untrusted(error.to_string()))?;
        Ok(index.manifests)
    }

    /// Changes the entries while nobody else does; an error of `change` changes
    /// nothing.
    pub(super) fn change_entries<T>(
        &self,
        change: impl FnOnce(&mut Vec<Descriptor>) -> Result<T>,
    ) -> Result<T> {
        let _alone = Lock::exclusive(&self.root().join("index.lock"))?;
        let mut entries = self.entries()?;
        let before = entries.clone();
        let result = change(&mut entries)?;
        let path = self.root().join("index.json");
        if entries != before || !path.exists() {
            let text = serde_json::to_vec(&Index::new(entries));
            let text = text.map_err(|error| Error::write(&path)(error.into()))?;
            ingest::write_to_disk(&self.ingest(), &path, &text)?;
        }
        Ok(result)
    }
}
