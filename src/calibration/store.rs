//! Where the calibration of this machine lies, and which of its bytes were used.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use vm_model::model::parameters::{Calibration, SIZE_LIMIT};

use super::here;
use crate::report::{Target, input};
use crate::{hint, places};

/// A calibration with the file that it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What it says.
    pub calibration: Calibration,
}

/// Where the newest calibration lies, or would.
///
/// # Errors
/// If there is no home.
pub fn path() -> Result<PathBuf> {
    let data = places::data().context("no directory for a calibration: HOME is not set")?;
    Ok(data.join("model").join("calibration.json"))
}

/// Keeps `calibration` as the newest, whole or not at all.
///
/// # Errors
/// If it cannot be written; what was there is untouched then.
pub fn save(calibration: &Calibration) -> Result<PathBuf> {
    let dir = places::make_data()?.join("model");
    places::make_private(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("calibration.json");
    Target::at(&path).replace(text(calibration)?.as_bytes())?;
    Ok(path)
}

/// It as it is written.
pub(crate) fn text(calibration: &Calibration) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(calibration)?))
}

/// The newest calibration of this machine; `None` if there is none.
///
/// # Errors
/// If it is there and cannot be read, is damaged, or is another machine's.
pub fn newest() -> Result<Option<Stored>> {
    match path() {
        Ok(path) if path.exists() => load(&path).map(Some),
        _ => Ok(None),
    }
}

/// The calibration in the file at `path`, of this machine.
///
/// # Errors
/// If it cannot be read, is damaged, or is another machine's.
pub fn load(path: &Path) -> Result<Stored> {
    let bytes = input::read(path, SIZE_LIMIT).map_err(|error| {
        hint::with(
            format!("cannot read the calibration {}: {error}", path.display()),
            "`isolab model calibrate` makes one; or name another file",
        )
    })?;
    let calibration = Calibration::parse(&bytes)
        .and_then(|read| read.check_machine(&here::machine()).map(|()| read))
        .with_context(|| format!("cannot use the calibration {}", path.display()))?;
    Ok(Stored {
        path: path.to_owned(),
        sha256: sha256(&bytes),
        calibration,
    })
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
