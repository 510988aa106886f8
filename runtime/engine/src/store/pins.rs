//! What is in use although no command keeps the whole store from being swept: the
//! layers below a running container.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use super::Store;
use super::ingest::Pending;
use crate::error::{Error, Result};
use crate::image::Digest;

/// Layers that are not swept while this lives.
#[derive(Debug)]
pub struct Pin(#[expect(dead_code, reason = "held for its lock, and removed at the end")] Pending);

impl Store {
    /// Keeps the layers with these diff ids for as long as the process lives that
    /// holds what is returned.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn pin<'a>(&self, layers: impl IntoIterator<Item = &'a Digest>) -> Result<Pin> {
        let directory = self.pins();
        fs::create_dir_all(&directory).map_err(Error::write(&directory))?;
        let mut pending = Pending::file(&directory)?;
        let lines: String = layers.into_iter().map(|id| format!("{id}\n")).collect();
        let written = pending.as_file().write_all(lines.as_bytes());
        written.map_err(Error::write(pending.path()))?;
        Ok(Pin(pending))
    }

    /// The diff ids of layers that are in use; what is not is forgotten.
    pub(super) fn pinned(&self) -> Vec<Digest> {
        let entries = fs::read_dir(self.pins()).into_iter().flatten().flatten();
        let mut layers = Vec::new();
        for path in entries.map(|entry| entry.path()) {
            let Ok(file) = File::open(&path) else {
                continue;
            };
            if file.try_lock().is_ok() {
                let _ = fs::remove_file(&path);
            } else {
                let text = fs::read_to_string(&path).unwrap_or_default();
                layers.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
            }
        }
        layers
    }

    fn pins(&self) -> PathBuf {
        self.root().join("pins")
    }
}
