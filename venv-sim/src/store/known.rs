//! Which digest the file at a path had, so that a wheel on this machine is hashed once.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{hex, unhex};
use crate::cache::{Cache, name_of};
use crate::error::{Error, Result};
use crate::wheel::Digest;

/// What must be unchanged for a digest to hold. Nobody can set the change time back.
pub(crate) struct Identity {
    /// The name of the note in the cache.
    note: String,
    text: String,
    changed: Duration,
}

impl Identity {
    pub(crate) fn of(path: &Path, file: &File) -> Result<Self> {
        let found = file.metadata().map_err(Error::io("look at", path))?;
        let path = std::path::absolute(path).map_err(Error::io("find", path))?;
        let seconds = u64::try_from(found.ctime()).unwrap_or(0);
        Ok(Self {
            note: format!("known/{}", name_of(path.as_os_str().as_bytes())),
            text: format!(
                "{} {} {} {}.{} {}.{} {}",
                found.dev(),
                found.ino(),
                found.size(),
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
                path.as_os_str().as_bytes().escape_ascii()
            ),
            changed: Duration::from_secs(seconds),
        })
    }

    /// The digest that was remembered of this very file.
    pub(crate) fn digest(&self, cache: &Cache) -> Option<Digest> {
        let note = cache.read(&self.note)?;
        let note = std::str::from_utf8(&note).ok()?;
        let (digest, text) = note.split_once(' ')?;
        (text == self.text).then(|| unhex(digest)).flatten()
    }

    /// Remembers it; not of a file that was changed just now, whose next change may fall on
    /// the same tick of the file system's clock.
    pub(crate) fn remember(&self, digest: &Digest, cache: &Cache) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let settled = now.is_ok_and(|now| now > self.changed + Duration::from_secs(2));
        if let Some(digest) = hex(digest).filter(|_| settled) {
            // What cannot be remembered costs time, nothing else.
            let _ = cache.write(
                &self.note,
                format!("{digest} {}", self.text).as_bytes(),
                0o600,
            );
        }
    }
}
