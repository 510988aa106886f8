//! What steps of builds made, so that none is taken twice.
//!
//! A step is known by the digest of all that it depends on; what it made is a
//! layer. A record is a small file of its own, which appears whole, so that builds
//! at once need no lock, and the layers of records are not swept.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Store, ingest};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest};

/// The layer that a step made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The layer, packed.
    pub layer: Descriptor,
    /// What it is once uncompressed.
    pub diff_id: Digest,
    /// When it was made, RFC 3339.
    pub made: String,
}

impl Store {
    /// What the step of this key made, where that is known and still here.
    #[must_use]
    pub fn step(&self, key: &Digest) -> Option<Step> {
        let text = fs::read(self.step_path(key)).ok()?;
        let step: Step = serde_json::from_slice(&text).ok()?;
        self.has(&step.layer).then_some(step)
    }

    /// Notes what the step of this key made.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn keep_step(&self, key: &Digest, step: &Step) -> Result<()> {
        let path = self.step_path(key);
        let directory = self.steps();
        fs::create_dir_all(&directory).map_err(Error::write(&directory))?;
        let text = serde_json::to_vec(step);
        let text = text.map_err(|error| Error::write(&path)(error.into()))?;
        ingest::write_whole(&self.ingest(), &path, &text)
    }

    /// Forgets all steps, and tells how many there were: their layers stay as far
    /// as images have them.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn forget_steps(&self) -> Result<usize> {
        let entries = fs::read_dir(self.steps()).into_iter().flatten().flatten();
        let mut count = 0;
        for path in entries.map(|entry| entry.path()) {
            fs::remove_file(&path).map_err(Error::write(&path))?;
            count += 1;
        }
        Ok(count)
    }

    /// Every step that is known.
    pub(super) fn all_steps(&self) -> Vec<Step> {
        let entries = fs::read_dir(self.steps()).into_iter().flatten().flatten();
        let read = entries.filter_map(|entry| fs::read(entry.path()).ok());
        read.filter_map(|text| serde_json::from_slice(&text).ok())
            .collect()
    }

    fn steps(&self) -> PathBuf {
        self.root().join("steps")
    }

    fn step_path(&self, key: &Digest) -> PathBuf {
        self.steps().join(key.hex())
    }
}
