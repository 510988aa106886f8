//! Which repositories of registries hold which blobs, as far as pulls and pushes
//! have shown: a registry that has a blob in one repository takes it into another
//! without its bytes.
//!
//! It is a memory and no truth. What it says that is not so costs a question.

use std::fs;

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::{Store, ingest};
use crate::error::{Error, Result};
use crate::image::Digest;

/// What is remembered at most; the oldest is forgotten.
const MOST: usize = 4096;
/// More than that many take, in bytes.
const LONGEST: u64 = 4 << 20;

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    registry: String,
    repository: String,
    digest: Digest,
}

impl Store {
    /// Notes that a repository has blobs.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn remember_repository<'a>(
        &self,
        registry: &str,
        repository: &str,
        digests: impl IntoIterator<Item = &'a Digest>,
    ) -> Result<()> {
        let _alone = Lock::exclusive(&self.root().join("index.lock"))?;
        let mut all = self.known();
        for digest in digests {
            let new = Known {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                digest: digest.clone(),
            };
            all.retain(|known| *known != new);
            all.push(new);
        }
        let all = &all[all.len().saturating_sub(MOST)..];
        let path = self.known_path();
        let text = serde_json::to_vec(all);
        let text = text.map_err(|error| Error::write(&path)(error.into()))?;
        ingest::write_whole(&self.ingest(), &path, &text)
    }

    /// The repositories of `registry` that had the blob, the last first.
    #[must_use]
    pub fn repositories_with(&self, registry: &str, digest: &Digest) -> Vec<String> {
        let all = self.known().into_iter().rev();
        all.filter(|known| known.registry == registry && known.digest == *digest)
            .map(|known| known.repository)
            .collect()
    }

    fn known(&self) -> Vec<Known> {
        let path = self.known_path();
        let fits = fs::metadata(&path).is_ok_and(|file| file.len() <= LONGEST);
        let text = fits.then(|| fs::read(&path).ok()).flatten();
        let known = text.and_then(|text| serde_json::from_slice(&text).ok());
        known.unwrap_or_default()
    }

    fn known_path(&self) -> std::path::PathBuf {
        self.root().join("repositories.json")
    }
}
