//! What is remembered of the indexes' answers: how much it is, and forgetting it.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::answers;
use crate::cache::{Cache, is_ours};
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
        if !fs::symlink_metadata(&top).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        for directory in list(&top)? {
            if !is_hex(&directory, 2) || !directory.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            for entry in list(&directory.path())? {
                if is_hex(&entry, 62) && entry.metadata().is_ok_and(|found| is_ours(&found)) {
                    work(place, &entry)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether it is named as answers are, by the digits of a digest. Another directory than a cache may
/// be named by mistake, and nothing of its owner's may go.
fn is_hex(entry: &DirEntry, digits: usize) -> bool {
    let name = entry.file_name();
    let name = name.as_encoded_bytes();
    name.len() == digits && name.iter().all(u8::is_ascii_hexdigit)
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
        let fresh = format!("index/ab/{:062}", 1);
        // What is not ours, in a directory that was named by mistake.
        let others = ["index/en/page.txt", "index/ab/page", "metadata/aa/one.xml"];
        for (name, content) in [
            (format!("index/aa/{:062}", 0), page(1)),
            (fresh.clone(), page(far)),
            (format!("index/ab/{:062}", 2), "what".to_owned()),
            (format!("metadata/aa/{:062}", 0), "Name: a".to_owned()),
        ]
        .into_iter()
        .chain(others.map(|name| (name.to_owned(), "mine".to_owned())))
        {
            cache
                .write(&name, content.as_bytes(), 0o600)
                .expect("written");
        }
        let before = remembered(&cache).expect("read");
        assert_eq!(before.answers, 4);
        assert!(before.bytes > 0);
        assert_eq!(forget(&cache, Forget::Stale).expect("gone").answers, 2);
        assert!(home.path().join(fresh).exists());
        assert_eq!(forget(&cache, Forget::All).expect("gone").answers, 2);
        assert_eq!(remembered(&cache).expect("read"), Remembered::default());
        for other in others {
            assert!(home.path().join(other).exists(), "{other}");
        }
        assert_eq!(remembered(&Cache::none()).expect("read").answers, 0);
    }
}
