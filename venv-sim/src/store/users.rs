//! Which links lead into a wheel of the store, so that pruning keeps what they need.
//!
//! Each link is written down as it is made. An environment that is moved takes its links along,
//! and they are not found any more where they were written down; but it takes along, too, the
//! names that it has of the wheel's other files, its METADATA among them. So a wheel that once
//! had links stays as long as one of them is there or a file of it has another name.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Stored;
use super::entry::USERS;
use crate::error::{Error, Result};

impl Stored {
    /// Has the links into the entry at `old` written down in the entry at `new`, which takes its
    /// place and its paths.
    pub(super) fn keep_users(old: &Path, new: &Path) -> Result<()> {
        let to = new.join(USERS);
        match fs::copy(old.join(USERS), &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("write", to)(error)),
            _ => Ok(()),
        }
    }

    /// Writes down links that lead into its tree, or are about to; their whole paths, without a
    /// link on the way to them.
    pub(crate) fn remember_links(&self, links: &[PathBuf]) -> Result<()> {
        let path = self.users();
        let known = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            known => known.map_err(Error::io("read", &path))?,
        };
        let known: BTreeSet<&[u8]> = paths(&known).collect();
        let mut text = Vec::new();
        for link in links.iter().map(|link| link.as_os_str().as_bytes()) {
            if !known.contains(link) {
                // No path holds a zero, and any path may hold a line's end.
                text.extend_from_slice(link);
                text.push(0);
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        let options = File::options().append(true).create(true).open(&path);
        options
            .and_then(|mut file| file.write_all(&text))
            .map_err(Error::io("write", &path))
    }

    /// Whether an environment may have links into it.
    pub(super) fn is_linked_into(&self) -> bool {
        let users = fs::read(self.users()).unwrap_or_default();
        let Ok(real) = fs::canonicalize(&self.directory) else {
            return false;
        };
        let leads_here = |link: &[u8]| {
            let link = Path::new(OsStr::from_bytes(link));
            fs::canonicalize(link).is_ok_and(|target| target.starts_with(&real))
        };
        paths(&users).any(leads_here) || (!users.is_empty() && self.is_shared())
    }
}

fn paths(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
}
