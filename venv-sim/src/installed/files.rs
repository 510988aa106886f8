//! The files of a distribution, beside what its RECORD promised of them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Distribution, Form, text};
use crate::wheel::{Digest, Record};

/// A file that RECORD names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// As RECORD has it.
    pub recorded: String,
    /// What its content has to be; none for RECORD itself and for bytecode.
    pub digest: Option<Digest>,
    /// Its size in bytes, where RECORD says.
    pub size: Option<u64>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It is not there, or it is a link that leads nowhere.
    Missing,
    /// Its content is another.
    Changed,
    /// RECORD names it, and it lies outside of the environment, by its name or by a link on the
    /// way: it is nobody's to restore or to remove.
    Outside,
}

impl Distribution {
    /// Its files, as RECORD lists them.
    ///
    /// # Errors
    /// In words: there is no RECORD, as of an `.egg-info`, or it cannot be read.
    pub fn files(&self) -> Result<Vec<FileState>, String> {
        if self.form != Form::DistInfo {
            return Err("it was installed before there were lists of files".to_owned());
        }
        let written = text(&self.path.join("RECORD"))?;
        let record = Record::parse(written.as_bytes()).map_err(|why| why.to_string())?;
        let entries = record.entries.into_iter();
        let file = entries.map(|entry| FileState {
            path: lexically(&self.location.join(&entry.path)),
            recorded: entry.path,
            digest: entry.digest,
            size: entry.size,
        });
        Ok(file.collect())
    }
}

impl FileState {
    /// Whether it is still as it was installed in the environment at `dir`; `None` if it is.
    #[must_use]
    pub fn harm(&self, dir: &Path) -> Option<Harm> {
        if !self.path.starts_with(dir) {
            return Some(Harm::Outside);
        }
        let harm = self.harm_inside()?;
        // Only where something is wrong, for it takes longer than to look whether it is.
        Some(match self.leads_out(dir) {
            true => Harm::Outside,
            false => harm,
        })
    }

    fn harm_inside(&self) -> Option<Harm> {
        let Some(digest) = &self.digest else {
            // What has no digest may be made again, as bytecode is; but not what a link leads to.
            let leads_nowhere = self.path.is_symlink() && !self.path.exists();
            return leads_nowhere.then_some(Harm::Missing);
        };
        let found = match fs::metadata(&self.path) {
            Ok(found) if found.is_file() => found,
            Ok(_) => return Some(Harm::Changed),
            Err(_) => return Some(Harm::Missing),
        };
        if self.size.is_some_and(|size| size != found.len()) {
            return Some(Harm::Changed);
        }
        match fs::read(&self.path) {
            Ok(content) if digest.is_of(&content) => None,
            _ => Some(Harm::Changed),
        }
    }

    /// Whether a link takes its directory out of the environment.
    fn leads_out(&self, dir: &Path) -> bool {
        let mut above = self.path.ancestors().skip(1);
        let real = above.find_map(|directory| fs::canonicalize(directory).ok());
        let top = fs::canonicalize(dir);
        !matches!((real, top), (Some(real), Ok(top)) if real.starts_with(&top))
    }
}

/// The path without `.` and `..`, as it is written: no link is followed.
fn lexically(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}
