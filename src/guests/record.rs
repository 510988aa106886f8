//! What is known of a guest, kept in its [directory](super::directory) for whoever asks: no file of
//! ours there is larger than is read again, and each is there whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Wanted;
use super::process::Process;
use crate::hint;

/// The record's file in a guest's directory.
pub const FILE: &str = "record.json";
/// The largest record that is read.
const LARGEST: u64 = 1 << 20;

/// How far a guest has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// Its program does not run yet.
    Booting,
    /// Its program runs.
    Running,
    /// It is over.
    Ended {
        /// What it ended with, as a command's exit status.
        code: u8,
        /// Why, where it was not its program that ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

/// What is known of a guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What it was asked to be.
    pub wanted: Wanted,
    /// How far it has come.
    #[serde(flatten)]
    pub status: Status,
    /// Who keeps it.
    pub keeper: Process,
    /// Its QEMU.
    #[serde(default)]
    pub vmm: Option<Process>,
    /// How often it hung before it booted.
    #[serde(default)]
    pub hangs: u32,
    /// When it was started, in seconds since 1970.
    pub since: u64,
}

/// The record of the guest in `directory`, if one was written.
pub fn read(directory: &Path) -> Option<Record> {
    let path = directory.join(FILE);
    let metadata = fs::metadata(&path).ok()?;
    let fits = metadata.is_file() && metadata.len() <= LARGEST;
    fits.then(|| serde_json::from_slice(&fs::read(path).ok()?).ok())?
}

/// What is kept of a guest, in no more bytes than are read again.
///
/// # Errors
/// If it takes more: an image's command may be as long as it likes.
pub fn bounded(value: &impl Serialize) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(value)?;
    if bytes.len() as u64 > LARGEST {
        return Err(hint::with(
            "cannot keep the guest's record: its command is longer than 1 MiB",
            "put long texts into a file: --file SOURCE:/DESTINATION",
        ));
    }
    Ok(bytes)
}

/// Writes a file of `directory`, whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_whole(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.persist(directory.join(name))?;
        io::Result::Ok(())
    })();
    written.with_context(|| format!("cannot write {}", directory.join(name).display()))
}

/// Reads a file of a guest's directory that another process of ours wrote.
///
/// # Errors
/// If it is not there, or is larger than any that we write.
pub fn read_whole(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        metadata.len() <= LARGEST,
        "{shown} is not of ours: it is too large"
    );
    fs::read(path).with_context(|| format!("cannot read {shown}"))
}
