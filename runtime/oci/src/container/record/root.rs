//! Where the directories of containers are.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::spec::validate;
use crate::sys;

/// The directory below which commands keep what they know of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRoot(PathBuf);

impl StateRoot {
    /// Takes a directory; it need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// `/run/isorun` for root, else `isorun` below `XDG_RUNTIME_DIR`, else a
    /// directory of the user's own in `/tmp`.
    #[must_use]
    pub fn default_path() -> PathBuf {
        let uid = sys::process::effective_ids().0;
        if uid == 0 {
            return "/run/isorun".into();
        }
        match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
            Some(directory) => PathBuf::from(directory).join("isorun"),
            None => format!("/tmp/isorun-{uid}").into(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The ids of all that is below it, sorted.
    pub(in crate::container) fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| self.unreadable(source))?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut ids: Vec<String> = names
            .filter_map(|name| name.into_string().ok())
            .filter(|id| validate::check_id(id).is_ok())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        Error::Read {
            path: self.0.clone(),
            source,
        }
    }

    /// Opens it, making it where it is missing. In `/tmp` somebody else could
    /// have made it before.
    pub(super) fn open(&self) -> Result<fs::File> {
        let failed = |source| Error::Write {
            path: self.0.clone(),
            source,
        };
        let open = || {
            let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
            fs::OpenOptions::new()
                .read(true)
                .custom_flags(flags)
                .open(&self.0)
        };
        let directory = match open() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut builder = fs::DirBuilder::new();
                builder.recursive(true).mode(0o700);
                builder.create(&self.0).map_err(failed)?;
                open()
            }
            opened => opened,
        };
        let directory = directory.map_err(failed)?;
        let owner = directory.metadata().map_err(failed)?.uid();
        if owner != sys::process::effective_ids().0 && owner != 0 {
            return Err(failed(std::io::Error::other(format!(
                "it belongs to user {owner}"
            ))));
        }
        Ok(directory)
    }
}
