//! What a guest says while nobody listens: a file that does not grow without end.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The names of the file that is written, and of the one before it.
pub(super) const NAMES: [&str; 2] = ["log", "log.before"];

/// How long a file may become: twice that is kept.
const LONGEST: u64 = 512 << 10;

/// The file that is written.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    file: File,
    written: u64,
}

impl Log {
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let path = directory.join(NAMES[0]);
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            written: 0,
        })
    }

    /// Adds to it. A full disk takes words and nothing else: the guest goes on.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.written + bytes.len() as u64 > LONGEST {
            let [current, before] = NAMES.map(|name| self.directory.join(name));
            // Where a full disk took the new file, the old one was put aside the last time.
            let aside = match fs::rename(&current, &before) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                renamed => renamed,
            };
            let turned = aside.and_then(|()| File::create(&current));
            if let Ok(file) = turned {
                (self.file, self.written) = (file, 0);
            } else {
                return;
            }
        }
        if self.file.write_all(bytes).is_ok() {
            self.written += bytes.len() as u64;
        }
    }
}

/// What is kept of the log in a guest's directory.
pub(super) fn read(directory: &Path) -> Vec<u8> {
    let [current, before] = NAMES.map(|name| fs::read(directory.join(name)).unwrap_or_default());
    [before, current].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_kept_in_part_and_its_end_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::new(dir.path()).unwrap();
        for number in 0..400_000 {
            log.add(format!("line {number}\n").as_bytes());
        }
        let kept = read(dir.path());
        assert!(kept.len() as u64 <= 2 * LONGEST && kept.len() as u64 > LONGEST);
        assert!(kept.ends_with(b"line 399998\nline 399999\n"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_disk_that_was_full_for_a_while_costs_only_what_was_said_then() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::new(dir.path()).unwrap();
        log.add(&[b'a'; LONGEST as usize]);
        // As when the file was put aside and no new one could be made.
        fs::rename(dir.path().join(NAMES[0]), dir.path().join(NAMES[1])).unwrap();
        log.add(b"again");
        assert!(read(dir.path()).ends_with(b"again"));
    }
}
