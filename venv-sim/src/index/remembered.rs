//! What is remembered of the indexes' answers: how much it is, and forgetting it.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::answers;
use crate::cache::Cache;
use crate::error::{Error, Result};

/// Where pages are, and METADATA.
const PLACES: [&str; 2] = [answers::PLACE, super::metadata::PLACE];

/// So much is remembered, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// How many answers.
    pub answers: usize,
    /// What they take of the disk, in bytes.
    pub bytes: u64,
}

/// Which answers are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// Pages that would have to be asked for again before they are used. The METADATA of a wheel
    /// is true for ever.
    Stale,
    /// All of them.
    All,
}

/// How much of the indexes' answers `cache` remembers.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn remembered(cache: &Cache) -> Result<Remembered> {
    let mut found = Remembered::default();
    each(cache, |_, entry| {
        found.add(entry);
        Ok(())
    })?;
    Ok(found)
}

/// Removes answers from `cache`; what is gone.
///
/// # Errors
/// [`Error::Io`] where one cannot be removed.
pub fn forget(cache: &Cache, which: Forget) -> Result<Remembered> {
    let mut gone = Remembered::default();
    each(cache, |place, entry| {
        let path = entry.path();
        if which == Forget::Stale && (place != answers::PLACE || answers::is_fresh(&path)) {
            return Ok(());
        }
        let mut this = Remembered::default();
        this.add(entry);
        match fs::remove_file(&path) {
            // Another process was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(Error::io("remove", &path))?,
        }
        gone.answers += this.answers;
        gone.bytes += this.bytes;
        Ok(())
    })?;
    Ok(gone)
}

impl Remembered {
    fn add(&mut self, entry: &DirEntry) {
        self.answers += 1;
        self.bytes += entry.metadata().map_or(0, |found| found.blocks() * 512);
    }
}

/// Each file that an answer is in, with the place that it is below.
fn each(cache: &Cache, mut work: impl FnMut(&str, &DirEntry) -> Result<()>) -> Result<()> {
    for place in PLACES {
        let Some(top) = cache.path(place) else {
            continue;
        };
        for directory in list(&top)? {
            if !directory.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            for entry in list(&directory.path())? {
                // What begins so is being written just now.
                let is_unfinished = entry.file_name().as_encoded_bytes().starts_with(b".");
                if entry.file_type().is_ok_and(|kind| kind.is_file()) && !is_unfinished {
                    work(place, &entry)?;
                }
            }
        }
    }
    Ok(())
}

fn list(directory: &Path) -> Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let entries = entries.map_err(Error::io("read directory", directory))?;
            Ok(entries.flatten().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_pages_go_first_and_metadata_only_with_all() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path());
        let page = |until: u64| {
            let head = serde_json::json!({
                "url": "https://i.test/simple/a/", "content_type": "text/html", "etag": null,
                "modified": null, "fetched": 0, "until": until, "length": 4, "condensed": 0, "checksum": 0,
            });
            format!("{head}\nbody")
        };
        let far = 1 << 40;
        for (name, content) in [
            ("index/aa/stale", page(1)),
            ("index/ab/fresh", page(far)),
            ("index/ab/broken", "what".to_owned()),
            ("metadata/aa/one", "Name: a".to_owned()),
        ] {
            cache
                .write(name, content.as_bytes(), 0o600)
                .expect("written");
        }
        let before = remembered(&cache).expect("read");
        assert_eq!(before.answers, 4);
        assert!(before.bytes > 0);
        assert_eq!(forget(&cache, Forget::Stale).expect("gone").answers, 2);
        assert!(home.path().join("index/ab/fresh").exists());
        assert_eq!(forget(&cache, Forget::All).expect("gone").answers, 2);
        assert_eq!(remembered(&cache).expect("read"), Remembered::default());
        assert_eq!(remembered(&Cache::none()).expect("read").answers, 0);
    }
}
