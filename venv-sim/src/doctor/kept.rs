//! What a repair replaces, kept in the environment: nobody knows better than its user what it
//! was worth.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The directory, below the environment's.
pub(super) const KEPT: &str = "kept";

/// Where `path` of the environment at `dir` is kept: below `kept`, with a number if it was before.
fn place(dir: &Path, path: &Path) -> Result<PathBuf> {
    let inside = path.strip_prefix(dir).unwrap_or(path);
    let inside = inside.strip_prefix("/").unwrap_or(inside);
    let first = dir.join(KEPT).join(inside);
    let parent = first.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
    let mut place = first.clone();
    for number in 1.. {
        if fs::symlink_metadata(&place).is_err() {
            break;
        }
        let mut name = first.clone().into_os_string();
        name.push(format!(".{number}"));
        place = name.into();
    }
    Ok(place)
}

/// Keeps a copy of the file at `path`; it stays.
pub(super) fn copy(dir: &Path, path: &Path) -> Result<()> {
    let place = place(dir, path)?;
    fs::copy(path, &place).map_err(Error::io("keep", path))?;
    Ok(())
}

/// Keeps what is at `path`; it is not there any more.
pub(super) fn away(dir: &Path, path: &Path) -> Result<()> {
    let place = place(dir, path)?;
    fs::rename(path, &place).map_err(Error::io("keep", path))
}

/// Puts `content` into the place of `path` in one step, as executable as it was.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".isolab-new");
    let new = path.with_file_name(name);
    let write = || {
        fs::write(&new, content)?;
        if let Ok(old) = fs::metadata(path) {
            fs::set_permissions(&new, old.permissions())?;
        }
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        Error::io("write", path)(error)
    })
}
